import type { KeyInKeystore, KeystoreDriver, Seen } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { KmsCalls, KmsKey } from './calls.ts';
import { findLost } from './create.ts';
import { isFault } from './faults.ts';
import { fingerprintOf, isKeyPair } from './fingerprint.ts';
import { aliasOf, holderOf } from './names.ts';

export type Present = Extract<Seen, { presence: 'present' }>;

/** What a keystore type built on AWS KMS adds to an observation: the reason of `Unavailable`, a probe. */
export interface Closer {
  /** Why a key that says `Unavailable` is; the sentence for the fault. */
  whyUnavailable(found: KmsKey, signal: AbortSignal): Promise<string>;
  /** A closer look at a key that says enabled; answers `seen`, or what is truer. Throws when it could not tell. */
  probe?(seen: Present, signal: AbortSignal): Promise<Present>;
}

/**
 * One look at one key, in as few calls as tell the truth: for the current version DescribeKey by its name, which is enough
 * while that leads to the bound ARN; else DescribeKey by ARN as well; for an older version by ARN alone.
 *
 * Without a binding the name is all there is to look by. A key behind it that does not carry our tags is not this key, so the
 * answer is `absent`; that its name is taken is what `create` then says. Only where a create lost its answer, a key without its
 * name is looked for among all that were made since.
 */
export function observeWith(calls: KmsCalls, closer: Closer): KeystoreDriver['observe'] {
  return async (key, signal) => {
    const found =
      key.binding === undefined
        ? await byName(key, calls, signal)
        : ((await byArn(key, key.binding.idInKeystore, calls, signal)) ??
          (key.createSent === true ? await withoutName(key, undefined, calls, signal) : undefined));
    if (found === undefined) return { presence: 'absent' };
    const seen = await presentFrom(key, found, calls, closer, signal);
    return seen.state === 'enabled' && closer.probe !== undefined ? closer.probe(seen, signal) : seen;
  };
}

interface Looked {
  readonly found: KmsKey;
  readonly name: Present['name'];
  readonly remark: string | undefined;
}

async function byName(key: KeyInKeystore, calls: KmsCalls, signal: AbortSignal): Promise<Looked | undefined> {
  const named = await holderOf(key.label, key, calls, signal);
  if (named.holder === 'this') {
    return { found: named.target, name: key.current ? 'leads_here' : 'not_applicable', remark: undefined };
  }
  if (key.createSent !== true) return undefined;
  return withoutName(key, named.holder === 'nobody' ? undefined : named.target, calls, signal);
}

/** What a create made that lost its answer before it gave the name; `named` is where the name leads meanwhile. */
async function withoutName(
  key: KeyInKeystore,
  named: KmsKey | undefined,
  calls: KmsCalls,
  signal: AbortSignal,
): Promise<Looked | undefined> {
  const found = await findLost({ ...key, binding: undefined }, calls, signal);
  return found === undefined ? undefined : { found, ...otherName(key, named) };
}

function otherName(key: KeyInKeystore, named: KmsKey | undefined): Pick<Looked, 'name' | 'remark'> {
  if (!key.current) return { name: 'not_applicable', remark: undefined };
  const alias = aliasOf(key.label);
  return named === undefined
    ? { name: 'missing', remark: `The name ${alias} does not exist.` }
    : { name: 'leads_elsewhere', remark: `The name ${alias} leads to ${named.arn}.` };
}

async function byArn(
  key: KeyInKeystore,
  arn: string,
  calls: KmsCalls,
  signal: AbortSignal,
): Promise<Looked | undefined> {
  if (!key.current) {
    const found = await describeOrAbsent(arn, calls, signal);
    return found === undefined ? undefined : { found, name: 'not_applicable', remark: undefined };
  }
  const alias = aliasOf(key.label);
  const named = await describeOrAbsent(alias, calls, signal);
  if (named?.arn === arn) return { found: named, name: 'leads_here', remark: undefined };
  const found = await describeOrAbsent(arn, calls, signal);
  return found === undefined ? undefined : { found, ...otherName(key, named) };
}

async function describeOrAbsent(keyId: string, calls: KmsCalls, signal: AbortSignal): Promise<KmsKey | undefined> {
  try {
    return await calls.describeKey(keyId, signal);
  } catch (error) {
    if (isFault(error, 'not_found')) return undefined;
    throw error;
  }
}

async function presentFrom(
  key: KeyInKeystore,
  { found, name, remark }: Looked,
  calls: KmsCalls,
  closer: Closer,
  signal: AbortSignal,
): Promise<Present> {
  const state = await stateOf(found, closer, signal);
  return {
    presence: 'present',
    idInKeystore: found.arn,
    state,
    fingerprint: await observedFingerprint(key, found, calls, signal),
    name,
    pendingDeletionUntil: state === 'pending_deletion' ? found.deletionDate : undefined,
    remark: remark ?? expiry(found),
  };
}

async function stateOf(found: KmsKey, closer: Closer, signal: AbortSignal): Promise<Present['state']> {
  const state = knownState(found);
  if (state !== undefined) return state;
  throw new KeystoreFault('unavailable', await closer.whyUnavailable(found, signal));
}

/** What AWS says of a key's state in the driver's words; undefined while it is unavailable, which tells nothing about the key. */
export function knownState(found: Pick<KmsKey, 'state'>): Present['state'] | undefined {
  switch (found.state) {
    case 'Enabled':
      return 'enabled';
    case 'Disabled':
      return 'disabled';
    case 'PendingImport':
      return 'no_material';
    case 'PendingDeletion':
    case 'PendingReplicaDeletion':
      return 'pending_deletion';
    case 'Creating':
    case 'Updating':
      return 'settling';
    case 'Unavailable':
      return undefined;
  }
}

async function observedFingerprint(
  key: KeyInKeystore,
  found: KmsKey,
  calls: KmsCalls,
  signal: AbortSignal,
): Promise<string | undefined> {
  const expected = key.binding?.fingerprint;
  if (found.materialId === undefined) {
    // See `fingerprint.ts`: a key pair's ARN stands for its material once that was recorded.
    return isKeyPair(key) && expected === undefined ? fingerprintOf(key, found, calls, signal) : undefined;
  }
  // After a rotation in place the older version's material is one of several in the same KMS key.
  if (!key.current && expected !== undefined && found.materialId !== expected) {
    const materials = await calls.materialsOf(found.arn, signal);
    if (materials.some((each) => each.KeyMaterialId === expected && each.ImportState !== 'PENDING_IMPORT'))
      return expected;
  }
  return found.materialId;
}

function expiry(found: KmsKey): string | undefined {
  if (found.materialExpires === undefined || found.state === 'PendingImport') return undefined;
  return `Its material was imported by somebody else and expires at ${found.materialExpires.toISOString()}.`;
}
