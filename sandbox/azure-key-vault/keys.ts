import { randomBytes } from 'node:crypto';
import * as z from 'zod/mini';
import { unwrapTransfer } from './byok.ts';
import { badParameter, conflict, notFound } from './error.ts';
import { generateMaterial, importedKey, isHsm, materialOfJwk, publicMembersOf } from './material.ts';
import { parsed } from './operation.ts';
import type { Call, Operation } from './operation.ts';
import { pageOf } from './paging.ts';
import { curveNames, keyTypes, newestOf } from './world.ts';
import type { KeyType, KeyVersion, Vault, VaultKey } from './world.ts';

const attributes = z.object({
  enabled: z.optional(z.boolean()),
  nbf: z.optional(z.nullable(z.int())),
  exp: z.optional(z.nullable(z.int())),
});
const text = z.string().check(z.maxLength(256));
const tags = z.record(text.check(z.minLength(1)), text);
const operations = z.array(z.string());
const settable = { attributes: z.optional(attributes), tags: z.optional(tags) };

const creation = z.object({
  kty: z.enum([...keyTypes, 'oct', 'oct-HSM']),
  key_size: z.optional(z.int()),
  crv: z.optional(z.enum(curveNames)),
  key_ops: z.optional(operations),
  ...settable,
});
const importing = z.object({ key: importedKey, hsm: z.optional(z.boolean()), ...settable });
const updating = z.object({ key_ops: z.optional(operations), ...settable });

const ofRsa = ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey'];
const ofEc = ['sign', 'verify'];

/** Keys and their versions: made, imported, shown, changed, rotated. */
export const keyOperations: Readonly<Record<string, Operation>> = {
  CreateKey: {
    permission: 'create',
    async run(call) {
      const input = parsed(creation, call.body);
      const { kty } = input;
      if (kty === 'oct' || kty === 'oct-HSM') throw badParameter(`Key type ${kty} is supported by Managed HSM only.`);
      requireSku(call.vault, kty);
      const bits = input.key_size ?? 2048;
      if (kty.startsWith('RSA') && ![2048, 3072, 4096].includes(bits)) {
        throw badParameter(`Invalid key size: ${bits}. The key size must be 2048, 3072 or 4096.`);
      }
      const allowed = allowedOperations(kty, input.key_ops);
      requireFree(call);
      const material = await generateMaterial(kty, bits, input.crv ?? 'P-256');
      return added(call, kty, material, allowed, input);
    },
  },

  ImportKey: {
    permission: 'import',
    run(call) {
      const input = parsed(importing, call.body);
      const { key } = input;
      const kty = input.hsm === true ? hsmType(key.kty) : key.kty;
      requireSku(call.vault, kty);
      if (isHsm(kty) && key.key_hsm === undefined) {
        throw badParameter('Import of an HSM-protected key takes key_hsm, a key transfer blob.');
      }
      if (key.crv === 'P-256K' && isHsm(kty)) throw badParameter('The curve P-256K is not supported by key transfers.');
      const allowed = allowedOperations(kty, key.key_ops);
      requireFree(call);
      const material = key.key_hsm === undefined ? materialOfJwk(key) : unwrapTransfer(call.vault, key.key_hsm);
      return added(call, kty, material, allowed, input);
    },
  },

  GetKey: {
    permission: 'get',
    run(call) {
      const key = findKey(call);
      return bundle(call.vault, key, findVersion(call, key));
    },
  },

  UpdateKey: {
    permission: 'update',
    run(call) {
      const key = findKey(call);
      const version = findVersion(call, key);
      const input = parsed(updating, call.body);
      if (input.key_ops !== undefined) version.operations = allowedOperations(version.publicMembers.kty, input.key_ops);
      set(version, input);
      version.updatedAt = call.now;
      call.cloud.save(call.vault, key);
      return bundle(call.vault, key, version);
    },
  },

  GetKeys: {
    permission: 'list',
    run(call) {
      const keys = [...call.vault.keys.values()].filter((key) => isThere(key));
      return pageOf(
        call,
        keys,
        ({ name }) => name.toLowerCase(),
        (key) => ({
          kid: call.vault.url(`/keys/${key.name}`),
          ...shown(call.vault, newestOf(key)),
        }),
      );
    },
  },

  GetKeyVersions: {
    permission: 'list',
    run(call) {
      const key = call.vault.key(call.name);
      const versions = key !== undefined && isThere(key) ? key.versions : [];
      return pageOf(
        call,
        versions,
        ({ version }) => version,
        (version) => ({
          kid: call.vault.url(`/keys/${key?.name ?? ''}/${version.version}`),
          ...shown(call.vault, version),
        }),
      );
    },
  },

  RotateKey: {
    permission: 'rotate',
    async run(call) {
      const key = findKey(call);
      const { publicMembers, operations: before, tags: sameTags } = newestOf(key);
      const bits = Buffer.from(publicMembers.n ?? '', 'base64url').length * 8;
      const material = await generateMaterial(publicMembers.kty, bits, publicMembers.crv ?? 'P-256');
      return added(call, publicMembers.kty, material, before, { tags: sameTags });
    },
  },
};

