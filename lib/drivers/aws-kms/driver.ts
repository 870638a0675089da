import type { Health, KeystoreDriver } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { Connection } from '../registry.ts';
import type { KmsCalls } from './calls.ts';
import { connectCalls, regionOf } from './calls.ts';
import { createStep } from './create.ts';
import { examineWith } from './examine.ts';
import { importStep } from './import.ts';
import { AWS_KEY_RULES, awsKmsKind } from './kind.ts';
import { observeWith } from './observe.ts';
import { renameStep } from './rename.ts';
import { rotateStep } from './rotate.ts';
import { cancelDeletionStep, disableStep, enableStep, scheduleDeletionStep } from './state.ts';
import { tagStep } from './tag.ts';

/**
 * The driver of an `aws_kms` keystore. Settings: `aws_region` in AWS's spelling. Credentials: `aws_access_key_id`,
 * `aws_secret_access_key`, perhaps `aws_session_token`; without them the SDK's own chain, in AWS Lambda the function's role.
 * Sends nothing by itself. Throws a `KeystoreFault` when a setting is missing.
 */
export function connect(connection: Connection): KeystoreDriver {
  const calls = connectCalls(connection);
  return {
    observe: observeWith(calls, {
      whyUnavailable: (found) => Promise.resolve(`AWS KMS says that ${found.arn} is unavailable now.`),
    }),
    list: listWith(calls),
    examine: examineWith(calls, { customKeyStoreId: undefined, rules: AWS_KEY_RULES }),
    steps: {
      create: createStep(calls, undefined),
      import: importStep(calls),
      enable: enableStep(calls),
      disable: disableStep(calls),
      rename: renameStep(calls),
      tag: tagStep(calls),
      rotate: rotateStep(calls),
      schedule_deletion: scheduleDeletionStep(calls, awsKmsKind.pendingDeletionDays),
      cancel_deletion: cancelDeletionStep(calls),
    },
    health: (signal) =>
      healthOf(signal, async () => {
        await calls.listKeys(undefined, 1, signal);
        return { status: 'ok', message: `AWS KMS in ${regionOf(connection)} answers.` };
      }),
  };
}

/** ListKeys tells ARNs and nothing else: names and states would cost calls of their own. `after` is AWS's marker. */
export function listWith(calls: KmsCalls): KeystoreDriver['list'] {
  return async (after, signal) => {
    const page = await calls.listKeys(after, 1000, signal);
    return {
      keys: page.arns.map((arn) => ({ idInKeystore: arn, name: undefined, state: undefined, createdAt: undefined })),
      next: page.next,
    };
  };
}

/** Makes health of what `ask` answers or throws. Throws only when the signal aborted. */
export async function healthOf(signal: AbortSignal, ask: () => Promise<Health>): Promise<Health> {
  try {
    return await ask();
  } catch (error) {
    if (signal.aborted || !(error instanceof KeystoreFault)) throw error;
    switch (error.kind) {
      case 'denied':
      case 'not_found':
      case 'conflict':
      case 'unsupported':
        return { status: 'configuration_error', message: error.message };
      case 'throttled':
      case 'unreachable':
      case 'unavailable':
      case 'broken':
        return { status: 'not_responding', message: error.message };
    }
  }
}
