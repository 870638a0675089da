import type { Cloud } from './cloud.ts';
import { deletionOperations } from './deletion.ts';
import { notFound, VaultError } from './error.ts';
import { keyOperations } from './keys.ts';
import type { Operation } from './operation.ts';
import { newestOf } from './world.ts';
import type { KeyVersion, Vault, VaultKey } from './world.ts';

/** A key by name or by the id of a key or version. Where a name exists in several vaults, say which. */
export type KeyTarget = string | { key: string; vault?: string | undefined };

export interface KeyListing {
  /** Of the newest version. */
  kid: string;
  vault: string;
  name: string;
  state: 'enabled' | 'disabled' | 'deleted';
  keyType: string;
  /** Oldest first. */
  versions: { version: string; enabled: boolean; tags: Readonly<Record<string, string>> }[];
  /** Of the newest version. */
  tags: Readonly<Record<string, string>>;
  purgeDate?: string | undefined;
}

/** Somebody at Azure's own portal: changes that no caller of ours asked for. They go through the API's operations, uncounted. */
export interface Operator {
  keys(filter?: { vault?: string | undefined }): KeyListing[];
  /** Makes a key, or a further version of one that exists, with material of Azure's own and without tags. */
  createKey(vault: string, name: string): Promise<void>;
  /** Azure's own rotation: a new version in front, with the same tags. */
  rotate(target: KeyTarget): Promise<void>;
  enable(target: KeyTarget): Promise<void>;
  disable(target: KeyTarget): Promise<void>;
  /** Sets when the key expires, and from when it can be used; undefined leaves a date as it is. */
  setDates(target: KeyTarget, dates: { expires?: Date | undefined; notBefore?: Date | undefined }): Promise<void>;
  tag(target: KeyTarget, tags: Readonly<Record<string, string>>): Promise<void>;
  delete(target: KeyTarget): Promise<void>;
  recover(target: KeyTarget): Promise<void>;
  /** Ends the key now, deleted or not, whatever the vault's purge protection says. */
  purge(target: KeyTarget): void;
}

export function operator(cloud: Cloud): Operator {
  async function run(operation: Operation | undefined, located: Located, body: unknown): Promise<void> {
    const { vault, name, version } = located;
    const call = { cloud, vault, name, version, body, now: cloud.tick(), path: '', query: new URLSearchParams() };
    await operation?.run(call);
  }
  const update = (target: KeyTarget, body: unknown) => run(keyOperations['UpdateKey'], locate(cloud, target), body);
  const seconds = (date: Date | undefined) => (date === undefined ? undefined : Math.floor(date.getTime() / 1000));

  return {
    keys(filter = {}) {
      cloud.tick();
      return [...cloud.vaults()]
        .filter((vault) => filter.vault === undefined || vault.name === filter.vault)
        .flatMap((vault) => [...vault.keys.values()].map((key) => listing(vault, key)));
    },
    createKey(vaultName, name) {
      const vault = vaultNamed(cloud, vaultName);
      return run(keyOperations['CreateKey'], { vault, name, version: undefined }, { kty: 'EC', crv: 'P-256' });
    },
    rotate: (target) => run(keyOperations['RotateKey'], locate(cloud, target), undefined),
    enable: (target) => update(target, { attributes: { enabled: true } }),
    disable: (target) => update(target, { attributes: { enabled: false } }),
    setDates: (target, { expires, notBefore }) =>
      update(target, { attributes: { exp: seconds(expires), nbf: seconds(notBefore) } }),
    tag(target, tags) {
      const { vault, name, version } = locate(cloud, target);
      const key = vault.key(name);
      const before = key?.versions.find((each) => each.version === version) ?? (key && newestOf(key));
      return update(target, { tags: { ...before?.tags, ...tags } });
    },
    delete: (target) => run(deletionOperations['DeleteKey'], locate(cloud, target), undefined),
    recover: (target) => run(deletionOperations['RecoverDeletedKey'], locate(cloud, target), undefined),
    purge(target) {
      const { vault, name } = locate(cloud, target);
      const key = vault.key(name);
      if (key !== undefined) cloud.purge(vault, key);
    },
  };
}

interface Located {
  readonly vault: Vault;
  readonly name: string;
  readonly version: string | undefined;
}

function locate(cloud: Cloud, target: KeyTarget): Located {
  cloud.tick();
  const { key: named, vault: vaultName } = typeof target === 'string' ? { key: target } : { ...target };
  const url = URL.canParse(named) ? new URL(named) : undefined;
  const [, , name = named, version] = url?.pathname.split('/') ?? [];
  const found = [...cloud.vaults()]
    .filter((vault) => (url === undefined || vault.host === url.host) && (vaultName ?? vault.name) === vault.name)
    .filter((vault) => vault.key(name) !== undefined);
  const [vault, ...more] = found;
  if (vault === undefined) throw notFound(named);
  if (more.length > 0) {
    throw new VaultError(400, 'BadParameter', `${named} names ${found.length} keys: give the vault too`);
  }
  return { vault, name, version };
}

function vaultNamed(cloud: Cloud, name: string): Vault {
  const vault = [...cloud.vaults()].find((each) => each.name === name);
  if (vault === undefined) throw new VaultError(404, 'VaultNotFound', `There is no vault ${name}.`);
  return vault;
}

function listing(vault: Vault, key: VaultKey): KeyListing {
  const newest = newestOf(key);
  return {
    kid: vault.url(`/keys/${key.name}/${newest.version}`),
    vault: vault.name,
    name: key.name,
    state: key.deletion !== undefined ? 'deleted' : newest.enabled ? 'enabled' : 'disabled',
    keyType: newest.publicMembers.kty,
    versions: key.versions.map(({ version, enabled, tags }: KeyVersion) => ({ version, enabled, tags })),
    tags: newest.tags,
    purgeDate: key.deletion === undefined ? undefined : new Date(key.deletion.purgeAt).toISOString(),
  };
}
