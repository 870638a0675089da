import { KMSClient } from '@aws-sdk/client-kms';
import { afterAll, beforeAll } from 'vitest';
import { sandboxClock } from '../../sandbox/clock.ts';
import type { SandboxClock } from '../../sandbox/clock.ts';
import { startAwsKmsSandbox } from '../../sandbox/aws-kms/server.ts';
import type { AwsKmsSandbox, AwsKmsSandboxOptions, SandboxAccount } from '../../sandbox/aws-kms/server.ts';

export const account: SandboxAccount = {
  accountId: '111122223333',
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
export const otherAccount: SandboxAccount = {
  accountId: '444455556666',
  accessKeyId: 'AKIAI44QH8DHBEXAMPLE',
  secretAccessKey: 'je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY',
};
export const day = 86_400_000;

export interface Kms {
  readonly clock: SandboxClock;
  readonly sandbox: AwsKmsSandbox;
  /** A client of the real SDK that tries once. */
  client(region?: string, as?: SandboxAccount): KMSClient;
}

export function kmsClient(endpoint: string, region = 'eu-central-1', as: SandboxAccount = account): KMSClient {
  return new KMSClient({ endpoint, region, credentials: as, maxAttempts: 1 });
}

/** A sandbox for the tests of one file, with clients that are closed with it. */
export function useKms(options: Partial<AwsKmsSandboxOptions> = {}): Kms {
  const clock = sandboxClock();
  const clients = new Map<string, KMSClient>();
  let running: AwsKmsSandbox | undefined;
  beforeAll(async () => {
    running = await startAwsKmsSandbox({ clock, accounts: [account, otherAccount], ...options });
  });
  afterAll(async () => {
    for (const client of clients.values()) client.destroy();
    await running?.close();
  });
  const kms = {
    clock,
    get sandbox() {
      if (!running) throw new Error('The sandbox is not started yet');
      return running;
    },
    client(region = 'eu-central-1', as = account) {
      const name = `${as.accessKeyId} ${region}`;
      const client = clients.get(name) ?? kmsClient(kms.sandbox.endpoint, region, as);
      clients.set(name, client);
      return client;
    },
  };
  return kms;
}

/** The name and message of what a call throws; fails the test when it does not throw. */
export async function refusal(call: Promise<unknown>): Promise<{ name: string; message: string }> {
  try {
    await call;
  } catch (error) {
    if (error instanceof Error) return { name: error.name, message: error.message };
  }
  throw new Error('The call was not refused');
}

/** What the SDK types as optional and the service always sends. */
export function given<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('The answer lacks a member');
  return value;
}
