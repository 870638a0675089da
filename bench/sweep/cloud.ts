/** A process with AWS KMS in it, so that what it costs is not counted as the sweep's. Asked by messages; see `CloudProcess`. */
import * as z from 'zod/mini';
import { startAwsKmsSandbox } from '../../sandbox/aws-kms/server.ts';
import { sandboxClock } from '../../sandbox/clock.ts';
import { KEYSTORE_ACCOUNT } from '../../sandbox/aws-accounts.ts';

const ASKED = z.discriminatedUnion('what', [
  z.object({ what: z.literal('seed'), region: z.string(), labels: z.array(z.string()) }),
  z.object({ what: z.literal('disable'), region: z.string(), count: z.number() }),
  z.object({ what: z.literal('quota'), enabled: z.boolean() }),
  z.object({ what: z.literal('calls') }),
  z.object({ what: z.literal('cpu') }),
]);

const kms = await startAwsKmsSandbox({
  clock: sandboxClock(),
  accounts: [KEYSTORE_ACCOUNT],
  limits: { keys: Number.POSITIVE_INFINITY },
});

async function answer(asked: z.infer<typeof ASKED>): Promise<unknown> {
  switch (asked.what) {
    case 'seed':
      return kms.operator.seedKeys(
        asked.region,
        KEYSTORE_ACCOUNT.accountId,
        asked.labels.map((label) => `alias/${label}`),
      );
    case 'disable': {
      const keys = kms.operator.keys({ region: asked.region }).filter(({ state }) => state === 'Enabled');
      for (const { arn } of keys.slice(0, asked.count)) await kms.operator.disable(arn);
      return undefined;
    }
    case 'quota':
      kms.quota.enabled = asked.enabled;
      return undefined;
    case 'calls': {
      const calls = kms.calls.list();
      kms.calls.reset();
      return calls;
    }
    case 'cpu': {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1_000;
    }
  }
}

process.on('message', (message) => {
  void answer(ASKED.parse(message)).then((result) => process.send?.({ result }));
});
process.on('disconnect', () => process.exit());
process.send?.({ endpoint: kms.endpoint });
