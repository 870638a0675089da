import type { KmsCalls } from '../aws-kms/calls.ts';
import { connectCalls } from '../aws-kms/calls.ts';
import { createStep } from '../aws-kms/create.ts';
import { healthOf, listWith } from '../aws-kms/driver.ts';
import { examineWith } from '../aws-kms/examine.ts';
import { observeWith } from '../aws-kms/observe.ts';
import { renameStep } from '../aws-kms/rename.ts';
import { cancelDeletionStep, disableStep, enableStep, scheduleDeletionStep } from '../aws-kms/state.ts';
import { tagStep } from '../aws-kms/tag.ts';
import type { KeystoreDriver } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { Connection } from '../registry.ts';
import { describeConnection, isConnected } from './key-store.ts';
import { AWS_CLOUDHSM_KEY_RULES, awsCloudHsmKind } from './kind.ts';
import { probeWith } from './probe.ts';

/**
 * The driver of an `aws_cloudhsm` keystore: AWS KMS with a custom key store behind it. Settings: those of `aws_kms`, and
 * `aws_custom_key_store_id`; `aws_probe: false` does without the probe that finds keys deleted inside the cluster. It neither
 * imports nor rotates. `list` shows every key of the account and region: AWS lists no key store apart.
 */
export function connect(connection: Connection): KeystoreDriver {
  const customKeyStoreId = connection.settings['aws_custom_key_store_id'];
  if (typeof customKeyStoreId !== 'string' || customKeyStoreId === '') {
    throw new KeystoreFault('unsupported', 'The keystore has no aws_custom_key_store_id.');
  }
  const calls: KmsCalls = connectCalls(connection);
  return {
    observe: observeWith(calls, {
      whyUnavailable: async (_found, signal) =>
        describeConnection(await calls.customKeyStore(customKeyStoreId, signal)),
      ...(connection.settings['aws_probe'] === false ? {} : { probe: probeWith(calls, customKeyStoreId) }),
    }),
    list: listWith(calls),
    examine: examineWith(calls, { customKeyStoreId, rules: AWS_CLOUDHSM_KEY_RULES }),
    steps: {
      create: createStep(calls, { customKeyStoreId }),
      enable: enableStep(calls),
      disable: disableStep(calls),
      rename: renameStep(calls),
      tag: tagStep(calls),
      schedule_deletion: scheduleDeletionStep(calls, awsCloudHsmKind.pendingDeletionDays),
      cancel_deletion: cancelDeletionStep(calls),
    },
    health: (signal) =>
      healthOf(signal, async () => {
        const store = await calls.customKeyStore(customKeyStoreId, signal);
        return { status: isConnected(store) ? 'ok' : 'not_responding', message: describeConnection(store) };
      }),
  };
}
