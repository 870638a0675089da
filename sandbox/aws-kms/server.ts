import { EventEmitter } from 'node:events';
import { createServer } from 'node:http';
import type { SandboxClock } from '../clock.ts';
import type { ControllableSandbox } from '../control.ts';
import { callCounter } from './calls.ts';
import type { CallCounts } from './calls.ts';
import { Cloud, defaultLimits } from './cloud.ts';
import type { Limits } from './cloud.ts';
import { controlRoutes } from './control-routes.ts';
import type { EventBridgeEvent } from './events.ts';
import { faultBook } from './faults.ts';
import type { Faults } from './faults.ts';
import { operator } from './operator.ts';
import type { Operator } from './operator.ts';
import { kmsListener } from './protocol.ts';
import { quota } from './quota.ts';
import { rotateWhenDue } from './rotation.ts';
import { sigV4Verifier } from './sigv4.ts';
import type { SandboxAccount } from './sigv4.ts';
import { listenOnLoopback } from '../ports.ts';

export type { SandboxAccount } from './sigv4.ts';
export type { CallCount, CallCounts, CallFilter } from './calls.ts';
export type { FaultKind, FaultRule, Faults, ListedFault } from './faults.ts';
export type { KeyListing, KeyStoreListing, KeyTarget, Operator } from './operator.ts';
export type { EventBridgeEvent } from './events.ts';
export type { Limits } from './cloud.ts';

export interface AwsKmsSandboxOptions {
  /** 0, or nothing, for any free port. */
  port?: number;
  clock: SandboxClock;
  /** Who may call. Each account sees its own keys only. */
  accounts: SandboxAccount[];
  /**
   * Where everything is kept, so that it survives restarts and crashes. The key that its key material is encrypted with
   * goes into a second file beside it, `<stateFile>.key`. One sandbox at a time may use it.
   */
  stateFile?: string;
  /** Resource quotas other than AWS's defaults. */
  limits?: Partial<Limits>;
  /** How long ConnectCustomKeyStore leaves a store CONNECTING. Default 0: connected when the call returns. */
  connectMs?: number;
}

export interface AwsKmsSandbox extends ControllableSandbox {
  /** What to give a client as its endpoint. */
  readonly endpoint: string;
  readonly port: number;
  readonly operator: Operator;
  readonly calls: CallCounts;
  readonly faults: Faults;
  /** Real AWS request rates per account, region and operation; off until enabled. */
  readonly quota: { enabled: boolean };
  /** What EventBridge would deliver. Returns a function that ends the subscription. */
  on(event: 'event', listener: (event: EventBridgeEvent) => void): () => void;
  /** Ends every connection too, hanging ones included. */
  close(): Promise<void>;
}

/** Starts an AWS KMS that lives in this process and speaks the real wire protocol, on 127.0.0.1 only. */
export async function startAwsKmsSandbox(options: AwsKmsSandboxOptions): Promise<AwsKmsSandbox> {
  const emitter = new EventEmitter();
  const faults = faultBook();
  const calls = callCounter();
  const rates = quota();
  const cloud = new Cloud({
    clock: options.clock,
    stateFile: options.stateFile,
    limits: { ...defaultLimits, ...options.limits },
    emit: (event) => emitter.emit('event', event),
    lag: (world) => faults.lagMs(world.region, world.accountId),
    connectMs: options.connectMs ?? 0,
  });
  cloud.onRotationDue = (world, key, at) => {
    rotateWhenDue(cloud, world, key, at);
  };
  const verify = sigV4Verifier(options.accounts, { now: () => options.clock.now().getTime() });
  const server = createServer(
    { keepAliveTimeout: 30_000 },
    kmsListener({ cloud, verify, faults, calls, quota: rates }),
  );
  const port = await listenOnLoopback(server, options.port ?? 0);
  // Deadlines pass without calls too: whoever listens to events waits for them.
  const heartbeat = setInterval(() => cloud.tick(), 250).unref();
  const sandbox = {
    endpoint: `http://127.0.0.1:${port}`,
    port,
    operator: operator(cloud),
    calls,
    faults,
    quota: rates,
    tick: () => {
      cloud.tick();
    },
  };

  return {
    ...sandbox,
    controlRoutes: () => controlRoutes({ ...sandbox, accounts: options.accounts }),
    on(event, listener) {
      emitter.on(event, listener);
      return () => {
        emitter.off(event, listener);
      };
    },
    async close() {
      clearInterval(heartbeat);
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
