import { createHash } from 'node:crypto';
import type { Binding, FoundKey, KeySpec, KeystoreDriver } from '../driver.ts';
import type { KmsCalls, KmsKey } from './calls.ts';
import { isFault } from './faults.ts';
import type { AwsKeyRule, AwsKeyUsage } from './kind.ts';
import { AWS_TAG_LIMITS } from './kind.ts';
import { OWN_TAGS, tagValue } from './names.ts';
import { knownState } from './observe.ts';

/** The keystore that a key is examined for: an account and region (`undefined`), or one of its custom key stores. */
export interface Examining {
  readonly customKeyStoreId: string | undefined;
  readonly rules: readonly AwsKeyRule[];
}

/**
 * A closer look at a key of the account: DescribeKey, and for a customer's key its tags and aliases; its public key where it is a usable
 * key pair. A key in a custom key store is that keystore's only, so another one answers nothing of it.
 */
export function examineWith(calls: KmsCalls, within: Examining): NonNullable<KeystoreDriver['examine']> {
  return async (arn, signal) => {
    const found = await describeOrGone(arn, calls, signal);
    if (found === undefined || found.customKeyStoreId !== within.customKeyStoreId) return undefined;
    if (found.isOfAws) return shown(found, within, { owner: 'provider', names: [], fingerprint: undefined });
    const [tags, aliases] = await Promise.all([calls.tagsOf(arn, signal), calls.aliasesOf(arn, signal)]);
    if (tagValue(tags, OWN_TAGS.key) !== undefined) {
      return shown(found, within, { owner: 'shearline', names: [], fingerprint: undefined });
    }
    const names = aliases.map((alias) => alias.replace(/^alias\//, '')).toSorted();
    const fingerprint = await fingerprintIn(found, within, calls, signal);
    return shown(found, within, { owner: 'nobody', names, fingerprint }, tags.length);
  };
}

async function describeOrGone(arn: string, calls: KmsCalls, signal: AbortSignal): Promise<KmsKey | undefined> {
  try {
    return await calls.describeKey(arn, signal);
  } catch (error) {
    if (isFault(error, 'not_found')) return undefined;
    throw error;
  }
}

function shown(
  found: KmsKey,
  within: Examining,
  of: Pick<FoundKey, 'owner' | 'names'> & { readonly fingerprint: string | undefined },
  tags = 0,
): FoundKey {
  const { fingerprint, ...rest } = of;
  const binding: Binding = { idInKeystore: found.arn, fingerprint };
  return {
    idInKeystore: found.arn,
    ...rest,
    description: found.description,
    state: knownState(found) ?? 'unusable',
    createdAt: found.createdAt,
    providerName: found.keySpec ?? 'unknown',
    spec: specOf(found, within.rules),
    binding,
    obstacle: obstacleOf(found, tags),
  };
}

const USAGES: Readonly<Record<string, AwsKeyUsage>> = {
  ENCRYPT_DECRYPT: 'encrypt_decrypt',
  SIGN_VERIFY: 'sign_verify',
  GENERATE_VERIFY_MAC: 'generate_verify_mac',
  KEY_AGREEMENT: 'key_agreement',
};

function ruleOf(found: KmsKey, rules: readonly AwsKeyRule[]): AwsKeyRule | undefined {
  return rules.find(({ keySpec }) => keySpec === found.keySpec);
}

function specOf(found: KmsKey, rules: readonly AwsKeyRule[]): KeySpec | undefined {
  const rule = ruleOf(found, rules);
  const usage = USAGES[found.keyUsage ?? ''];
  if (rule === undefined || usage === undefined || !rule.usages.includes(usage)) return undefined;
  const { algorithm, size } = rule;
  return { algorithm, size, material: 'native', properties: { aws_key_usage: usage } };
}

/** Room for what marks a key as ours, and for what is remembered of its tags. */
const OWN_TAGS_ROOM = 50 - AWS_TAG_LIMITS.tags;

function obstacleOf(found: KmsKey, tags: number): string | undefined {
  if (found.origin === 'EXTERNAL') {
    return 'Its material was imported by somebody else and is not known here; a key can be adopted whose material AWS KMS made.';
  }
  if (found.origin === 'EXTERNAL_KEY_STORE') return 'It is in an external key store, which Shearline cannot manage.';
  if (found.isMultiRegion) {
    return 'It is a multi-Region key: what is done to it concerns its replicas in other Regions too. Create a managed key in their place.';
  }
  if (tags > 50 - OWN_TAGS_ROOM) {
    return `It has ${tags} tags, and the marks of a managed key take ${OWN_TAGS_ROOM} of the 50 that are possible; remove some.`;
  }
  return undefined;
}

/** See `fingerprint.ts`; of a key pair that is disabled AWS does not tell the public key. */
async function fingerprintIn(
  found: KmsKey,
  within: Examining,
  calls: KmsCalls,
  signal: AbortSignal,
): Promise<string | undefined> {
  const algorithm = ruleOf(found, within.rules)?.algorithm;
  if ((algorithm !== 'rsa' && algorithm !== 'ec') || found.state !== 'Enabled') return found.materialId;
  return createHash('sha256')
    .update(await calls.publicKeyOf(found.arn, signal))
    .digest('hex');
}
