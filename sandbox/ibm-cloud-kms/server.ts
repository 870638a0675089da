import { createServer } from 'node:http';
import type { SandboxClock } from '../clock.ts';
import type { ControllableSandbox } from '../control.ts';
import { callCounter } from './calls.ts';
import type { CallCounts } from './calls.ts';
import { Cloud } from './cloud.ts';
import type { SandboxInstance } from './cloud.ts';
import { controlRoutes } from './control-routes.ts';
import { faultBook } from './faults.ts';
import type { Faults } from './faults.ts';
import { iam } from './iam.ts';
import type { SandboxApiKey } from './iam.ts';
import { operator } from './operator.ts';
import type { Operator } from './operator.ts';
import { listener } from './protocol.ts';
import { listenOnLoopback } from '../ports.ts';

export type { SandboxInstance } from './cloud.ts';
export type { SandboxApiKey } from './iam.ts';
export type { FaultKind, FaultRule, Faults } from './faults.ts';
export type { KeyListing, Operator } from './operator.ts';
export type { CallCounts } from './calls.ts';

export interface IbmCloudKmsSandboxOptions {
  /** 0, or nothing, for any free port. */
  readonly port?: number;
  readonly clock: SandboxClock;
  readonly instances: readonly SandboxInstance[];
  /** Who may call, every instance alike. */
  readonly apiKeys: readonly SandboxApiKey[];
  /**
   * Where everything is kept, so that it survives restarts and crashes. The key that its key material is encrypted with goes into a
   * second file beside it, `<stateFile>.key`. One sandbox at a time may use it.
   */
  readonly stateFile?: string;
  /** How long enabling and restoring must wait after another action. Default 30 000, as at IBM. */
  readonly settleMs?: number;
}

export interface IbmCloudKmsSandbox extends ControllableSandbox {
  /** What a keystore has as its `ibm_api_endpoint` and as its `ibm_iam_endpoint`. */
  readonly endpoint: string;
  readonly port: number;
  readonly operator: Operator;
  readonly calls: CallCounts;
  readonly faults: Faults;
  /** Ends every connection too, hanging ones included. */
  close(): Promise<void>;
}

/**
 * Starts an IBM Cloud that lives in this process, on 127.0.0.1 only: the identity service, and the key management API that Key Protect
 * and Hyper Protect Crypto Services share.
 */
export async function startIbmCloudKmsSandbox(options: IbmCloudKmsSandboxOptions): Promise<IbmCloudKmsSandbox> {
  const { clock, instances, stateFile, settleMs = 30_000 } = options;
  const cloud = new Cloud({ clock, instances, settleMs, stateFile });
  const identity = iam(clock, options.apiKeys);
  const faults = faultBook();
  const calls = callCounter();
  const server = createServer({ keepAliveTimeout: 30_000 }, listener({ cloud, iam: identity, faults, calls }));
  const port = await listenOnLoopback(server, options.port ?? 0);
  const sandbox = { endpoint: `http://127.0.0.1:${port}`, port, operator: operator(cloud, identity), calls, faults };
  return {
    ...sandbox,
    controlRoutes: () => controlRoutes(sandbox),
    tick: () => {
      cloud.tick();
    },
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
