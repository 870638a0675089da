import { createServer } from 'node:http';
import type { SandboxClock } from '../clock.ts';
import type { ControllableSandbox } from '../control.ts';
import { callCounter } from './calls.ts';
import type { CallCounts } from './calls.ts';
import { Cloud } from './cloud.ts';
import { controlRoutes } from './control-routes.ts';
import { faultBook } from './faults.ts';
import type { Faults } from './faults.ts';
import { operator } from './operator.ts';
import type { Operator } from './operator.ts';
import { vaultListener } from './protocol.ts';
import { quota } from './quota.ts';
import { tokens } from './tokens.ts';
import type { SandboxApplication } from './tokens.ts';
import type { VaultOptions } from './world.ts';
import { listenOnLoopback } from '../ports.ts';

export type { CallCount, CallCounts, CallFilter } from './calls.ts';
export type { FaultKind, FaultRule, Faults, ListedFault } from './faults.ts';
export type { KeyListing, KeyTarget, Operator } from './operator.ts';
export type { SandboxApplication } from './tokens.ts';
export type { VaultOptions } from './world.ts';

export interface AzureKeyVaultSandboxOptions {
  /** 0, or nothing, for any free port. */
  port?: number;
  clock: SandboxClock;
  /** The vaults that there are. */
  vaults: readonly VaultOptions[];
  /** Who can get a token, in which tenant. */
  applications: readonly SandboxApplication[];
  /**
   * Where keys are kept, so that they survive restarts and crashes. The key that their material is encrypted with goes into a second file
   * beside it, `<stateFile>.key`. One sandbox at a time may use it.
   */
  stateFile?: string;
  /** How long a deletion or recovery takes, in milliseconds. Default 0: done when the call returns. */
  settleMs?: number;
}

export interface AzureKeyVaultSandbox extends ControllableSandbox {
  /** For AZURE_KEY_VAULT_ENDPOINT: every vault is here, told by the Host header. */
  readonly endpoint: string;
  /** For AZURE_AUTHORITY_HOST. */
  readonly authorityHost: string;
  readonly port: number;
  readonly operator: Operator;
  readonly calls: CallCounts;
  readonly faults: Faults;
  /** Azure's transaction limits per vault; off until enabled. */
  readonly quota: { enabled: boolean };
  /** How long a deletion or recovery takes from now on, in milliseconds. */
  settle(milliseconds: number): void;
  /** Ends every connection too, hanging ones included. */
  close(): Promise<void>;
}

/**
 * Starts vaults of Azure Key Vault that live in this process and speak its REST API, with the token endpoint of Microsoft Entra beside them,
 * on 127.0.0.1 only.
 */
export async function startAzureKeyVaultSandbox(options: AzureKeyVaultSandboxOptions): Promise<AzureKeyVaultSandbox> {
  const faults = faultBook();
  const calls = callCounter();
  const rates = quota();
  const cloud = new Cloud({
    clock: options.clock,
    vaults: options.vaults,
    stateFile: options.stateFile,
    settleMs: options.settleMs ?? 0,
  });
  const server = createServer(
    { keepAliveTimeout: 30_000 },
    vaultListener({ cloud, tokens: tokens(options.applications), faults, calls, quota: rates }),
  );
  const port = await listenOnLoopback(server, options.port ?? 0);
  const endpoint = `http://127.0.0.1:${port}`;
  const controlled = { operator: operator(cloud), calls, faults, quota: rates };

  return {
    ...controlled,
    endpoint,
    authorityHost: endpoint,
    port,
    controlRoutes: () => controlRoutes(controlled),
    tick: () => {
      cloud.tick();
    },
    settle(milliseconds) {
      cloud.settleMs = milliseconds;
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