function requireSku(vault: Vault, kty: KeyType): void {
  if (isHsm(kty) && vault.sku === 'standard') {
    throw badParameter(`Key type ${kty} is not supported by a vault of the sku standard.`);
  }
}

const hsmType = (kty: KeyType): KeyType => (kty.startsWith('RSA') ? 'RSA-HSM' : 'EC-HSM');

function allowedOperations(kty: KeyType, wanted: readonly string[] | undefined): readonly string[] {
  const possible = kty.startsWith('RSA') ? ofRsa : ofEc;
  if (wanted === undefined) return possible;
  if (kty === 'RSA-HSM' && wanted.length === 1 && wanted[0] === 'import') return wanted;
  const impossible = wanted.find((each) => !possible.includes(each));
  if (impossible !== undefined) throw badParameter(`Operation ${impossible} is not permitted on a key of type ${kty}.`);
  return [...new Set(wanted)];
}

/** Neither deleted nor on the way back. */
export const isThere = (key: VaultKey): boolean => key.deletion === undefined && key.recoveringUntil === undefined;

function requireFree({ vault, name, now }: Call): void {
  const key = vault.key(name);
  if (key === undefined || isThere(key)) return;
  if (key.recoveringUntil !== undefined) {
    throw conflict('ObjectIsBeingRecovered', `Key ${key.name} is currently being recovered. Please try again later.`);
  }
  if (key.deletion !== undefined && key.deletion.settledAt > now) {
    throw conflict('ObjectIsBeingDeleted', `Key ${key.name} is currently being deleted. Please try again later.`);
  }
  throw conflict(
    'ObjectIsDeletedButRecoverable',
    `Key ${key.name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the key can only be recovered or purged.`,
  );
}

export function findKey({ vault, name }: Call): VaultKey {
  const key = vault.key(name);
  if (key === undefined || !isThere(key)) throw notFound(name);
  return key;
}

export function findVersion({ version }: Call, key: VaultKey): KeyVersion {
  if (version === undefined) return newestOf(key);
  const found = key.versions.find((each) => each.version === version.toLowerCase());
  if (found === undefined) throw notFound(`${key.name}/${version}`);
  return found;
}

function added(
  call: Call,
  kty: KeyType,
  material: Buffer,
  allowed: readonly string[],
  input: z.output<typeof updating>,
): Readonly<Record<string, unknown>> {
  // Making the material took time: somebody may have deleted the key meanwhile.
  requireFree(call);
  const version: KeyVersion = {
    version: randomBytes(16).toString('hex'),
    publicMembers: publicMembersOf(material, kty),
    material,
    createdAt: call.now,
    updatedAt: call.now,
    operations: allowed,
    enabled: true,
    notBefore: undefined,
    expires: undefined,
    tags: {},
  };
  set(version, input);
  const key = call.vault.key(call.name) ?? {
    name: call.name,
    versions: [],
    deletion: undefined,
    recoveringUntil: undefined,
  };
  key.versions.push(version);
  call.cloud.save(call.vault, key);
  return bundle(call.vault, key, version);
}

/** What is not given stays; a date that is set cannot be taken away. */
function set(version: KeyVersion, input: z.output<typeof updating>): void {
  const given = input.attributes ?? {};
  const expires = inMilliseconds(given.exp) ?? version.expires;
  const notBefore = inMilliseconds(given.nbf) ?? version.notBefore;
  if (expires !== undefined && notBefore !== undefined && expires <= notBefore) {
    throw badParameter('The expiration time must be after the not before time.');
  }
  if (input.tags !== undefined && Object.keys(input.tags).length > 15) throw badParameter('Too many tags: at most 15.');
  version.enabled = given.enabled ?? version.enabled;
  version.expires = expires;
  version.notBefore = notBefore;
  version.tags = input.tags ?? version.tags;
}

const inMilliseconds = (seconds: number | null | undefined): number | undefined =>
  seconds === null || seconds === undefined ? undefined : seconds * 1000;

const inSeconds = (milliseconds: number): number => Math.floor(milliseconds / 1000);

/** Attributes and tags, as lists and bundles show them. */
export function shown(vault: Vault, version: KeyVersion): Readonly<Record<string, unknown>> {
  const purgeable = vault.purgeProtection ? '' : '+Purgeable';
  return {
    attributes: {
      enabled: version.enabled,
      ...(version.notBefore === undefined ? {} : { nbf: inSeconds(version.notBefore) }),
      ...(version.expires === undefined ? {} : { exp: inSeconds(version.expires) }),
      created: inSeconds(version.createdAt),
      updated: inSeconds(version.updatedAt),
      recoveryLevel: `${vault.recoverableDays === 90 ? '' : 'Customized'}Recoverable${purgeable}`,
      recoverableDays: vault.recoverableDays,
    },
    ...(Object.keys(version.tags).length === 0 ? {} : { tags: version.tags }),
  };
}

/** A version with its public part. */
export function bundle(vault: Vault, key: VaultKey, version: KeyVersion): Readonly<Record<string, unknown>> {
  const { kty, ...members } = version.publicMembers;
  return {
    key: {
      kid: vault.url(`/keys/${key.name}/${version.version}`),
      kty,
      key_ops: version.operations,
      ...members,
    },
    ...shown(vault, version),
  };
}
