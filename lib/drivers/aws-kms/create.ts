import type { CreateKeyRequest, KeyUsageType } from '@aws-sdk/client-kms';
import type { Binding, KeyInKeystore, Step } from '../driver.ts';
import type { KmsCalls, KmsKey } from './calls.ts';
import { toAwsTags } from './calls.ts';
import { ridingOut } from './consistency.ts';
import { isFault } from './faults.ts';
import { fingerprintOf, ruleOf } from './fingerprint.ts';
import type { AwsKeyUsage } from './kind.ts';
import { awsKeyUsage } from './kind.ts';
import { aliasOf, holderOf, isTaggedAs, nameTaken, tagsAtCreation } from './names.ts';

const USAGES: Record<AwsKeyUsage, KeyUsageType> = {
  encrypt_decrypt: 'ENCRYPT_DECRYPT',
  sign_verify: 'SIGN_VERIFY',
  generate_verify_mac: 'GENERATE_VERIFY_MAC',
  key_agreement: 'KEY_AGREEMENT',
};

/** Where CreateKey puts the key: in KMS itself, or in a custom key store. */
export type Placement = { readonly customKeyStoreId: string } | undefined;

/**
 * The step `create`. CreateKey has no idempotency token, so before it this looks for the result of an earlier, lost create:
 * behind the name, and then, as the name is given only after CreateKey, among all keys made since the intent. The name is
 * claimed if it is free; from an older version of the same managed key it is not taken, because that one serves until this one
 * has its material: `rename` moves it.
 */
export function createStep(calls: KmsCalls, placement: Placement): Step {
  return async (key, { signal, firstAttempt }) => {
    // A binding here is one whose key is gone. What is looked for is its successor.
    const wanted: KeyInKeystore = { ...key, binding: undefined };
    const named = key.current ? await holderOf(key.label, wanted, calls, signal) : { holder: 'nobody' as const };
    if (named.holder === 'foreign') throw nameTaken(key.label, named.target);
    if (named.holder === 'this') return bindingOf(wanted, await revived(named.target, calls, signal), calls, signal);

    const lost = firstAttempt === true ? undefined : await findLost(wanted, calls, signal);
    const made = lost === undefined ? undefined : await revived(lost, calls, signal);
    const found = made ?? (await calls.createKey(requestFor(wanted, placement), signal));

    if (key.current && named.holder !== 'same_key') {
      // The name of a destroyed key is free to take; its KMS key may be of another type, to which UpdateAlias would not move it.
      if (named.holder === 'spent') await dropAlias(aliasOf(key.label), calls, signal);
      await claimAlias(wanted, found, made === undefined, calls, signal);
    }
    return bindingOf(wanted, found, calls, signal);
  };
}

function requestFor(key: KeyInKeystore, placement: Placement): CreateKeyRequest {
  const rule = ruleOf(key);
  return {
    KeySpec: rule.keySpec,
    KeyUsage: USAGES[awsKeyUsage(key.spec, rule)],
    Description: key.description,
    Tags: toAwsTags(tagsAtCreation(key)),
    ...(placement === undefined
      ? { Origin: key.spec.material === 'imported' ? 'EXTERNAL' : 'AWS_KMS' }
      : { Origin: 'AWS_CLOUDHSM', CustomKeyStoreId: placement.customKeyStoreId }),
  };
}

/**
 * Imported keys answer no fingerprint yet: what bytes a found key holds is proved by `import`, not believed. A native key's own
 * material is the one to expect from now on.
 */
async function bindingOf(key: KeyInKeystore, found: KmsKey, calls: KmsCalls, signal: AbortSignal): Promise<Binding> {
  const fingerprint = key.spec.material === 'native' ? await fingerprintOf(key, found, calls, signal) : undefined;
  return { idInKeystore: found.arn, fingerprint };
}

/** A lost create that somebody has since put on the way to deletion is called back: making another would leave two. */
async function revived(found: KmsKey, calls: KmsCalls, signal: AbortSignal): Promise<KmsKey> {
  if (found.state !== 'PendingDeletion') return found;
  await calls.cancelDeletion(found.arn, signal);
  const back = await calls.describeKey(found.arn, signal);
  if (back.state !== 'Disabled') return back;
  await calls.enable(found.arn, signal);
  return calls.describeKey(found.arn, signal);
}

