import type { Health, KeystoreDriver, ListedKey, Step, StepName } from '../driver.ts';
import { paced } from '../../pace/pace.ts';
import type { QuotaName } from '../../pace/quotas.ts';
import { KeystoreFault, STEP_NAMES } from '../driver.ts';
import type { Connection } from '../registry.ts';
import { associatedResourcesWith } from './associated.ts';
import type { IbmCalls, IbmKey } from './calls.ts';
import { connectCalls, isGone } from './calls.ts';
import { createStep } from './create.ts';
import { examineWith } from './examine.ts';
import { importStep } from './import.ts';
import { IBM_VARIANTS } from './kind.ts';
import { ALIAS_PREFIX } from './names.ts';
import { observeWith, shownBy } from './observe.ts';
import { renameStep } from './rename.ts';
import { rotateStep } from './rotate.ts';
import { cancelDeletionStep, disableStep, enableStep, scheduleDeletionStep } from './state.ts';
import { tagStep } from './tag.ts';

/**
 * The driver of an `ibm_cloud_kms` keystore. Settings: `ibm_variant`; for `key_protect` and `hpcs` also `ibm_api_endpoint`,
 * `ibm_iam_endpoint`, `ibm_instance_id`, perhaps `ibm_key_ring`. Credentials: `ibm_api_key`. Sends nothing by itself. Throws a
 * `KeystoreFault` when a setting is missing or refused.
 */
export function connect(connection: Connection): KeystoreDriver {
  const variant = IBM_VARIANTS.find((each) => each === connection.settings['ibm_variant']);
  if (variant === undefined) throw new KeystoreFault('unsupported', 'The keystore has no usable ibm_variant.');
  // The AWS SDK is loaded by those who need it.
  if (variant === 'internal') return later(async () => (await import('./internal.ts')).connectInternal(connection));
  const calls = paced(connectCalls(connection), connection.pace, CALL_QUOTAS);
  return {
    observe: observeWith(calls),
    list: listWith(calls),
    listing: { idOf: (key) => (key.current ? key.binding?.idInKeystore : undefined), showsAll: true },
    examine: examineWith(calls, connection.settings['ibm_key_ring']),
    steps: {
      create: createStep(calls, variant),
      import: importStep(calls),
      enable: enableStep(calls),
      disable: disableStep(calls),
      rename: renameStep(calls),
      tag: tagStep(calls),
      rotate: rotateStep(calls, variant),
      schedule_deletion: scheduleDeletionStep(calls),
      cancel_deletion: cancelDeletionStep(calls),
    },
    health: (signal) => healthWith(calls, signal),
    associatedResources: associatedResourcesWith(calls),
  };
}

const CALL_QUOTAS: Readonly<Partial<Record<keyof IbmCalls, QuotaName>>> = {
  key: 'ibm.read',
  keys: 'ibm.read',
  versionsOf: 'ibm.read',
  registrationsOf: 'ibm.read',
  createKey: 'ibm.change',
  createAlias: 'ibm.change',
  deleteAlias: 'ibm.change',
  enable: 'ibm.change',
  disable: 'ibm.change',
  delete: 'ibm.change',
  restore: 'ibm.change',
  rotate: 'ibm.change',
  setForDeletion: 'ibm.change',
  unsetForDeletion: 'ibm.change',
  importToken: 'ibm.change',
};

/** A driver that is connected by its first use. Every step that there is must be supported. */
function later(connecting: () => Promise<KeystoreDriver>): KeystoreDriver {
  let connected: Promise<KeystoreDriver> | undefined;
  const driver = () =>
    (connected ??= connecting().catch((error: unknown) => {
      connected = undefined;
      throw error;
    }));
  const step =
    (name: StepName): Step =>
    async (key, context) => {
      const carryOut = (await driver()).steps[name];
      if (carryOut === undefined)
        throw new KeystoreFault('unsupported', `This keystore cannot carry out the step “${name}”.`);
      return carryOut(key, context);
    };
  return {
    observe: async (key, signal) => (await driver()).observe(key, signal),
    list: async (after, signal) => (await driver()).list(after, signal),
    // Whatever has a name of this keystore's was made here.
    examine: () => Promise.resolve(undefined),
    steps: Object.fromEntries(STEP_NAMES.map((name) => [name, step(name)])),
    health: async (signal) => (await driver()).health(signal),
  };
}

/** As many as the service gives at once: of most instances all. */
const PAGE = 5000;

const LISTED_STATES: Record<IbmKey['state'], ListedKey['state']> = {
  pre_activation: 'settling',
  active: 'enabled',
  suspended: 'disabled',
  deactivated: 'disabled',
  destroyed: 'pending_deletion',
};

/** A listing tells state and names. `after` is the offset of the page: IBM lists in the order of creation. */
function listWith(calls: IbmCalls): KeystoreDriver['list'] {
  return async (after, signal) => {
    const offset = Number(after ?? '0');
    const page = await calls.keys(offset, PAGE, signal);
    return {
      keys: page
        .filter((found) => !isGone(found))
        .map((found) => ({
          idInKeystore: found.crn,
          name: found.aliases.find((alias) => alias.startsWith(ALIAS_PREFIX)),
          state: LISTED_STATES[found.state],
          createdAt: found.createdAt,
          lookedAt: (key) => shownBy(key, found),
        })),
      next: page.length < PAGE ? undefined : String(offset + PAGE),
    };
  };
}

async function healthWith(calls: IbmCalls, signal: AbortSignal): Promise<Health> {
  try {
    await calls.keys(0, 1, signal);
    return { status: 'ok', message: `The instance ${calls.instanceId} answers at ${calls.host}.` };
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
