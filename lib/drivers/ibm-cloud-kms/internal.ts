import { connectCalls } from '../aws-kms/calls.ts';
import { createStep } from '../aws-kms/create.ts';
import { healthOf } from '../aws-kms/driver.ts';
import { importStep } from '../aws-kms/import.ts';
import { observeWith } from '../aws-kms/observe.ts';
import { renameStep } from '../aws-kms/rename.ts';
import { rotateStep } from '../aws-kms/rotate.ts';
import { cancelDeletionStep, disableStep, enableStep, scheduleDeletionStep } from '../aws-kms/state.ts';
import { tagStep } from '../aws-kms/tag.ts';
import type { KeyInKeystore, KeystoreDriver, Step } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { Connection } from '../registry.ts';
import { ibmCloudKmsKind } from './kind.ts';
import { escaped } from './names.ts';

/**
 * The driver of an `internal` keystore: keys in the AWS KMS of the deployment's own account and region, by the function's own role. All
 * internal keystores share that one place, so the keystore's id is part of every name and of every mark by which a key is known as ours.
 * `list` shows the keys that have this keystore's names. Throws a `KeystoreFault` when `AWS_REGION` is not set.
 */
export function connectInternal(connection: Connection): KeystoreDriver {
  const region = process.env['AWS_REGION'];
  if (region === undefined || region === '') {
    throw new KeystoreFault(
      'unsupported',
      'An internal keystore needs AWS_REGION in the environment of the functions.',
    );
  }
  const { keystoreId } = connection;
  const calls = connectCalls({ keystoreId, settings: { aws_region: region }, credentials: {} });
  const inside = (key: KeyInKeystore): KeyInKeystore => ({
    ...key,
    keyId: internalKeyId(key.keyId, keystoreId),
    label: internalLabel(key.label, keystoreId),
    tags: [],
  });
  const within =
    (step: Step): Step =>
    async (key, context) => {
      const own = inside(key);
      try {
        return await step(own, context);
      } catch (error) {
        throw withLabel(error, own.label, key.label);
      }
    };
  const observe = observeWith(calls, {
    whyUnavailable: (found) => Promise.resolve(`AWS KMS says that ${found.arn} is unavailable now.`),
  });
  const prefix = `alias/${internalLabel('', keystoreId)}`;
  return {
    observe: (key, signal) => observe(inside(key), signal),
    list: async (after, signal) => {
      const page = await calls.listAliases(after, signal);
      return {
        keys: page.aliases.flatMap(({ AliasName: name, AliasArn: arn, TargetKeyId: target }) =>
          name?.startsWith(prefix) === true && arn !== undefined && target !== undefined
            ? [
                {
                  idInKeystore: arn.replace(/:alias\/.*$/, `:key/${target}`),
                  name: name.slice('alias/'.length),
                  state: undefined,
                  createdAt: undefined,
                },
              ]
            : [],
        ),
        next: page.next,
      };
    },
    steps: {
      create: within(createStep(calls, undefined)),
      import: within(importStep(calls)),
      enable: within(enableStep(calls)),
      disable: within(disableStep(calls)),
      rename: within(renameStep(calls)),
      tag: within(tagStep(calls)),
      rotate: within(rotateStep(calls)),
      schedule_deletion: within(scheduleDeletionStep(calls, ibmCloudKmsKind.pendingDeletionDays)),
      cancel_deletion: within(cancelDeletionStep(calls)),
    },
    health: (signal) =>
      healthOf(signal, async () => {
        await calls.listKeys(undefined, 1, signal);
        return { status: 'ok', message: `The AWS KMS of Shearline's own account in ${region} answers.` };
      }),
  };
}

/** A fault about the name in AWS KMS speaks of the label too: people know no other name. */
function withLabel(error: unknown, internal: string, label: string): Error {
  if (!(error instanceof KeystoreFault)) return error instanceof Error ? error : new Error(String(error));
  if (error.kind !== 'conflict' || !error.message.includes(internal)) return error;
  const { cause, providerCode } = error;
  return new KeystoreFault('conflict', `The label “${label}” cannot be used. ${error.message}`, {
    cause,
    ...(providerCode === undefined ? {} : { providerCode }),
  });
}

/** What stands in the tag `shearline:key` of a key in an internal keystore. */
export function internalKeyId(keyId: string, keystoreId: string): string {
  return `${keyId}@${keystoreId}`;
}

/** The alias of a key in an internal keystore, without `alias/`. Different labels and keystores never make one name. */
export function internalLabel(label: string, keystoreId: string): string {
  return `shearline/${keystoreId}/${escaped(label)}`;
}