/** Removes an alias; that it is gone already is fine. */
export async function dropAlias(alias: string, calls: KmsCalls, signal: AbortSignal): Promise<void> {
  try {
    await calls.deleteAlias(alias, signal);
  } catch (error) {
    if (!isFault(error, 'not_found')) throw error;
  }
}

async function claimAlias(
  key: KeyInKeystore,
  found: KmsKey,
  isNew: boolean,
  calls: KmsCalls,
  signal: AbortSignal,
): Promise<void> {
  try {
    await ridingOut(signal, () => calls.createAlias(aliasOf(key.label), found.arn, signal));
  } catch (error) {
    if (!isFault(error, 'conflict')) throw error;
    const bound: KeyInKeystore = { ...key, binding: { idInKeystore: found.arn, fingerprint: undefined } };
    const now = await holderOf(key.label, bound, calls, signal);
    if (now.holder === 'this') return;
    if (now.holder === 'nobody') throw error;
    // Somebody took the name since we looked. The key that we have just made for it must not stay behind unknown.
    if (isNew) await calls.scheduleDeletion(found.arn, 7, signal);
    throw nameTaken(key.label, now.target);
  }
}

/** How much the clocks of AWS and ours may differ, and more, in milliseconds. */
const CLOCK_SKEW = 5 * 60_000;

/** DescribeKey calls at once in a search. */
const SEARCH_WIDTH = 8;

/**
 * The key of an earlier create of this instance that lost its answer before the name was given. ListKeys tells no date, so
 * every key that could be new is asked for its own; keys whose name is older than the intent are passed over, which in most
 * accounts leaves few. The signal bounds it.
 */
export async function findLost(key: KeyInKeystore, calls: KmsCalls, signal: AbortSignal): Promise<KmsKey | undefined> {
  const since = key.intendedAt.getTime() - CLOCK_SKEW;
  const old = await idsNamedBefore(since, calls, signal);
  const found: KmsKey[] = [];
  let after: string | undefined;
  do {
    const page = await calls.listKeys(after, 1000, signal);
    const candidates = page.arns.filter((arn) => !old.has(arn.slice(arn.lastIndexOf('/') + 1)));
    for (let at = 0; at < candidates.length; at += SEARCH_WIDTH) {
      const looks = candidates
        .slice(at, at + SEARCH_WIDTH)
        .map((arn) => describeIfOurs(arn, since, key, calls, signal));
      found.push(...(await Promise.all(looks)).filter((match) => match !== undefined));
    }
    after = page.next;
  } while (after !== undefined);
  // There should be one at most. Were there more, every run must settle on the same.
  return found.toSorted(
    (a, b) => (a.createdAt?.getTime() ?? 0) - (b.createdAt?.getTime() ?? 0) || (a.arn < b.arn ? -1 : 1),
  )[0];
}

async function describeIfOurs(
  arn: string,
  since: number,
  key: KeyInKeystore,
  calls: KmsCalls,
  signal: AbortSignal,
): Promise<KmsKey | undefined> {
  let found: KmsKey;
  try {
    found = await calls.describeKey(arn, signal);
  } catch (error) {
    // Gone since it was listed; or a key whose own policy hides it from us, and ours all have AWS's default policy.
    if (isFault(error, 'not_found') || isFault(error, 'denied')) return undefined;
    throw error;
  }
  if (found.isOfAws || (found.createdAt !== undefined && found.createdAt.getTime() < since)) return undefined;
  // Of a key this young, not being allowed to see the tags means not knowing whether it is ours: that is thrown.
  return isTaggedAs(await calls.tagsOf(arn, signal), key) ? found : undefined;
}

/** Ids of keys to which some alias has led since before the moment: they existed then. */
async function idsNamedBefore(moment: number, calls: KmsCalls, signal: AbortSignal): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  let after: string | undefined;
  do {
    const page = await calls.listAliases(after, signal);
    for (const alias of page.aliases) {
      const led = alias.LastUpdatedDate ?? alias.CreationDate;
      if (alias.TargetKeyId !== undefined && led !== undefined && led.getTime() < moment) ids.add(alias.TargetKeyId);
    }
    after = page.next;
  } while (after !== undefined);
  return ids;
}
