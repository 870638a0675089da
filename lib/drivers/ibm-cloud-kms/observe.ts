import type { KeyInKeystore, KeystoreDriver, Seen } from '../driver.ts';
import { isGone } from './calls.ts';
import type { IbmCalls, IbmKey } from './calls.ts';
import { findLost } from './create.ts';
import { isFault } from './faults.ts';
import { aliasOf, holderOf } from './names.ts';

export type Present = Extract<Seen, { presence: 'present' }>;

/**
 * One look at one key: its metadata tells its state, its version and its aliases in one call; a second one only where the name leads
 * elsewhere or the version is an older one. Without a binding the alias is all there is to look by; a key behind it that was not made for
 * this version of this key is not this key. Only where a create lost its answer, a key without its name is looked for among all.
 */
export function observeWith(calls: IbmCalls): KeystoreDriver['observe'] {
  return async (key, signal) => {
    if (key.binding === undefined) return byName(key, calls, signal);
    const found = await keyOrAbsent(key.binding.idInKeystore, calls, signal);
    if (found === undefined || isGone(found)) {
      // In its place another may have been made whose creation was answered to nobody.
      return key.createSent === true ? byName({ ...key, binding: undefined }, calls, signal) : { presence: 'absent' };
    }
    const { name, remark } = await nameOf(key, found, calls, signal);
    return presentFrom(key, found, name, remark, calls, signal);
  };
}

async function byName(key: KeyInKeystore, calls: IbmCalls, signal: AbortSignal): Promise<Seen> {
  const named = await holderOf(key.label, key, calls, signal);
  if (named.holder === 'this') {
    return presentFrom(key, named.target, key.current ? 'leads_here' : 'not_applicable', undefined, calls, signal);
  }
  const lost = key.createSent === true ? await findLost(key, calls, signal) : undefined;
  if (lost === undefined) return { presence: 'absent' };
  const { name, remark } = otherName(key, named.holder === 'nobody' ? undefined : named.target);
  return presentFrom(key, lost, name, remark, calls, signal);
}

/** The key; undefined when the service says that there is none. */
export async function keyOrAbsent(key: string, calls: IbmCalls, signal: AbortSignal): Promise<IbmKey | undefined> {
  try {
    return await calls.key(key, signal);
  } catch (error) {
    if (isFault(error, 'not_found')) return undefined;
    throw error;
  }
}

async function nameOf(
  key: KeyInKeystore,
  found: IbmKey,
  calls: IbmCalls,
  signal: AbortSignal,
): Promise<{ readonly name: Present['name']; readonly remark: string | undefined }> {
  if (!key.current) return { name: 'not_applicable', remark: undefined };
  const alias = aliasOf(key.label);
  if (found.aliases.includes(alias)) return { name: 'leads_here', remark: undefined };
  const target = await keyOrAbsent(alias, calls, signal);
  return target?.crn === found.crn ? { name: 'leads_here', remark: undefined } : otherName(key, target);
}

/** Of a key to which its name does not lead: where it leads instead. */
function otherName(
  key: KeyInKeystore,
  target: IbmKey | undefined,
): { readonly name: Present['name']; readonly remark: string | undefined } {
  if (!key.current) return { name: 'not_applicable', remark: undefined };
  const alias = aliasOf(key.label);
  return target === undefined
    ? { name: 'missing', remark: `The alias ${alias} does not exist.` }
    : { name: 'leads_elsewhere', remark: `The alias ${alias} leads to ${target.crn}.` };
}

export const STATES: Record<IbmKey['state'], Present['state']> = {
  pre_activation: 'settling',
  active: 'enabled',
  suspended: 'disabled',
  deactivated: 'disabled',
  destroyed: 'pending_deletion',
};

async function presentFrom(
  key: KeyInKeystore,
  found: IbmKey,
  name: Present['name'],
  remark: string | undefined,
  calls: IbmCalls,
  signal: AbortSignal,
): Promise<Present> {
  return presentWith(found, name, remark, await fingerprintOf(key, found, calls, signal));
}

function presentWith(
  found: IbmKey,
  name: Present['name'],
  remark: string | undefined,
  fingerprint: string | undefined,
): Present {
  return {
    presence: 'present',
    idInKeystore: found.crn,
    state: STATES[found.state],
    fingerprint,
    name,
    pendingDeletionUntil: found.state === 'destroyed' ? found.restorableUntil : undefined,
    remark: remark ?? remarkOn(found),
  };
}

/**
 * What a look would tell of the key, from how it is listed, which is the same metadata. Undefined where another call would have to tell more:
 * of an older version, and of a key that does not show its name.
 */
export function shownBy(key: KeyInKeystore, found: IbmKey): Seen | undefined {
  if (!key.current || key.binding === undefined || found.crn !== key.binding.idInKeystore) return undefined;
  return found.aliases.includes(aliasOf(key.label))
    ? presentWith(found, 'leads_here', undefined, found.versionId)
    : undefined;
}

/** The version's id. After a rotation in place the older version's material is one of several in the same key. */
async function fingerprintOf(
  key: KeyInKeystore,
  found: IbmKey,
  calls: IbmCalls,
  signal: AbortSignal,
): Promise<string | undefined> {
  const expected = key.binding?.fingerprint;
  if (key.current || expected === undefined || found.versionId === undefined || found.versionId === expected) {
    return found.versionId;
  }
  return (await calls.versionsOf(found.id, signal)).includes(expected) ? expected : found.versionId;
}

function remarkOn(found: IbmKey): string | undefined {
  if (found.state === 'deactivated') {
    return `It expired${found.expiresAt === undefined ? '' : ` at ${found.expiresAt.toISOString()}`}, which IBM Cloud does not undo.`;
  }
  if (found.setForDeletionUntil !== undefined && found.state !== 'destroyed') {
    return `A first person has authorized its deletion; a second one can delete it until ${found.setForDeletionUntil.toISOString()}.`;
  }
  return undefined;
}
