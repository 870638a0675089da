import type { KeyListing } from '../../../sandbox/aws-kms/server.ts';
import type { KeyPartition } from '../../../lib/records/reading.ts';
import { KEYSTORE_ACCOUNT } from '../../../sandbox/aws-accounts.ts';
import type { ModelInstance, ModelKey, ModelTemplate, State, Status } from './reference.ts';
import { stateOf } from './reference.ts';
import { labelOf, REGION_OF } from './stage.ts';
import type { Stage } from './stage.ts';

/** What was done behind Shearline's back that decides what can be repaired. */
export interface Memory {
  /** Materials that somebody else put in the place of ours. */
  readonly foreign: Set<string>;
  /** KMS keys that such a material was ever put into. */
  readonly meddledWith: Set<string>;
  /** Materials that were current when a rotation was decided: of no version that comes after. */
  readonly outdated: Set<string>;
  /** Instances (key, version, keystore) that have been in their keystore. */
  readonly arrived: Set<string>;
  /** Aliases were moved or deleted. */
  namesTouched: boolean;
}

export function newMemory(): Memory {
  return {
    foreign: new Set(),
    meddledWith: new Set(),
    outdated: new Set(),
    arrived: new Set(),
    namesTouched: false,
  };
}

const OVERTAKEN = 'the next rotation came before its own was done there';

/** What is really in a keystore of one version of a key. */
export interface Truth {
  readonly of: State | 'removed';
  readonly status: Status;
  /** Also true of it: what was decided there is not finished, and both names for it are right. */
  readonly or: readonly Status[];
  readonly pendingUntil: string | undefined;
  /** Why no sync can make it right; undefined where sync must. */
  readonly excuse: string | undefined;
}

/** Everything that is in the keystore account's KMS now. */
export function listing(stage: Stage): readonly KeyListing[] {
  return stage.deployment.kms.operator.keys({ accountId: KEYSTORE_ACCOUNT.accountId });
}

export const OWNER = 'shearline:key';
export const VERSION = 'shearline:version';

const versionOf = (found: KeyListing): number => Number(found.tags[VERSION]);

/** The KMS keys that were made for this key in the keystore's region. */
export function heldFor(id: string, instance: Pick<ModelInstance, 'keystore'>, all: readonly KeyListing[]) {
  return all.filter((each) => each.tags[OWNER] === id && each.region === REGION_OF[instance.keystore]);
}

export function instanceName(key: Pick<ModelKey, 'id'>, { version, keystore }: ModelInstance): string {
  return `${key.id} ${version} ${keystore}`;
}

/**
 * Judges one version of a key in one keystore by what the cloud's own console shows. Of Shearline's records it takes only which KMS key is
 * meant where two versions share one.
 */
export function truthOf(
  stage: Stage,
  memory: Memory,
  template: ModelTemplate,
  key: ModelKey,
  instance: ModelInstance,
  partition: KeyPartition,
  all: readonly KeyListing[],
): Truth {
  const { version } = instance;
  const state = stateOf(key, version);
  const of = instance.removed ? 'removed' : state;
  const held = heldFor(key.id, instance, all);
  const record = partition.instances.find(
    (each) => each.version === version && each.keystoreId === stage.keystores[instance.keystore],
  );
  const bound = record?.binding?.idInKeystore;
  const found = held.find((each) => versionOf(each) === version) ?? held.find(({ arn }) => arn === bound);
  const truth = (status: Status, more: Partial<Truth> = {}): Truth => ({
    of,
    status,
    or: [],
    pendingUntil: undefined,
    excuse: undefined,
    ...more,
  });
  const isCurrent = version === key.version;
  // Whoever rotates in place is judged by the newer version's row: the older one's is out of use by that alone.
  const isShared = record?.outgrown === true;
  const isRotated = record?.rotating !== true;
  const wantsUse = state === 'active' && !instance.removed;
  if (found === undefined) {
    const gone = memory.arrived.has(instanceName(key, instance));
    if (isShared && wantsUse && record.rotating) return truth('not_present', { excuse: OVERTAKEN });
    const excuse =
      gone && (template.native || isShared) ? 'its material is gone with the key' : nameExcuse(key, instance, all);
    return truth('not_present', { excuse });
  }
  const meddled = memory.meddledWith.has(found.arn) ? 'somebody else put material into it' : undefined;
  if (isShared && !wantsUse && state !== 'destroyed') return truth('not_active');
  if (isShared && wantsUse && record.rotating) {
    return truth('wrong_key', { or: ['not_active'], excuse: OVERTAKEN });
  }
  if (found.state === 'PendingDeletion') {
    const until = { pendingUntil: found.deletionDate };
    return state === 'destroyed' ? truth('not_present', until) : truth('not_active', until);
  }
  if (found.state === 'Unavailable') return truth('error');
  const excuse = nameExcuse(key, instance, all);
  if (found.state !== 'Enabled') {
    // Of a key that is out of use both are so: that it is, and that its material is not the one that was rotated to.
    const isWrong = wantsUse && isCurrent && !(isRotated && isOurs(memory, found, isCurrent));
    return truth('not_active', { or: isWrong ? ['wrong_key'] : [], excuse: meddled ?? excuse });
  }
  if (!found.hasMaterial) return truth('not_active', { excuse: 'its backing key is gone' });
  if (isShared) return truth('active');
  if (!isRotated || !isOurs(memory, found, isCurrent)) {
    const material = found.currentKeyMaterialId ?? '';
    // What was there when a rotation was decided, the rotation ends.
    const stays = memory.foreign.has(material) && !(isCurrent && memory.outdated.has(material));
    // An older version is right as long as its own material is among those in the key, whatever is current there.
    const mayHold = !isCurrent && isRotated && memory.arrived.has(instanceName(key, instance));
    return truth('wrong_key', { or: mayHold ? ['active'] : [], excuse: stays ? meddled : undefined });
  }
  if (wantsUse && isCurrent) {
    const holder = holderOf(key, instance, all);
    if (holder === undefined) return truth('not_active');
    if (holder.arn !== found.arn) return truth('wrong_key', { excuse });
  }
  return truth('active');
}

/** By its material, as far as AWS tells one from another. */
function isOurs({ foreign, outdated }: Memory, found: KeyListing, isCurrent: boolean): boolean {
  const material = found.currentKeyMaterialId;
  if (material === undefined) return true;
  return !foreign.has(material) && !(isCurrent && outdated.has(material));
}

/** Where the key's name leads. */
function holderOf(key: ModelKey, instance: ModelInstance, all: readonly KeyListing[]): KeyListing | undefined {
  const alias = `alias/${labelOf(key.label)}`;
  return all.find(({ region, aliases }) => region === REGION_OF[instance.keystore] && aliases.includes(alias));
}

function nameExcuse(key: ModelKey, instance: ModelInstance, all: readonly KeyListing[]): string | undefined {
  const holder = holderOf(key, instance, all);
  if (holder === undefined || holder.tags[OWNER] === key.id || holder.state === 'PendingDeletion') return undefined;
  return 'its name leads to a key of somebody else';
}
