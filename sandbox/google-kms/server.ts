import { createServer } from 'node:http';
import { callCounter } from '../aws-kms/calls.ts';
import type { CallCounts } from '../aws-kms/calls.ts';
import type { SandboxClock } from '../clock.ts';
import type { ControllableSandbox } from '../control.ts';
import { Cloud } from './cloud.ts';
import type { MakeWrappingKey } from './cloud.ts';
import { controlRoutes } from './control-routes.ts';
import { faultBook } from './faults.ts';
import type { Faults } from './faults.ts';
import { tokenEndpoint } from './oauth.ts';
import type { SandboxServiceAccount, ServiceAccountFile, Tokens } from './oauth.ts';
import { operator } from './operator.ts';
import type { Operator } from './operator.ts';
import { googleListener } from './protocol.ts';
import { quota } from './quota.ts';
import { listenOnLoopback } from '../ports.ts';

export type { FaultKind, FaultRule, Faults } from './faults.ts';
export type { SandboxServiceAccount, ServiceAccountFile } from './oauth.ts';
export type { KeyListing, Operator, VersionListing } from './operator.ts';
export type { MakeWrappingKey } from './cloud.ts';

export interface GoogleKmsSandboxOptions {
  /** 0, or nothing, for any free port. */
  port?: number;
  clock: SandboxClock;
  /** Who may call. Each sees the keys of its own project only. */
  serviceAccounts: SandboxServiceAccount[];
  /**
   * Where everything is kept, so that it survives restarts and crashes. The key that its key material is encrypted with goes into a second
   * file beside it, `<stateFile>.key`. One sandbox at a time may use it.
   */
  stateFile?: string;
  /** How long key pairs and import jobs are PENDING_GENERATION, and imports PENDING_IMPORT. Default 40 milliseconds. */
  pendingMs?: number;
  /** Makes the wrapping keys of import jobs, for tests that cannot wait for fresh ones. */
  makeWrappingKey?: MakeWrappingKey;
}

export interface GoogleKmsSandbox extends ControllableSandbox {
  /** What to give a client as its endpoint: `GOOGLE_KMS_ENDPOINT`. */
  readonly endpoint: string;
  readonly port: number;
  readonly operator: Operator;
  readonly calls: CallCounts;
  readonly faults: Faults;
  /** Google's request rates per project and location; off until enabled. */
  readonly quota: { enabled: boolean };
  readonly tokens: Pick<Tokens, 'lifetimeSeconds'>;
  /**
   * The key of a project's first service account, or of that with the address given, as the value of `google_credentials`; its token_uri is
   * this sandbox.
   */
  credentials(projectId: string, clientEmail?: string): ServiceAccountFile;
  /** Ends every connection too, hanging ones included. */
  close(): Promise<void>;
}

/** Starts a Google Cloud KMS that lives in this process and speaks its REST API, on 127.0.0.1 only, token endpoint included. */
export async function startGoogleKmsSandbox(options: GoogleKmsSandboxOptions): Promise<GoogleKmsSandbox> {
  const faults = faultBook();
  const calls = callCounter();
  const rates = quota();
  const cloud = new Cloud({
    clock: options.clock,
    stateFile: options.stateFile,
    pendingMs: options.pendingMs ?? 40,
    makeWrappingKey: options.makeWrappingKey,
  });
  let endpoint = '';
  const tokens = tokenEndpoint(options.serviceAccounts, cloud, () => `${endpoint}/token`);
  const server = createServer(
    { keepAliveTimeout: 30_000 },
    googleListener({ cloud, tokens, faults, calls, quota: rates }),
  );
  const port = await listenOnLoopback(server, options.port ?? 0);
  endpoint = `http://127.0.0.1:${port}`;
  const sandbox = {
    endpoint,
    port,
    operator: operator(cloud, tokens),
    calls,
    faults,
    quota: rates,
    tokens,
    credentials: (projectId: string, clientEmail?: string) => tokens.file(projectId, clientEmail),
  };

  return {
    ...sandbox,
    tick: () => {
      cloud.tick();
    },
    controlRoutes: () => controlRoutes({ ...sandbox, serviceAccounts: options.serviceAccounts }),
    async close() {
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      });
      cloud.close();
    },
  };
}
