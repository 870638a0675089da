import type { FoundKey, KeySpec, KeystoreDriver } from '../driver.ts';
import type { AzureCalls, AzureKey } from './calls.ts';
import type { AzureKeyOperation } from './kind.ts';
import { AZURE_KEY_OPERATIONS, AZURE_KEY_RULES, azureKeyVaultKind, KEK_NAME } from './kind.ts';
import { OWN_TAGS, sameName, tagValue } from './names.ts';
import { barredBecause } from './observe.ts';

/**
 * A closer look at a key of the vault: its newest version, which Azure leads the name to, and how many there are; or the deleted key. Two
 * calls.
 */
export function examineWith(calls: AzureCalls): NonNullable<KeystoreDriver['examine']> {
  return async (id, signal) => {
    const name = nameIn(id, calls.vaultHost);
    if (name === undefined) return undefined;
    const [newest, versions] = await Promise.all([calls.newest(name, signal), calls.versions(name, signal)]);
    if (newest === undefined) {
      const deleted = await calls.deleted(name, signal);
      if (deleted === undefined) return undefined;
      return {
        idInKeystore: id,
        owner: ownerOf(name, deleted.tags),
        names: [name],
        description: '',
        state: 'pending_deletion',
        createdAt: deleted.createdAt,
        providerName: 'unknown',
        spec: undefined,
        binding: { idInKeystore: deleted.id, fingerprint: undefined },
        obstacle: undefined,
      };
    }
    return {
      idInKeystore: id,
      owner: newest.isOfCertificate
        ? 'provider'
        : ownerOf(name, [...newest.tags, ...versions.flatMap(({ tags }) => tags)]),
      names: [newest.name],
      description: '',
      state: barredBecause(newest, new Date()) === undefined ? 'enabled' : 'disabled',
      createdAt: newest.createdAt,
      providerName: [newest.keyType, newest.curve ?? newest.publicKey?.asymmetricKeyDetails?.modulusLength]
        .filter((part) => part !== undefined)
        .join(' '),
      spec: specOf(newest),
      binding: { idInKeystore: newest.id, fingerprint: newest.fingerprint },
      obstacle: obstacleOf(newest, versions.length),
    };
  };
}

function nameIn(id: string, vaultHost: string): string | undefined {
  const url = URL.canParse(id) ? new URL(id) : undefined;
  const [, collection, name] = url?.pathname.split('/') ?? [];
  if (url?.host.toLowerCase() !== vaultHost) return undefined;
  return collection === 'keys' || collection === 'deletedkeys' ? name : undefined;
}

/** The key under which others are imported is Shearline's tool, and UKO's. */
function ownerOf(name: string, tags: AzureKey['tags']): FoundKey['owner'] {
  return sameName(name, KEK_NAME) || tagValue(tags, OWN_TAGS.key) !== undefined ? 'shearline' : 'nobody';
}

const OPERATIONS: Readonly<Record<string, AzureKeyOperation>> = {
  decrypt: 'decrypt',
  encrypt: 'encrypt',
  sign: 'sign',
  unwrapKey: 'unwrap_key',
  verify: 'verify',
  wrapKey: 'wrap_key',
};

function specOf(found: AzureKey): KeySpec | undefined {
  const bits = found.publicKey?.asymmetricKeyDetails?.modulusLength;
  const rule = AZURE_KEY_RULES.find(
    (each) =>
      each.keyType === found.keyType && (each.curve === undefined ? each.bits === bits : each.curve === found.curve),
  );
  if (rule === undefined) return undefined;
  const operations = AZURE_KEY_OPERATIONS.filter((each) => found.operations.some((name) => OPERATIONS[name] === each));
  const isAll = operations.length === rule.operations.length;
  return {
    algorithm: rule.algorithm,
    size: rule.size,
    material: 'native',
    properties: {
      azure_key_protection_level: rule.protection,
      ...(isAll ? {} : { azure_key_operations: operations }),
    },
  };
}

function obstacleOf(found: AzureKey, versions: number): string | undefined {
  if (versions > 1) {
    return `It has ${versions} versions, and Azure deletes a key with all of them: the older ones would go with the managed key. Create a managed key in its place.`;
  }
  if (found.expires !== undefined || found.notBefore !== undefined) {
    return 'It has dates set in the vault (nbf or exp), by which Azure bars it by itself; clear them, and set the dates of the managed key instead.';
  }
  if (found.operations.length === 0) return 'It is permitted no operation; permit it some.';
  const known = found.operations.filter((each) => OPERATIONS[each] !== undefined);
  if (known.length < found.operations.length) {
    const others = found.operations.filter((each) => !known.includes(each)).join(', ');
    return `It is permitted to ${others}, which no managed key in Azure Key Vault is; permit it other operations.`;
  }
  return azureKeyVaultKind.refusesLabel(found.name);
}
