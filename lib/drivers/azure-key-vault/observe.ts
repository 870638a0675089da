import type { KeyInKeystore, KeystoreDriver, Seen } from '../driver.ts';
import type { AzureCalls, AzureDeletedKey, AzureKey, AzureListedKey, AzureVersion } from './calls.ts';
import { boundVersion, holderOf, isOfKey, isTaggedAs, isVersion, sameName } from './names.ts';

type Present = Extract<Seen, { presence: 'present' }>;

/**
 * One look at one version of a key: for the current version the key's newest, which is enough while that is the bound one; else the version
 * itself. What is not there is looked for among the deleted keys before it counts as absent.
 *
 * Without a binding the name is all there is to look by. A key behind it that does not carry our tags is not this key, so the answer is
 * `absent`; that its name is taken is what `create` then says. So too where the bound version is gone and a create of its successor lost its
 * answer.
 */
export function observeWith(calls: AzureCalls): KeystoreDriver['observe'] {
  return async (key, signal) => {
    if (key.binding === undefined) return byName(key, calls, signal);
    const bound = boundVersion(key, calls);
    const newest = key.current ? await calls.newest(bound.name, signal) : undefined;
    if (newest !== undefined && isVersion(bound, newest)) return presentFrom(key, newest, newest);

    // A key that answers nothing to its name has no versions either.
    const gone = key.current && newest === undefined;
    const found = gone ? undefined : await calls.version(bound.name, bound.version, signal);
    if (found !== undefined) return presentFrom(key, found, newest);
    const deleted = newest === undefined ? await calls.deleted(bound.name, signal) : undefined;
    if (deleted !== undefined) return pendingFrom(key, bound.id, deleted);
    return key.createSent === true ? byName({ ...key, binding: undefined }, calls, signal) : { presence: 'absent' };
  };
}

async function byName(key: KeyInKeystore, calls: AzureCalls, signal: AbortSignal): Promise<Seen> {
  const named = await holderOf(key, calls, signal);
  if (named.holder === 'this') return presentFrom(key, named.found, named.newest);
  if (named.holder === 'this_deleted') return pendingFrom(key, named.deleted.id, named.deleted);
  return { presence: 'absent' };
}

/** The id under which Azure lists the key: that of its name, without a version. */
export function listedId(key: KeyInKeystore): string | undefined {
  if (!key.current || key.binding === undefined) return undefined;
  const { idInKeystore: id } = key.binding;
  return id.slice(0, id.lastIndexOf('/'));
}

/**
 * What a look would tell, from how the key's newest version is listed, as far as that shows it: its tags say whether that is our version;
 * its material, which no listing shows, is taken to be the one that is recorded. Undefined where it takes a look.
 */
export function shownBy(
  key: KeyInKeystore,
  found: AzureListedKey,
  of: 'keys' | 'deletedkeys',
  now: Date,
): Seen | undefined {
  const { binding } = key;
  if (binding === undefined || !isTaggedAs(found.tags, key) || !sameName(found.name, key.label)) return undefined;
  const { idInKeystore } = binding;
  if (of === 'deletedkeys') {
    return {
      presence: 'present',
      idInKeystore,
      state: 'pending_deletion',
      fingerprint: undefined,
      name: 'missing',
      pendingDeletionUntil: found.purgeAt,
      remark: undefined,
    };
  }
  const barred = barredBecause(found, now);
  return {
    presence: 'present',
    idInKeystore,
    state: barred === undefined ? 'enabled' : 'disabled',
    fingerprint: binding.fingerprint,
    name: 'leads_here',
    pendingDeletionUntil: undefined,
    remark: found.enabled ? barred : undefined,
  };
}

function presentFrom(key: KeyInKeystore, found: AzureKey, newest: AzureKey | undefined): Present {
  const { name, remark } = naming(key, found, newest);
  const barred = barredBecause(found, new Date());
  return {
    presence: 'present',
    idInKeystore: found.id,
    state: barred === undefined ? 'enabled' : 'disabled',
    fingerprint: found.fingerprint,
    name,
    pendingDeletionUntil: undefined,
    remark: remark ?? (found.enabled ? barred : undefined),
  };
}

/** Azure leads a name to the newest version, always. */
function naming(key: KeyInKeystore, found: AzureKey, newest: AzureKey | undefined): Pick<Present, 'name' | 'remark'> {
  if (!key.current) return { name: 'not_applicable', remark: undefined };
  if (!sameName(found.name, key.label)) {
    return { name: 'missing', remark: `The key is called ${found.name} there, and Azure Key Vault cannot rename it.` };
  }
  if (newest === undefined || isVersion(found, newest)) return { name: 'leads_here', remark: undefined };
  return { name: 'leads_elsewhere', remark: `The name ${found.name} leads to the newer version ${newest.id}.` };
}

/** Why a version cannot be used now; undefined when it can. */
export function barredBecause(
  version: Pick<AzureVersion, 'enabled' | 'expires' | 'notBefore'>,
  now: Date,
): string | undefined {
  if (!version.enabled) return 'It is disabled.';
  if (version.expires !== undefined && version.expires <= now) {
    return `Somebody set it to expire at ${version.expires.toISOString()}.`;
  }
  if (version.notBefore !== undefined && version.notBefore > now) {
    return `Somebody set it not to be used before ${version.notBefore.toISOString()}.`;
  }
  return undefined;
}

/** Azure deletes a key with all its versions and shows the newest of them only, so ours is told by its id or its tags. */
function pendingFrom(key: KeyInKeystore, id: string, deleted: AzureDeletedKey): Present {
  const ours = deleted.id === id || isOfKey(deleted.tags, key);
  return {
    presence: 'present',
    idInKeystore: id,
    state: 'pending_deletion',
    fingerprint: undefined,
    name: key.current ? 'missing' : 'not_applicable',
    pendingDeletionUntil: deleted.purgeAt,
    remark: ours ? undefined : `The newest version of the deleted key, ${deleted.id}, is not ours.`,
  };
}
