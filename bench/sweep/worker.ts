/** A process in which nothing but what is measured happens: a sweep, or the bare loop beside it. */
import { randomUUID } from 'node:crypto';
import { DescribeKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import * as z from 'zod/mini';
import { readConfig } from '../../lib/config.ts';
import type { Deployment } from '../../lib/deployment.ts';
import { driverFor } from '../../lib/drivers/connections.ts';
import { scan } from '../../lib/drift/scan.ts';
import { openDatabase } from '../../lib/records/database.ts';
import { KEYSTORE_ACCOUNT } from '../../sandbox/aws-accounts.ts';

const ASKED = z.discriminatedUnion('what', [
  z.object({ what: z.literal('sweep'), table: z.string(), database: z.string(), concurrency: z.number() }),
  z.object({ what: z.literal('bare'), region: z.string(), labels: z.array(z.string()), concurrency: z.number() }),
]);

/** What a piece of work cost. */
export interface Cost {
  readonly keys: number;
  readonly written: number;
  readonly wallMs: number;
  readonly cpuMs: number;
  /** Resident memory at its highest, and before it began, in MB. */
  readonly peakMb: number;
  readonly beforeMb: number;
}

const noMaterial = () => Promise.reject(new Error('There is no key material in a benchmark.'));
const silent = () => undefined;

async function sweep(asked: Extract<z.infer<typeof ASKED>, { what: 'sweep' }>) {
  const config = readConfig({
    TABLE_NAME: asked.table,
    DYNAMODB_ENDPOINT: asked.database,
    CUSTODY_KEY_ID: 'none',
    OIDC_ISSUER: 'https://issuer.example',
    OIDC_AUDIENCE: 'none',
    SCAN_CONCURRENCY: String(asked.concurrency),
    SWEEP_QUOTA_PERCENT: process.env['BENCH_QUOTA_PERCENT'] ?? '100',
    // Buckets are asked as ever, and never empty.
    PROVIDER_QUOTAS: process.env['BENCH_QUOTAS'] ?? '{"aws.DescribeKey": 1000000000}',
  });
  const deployment: Deployment = {
    config,
    database: openDatabase({ table: asked.table, endpoint: asked.database }),
    clock: () => new Date(),
    newId: randomUUID,
    custody: { generate: noMaterial, lend: noMaterial, seal: noMaterial, open: noMaterial },
    driverFor: (keystore, pace, direct) =>
      driverFor(
        keystore,
        () => Promise.resolve({ aws_secret_access_key: KEYSTORE_ACCOUNT.secretAccessKey }),
        pace,
        direct,
      ),
    log: { debug: silent, info: silent, warn: silent, error: console.error },
  };
  return cost(async () => {
    const scans = await scan(deployment, new AbortController().signal);
    const bad = scans.find(({ health, failed }) => health !== 'ok' || failed > 0);
    if (bad !== undefined) throw new Error(`The sweep of ${bad.name} failed: ${bad.message}, ${bad.failed} findings.`);
    const sum = (of: (each: (typeof scans)[number]) => number) => scans.reduce((total, each) => total + of(each), 0);
    return { keys: sum(({ keys }) => keys), written: sum(({ written }) => written) };
  });
}

async function bare(asked: Extract<z.infer<typeof ASKED>, { what: 'bare' }>) {
  const { accessKeyId, secretAccessKey } = KEYSTORE_ACCOUNT;
  const client = new KMSClient({ region: asked.region, credentials: { accessKeyId, secretAccessKey } });
  const labels = asked.labels.values();
  return cost(async () => {
    const worker = async (): Promise<void> => {
      for (const label of labels) await client.send(new DescribeKeyCommand({ KeyId: `alias/${label}` }));
    };
    await Promise.all(Array.from({ length: asked.concurrency }, worker));
    return { keys: asked.labels.length, written: 0 };
  });
}

async function cost(work: () => Promise<{ readonly keys: number; readonly written: number }>): Promise<Cost> {
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  const cpu = process.cpuUsage();
  const began = performance.now();
  const done = await work();
  const wallMs = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);
  return {
    ...done,
    wallMs,
    cpuMs: (user + system) / 1_000,
    // In kilobytes, as the system counts: sampling it would cost a quarter of what is measured.
    peakMb: process.resourceUsage().maxRSS / 1_024,
    beforeMb: before / 2 ** 20,
  };
}

process.on('message', (message) => {
  const asked = ASKED.parse(message);
  (asked.what === 'sweep' ? sweep(asked) : bare(asked)).then(
    (result) => process.send?.({ result }),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit());
process.send?.({ ready: true });
