import { createHash } from 'node:crypto';
import type { Observed } from '../drift/observed.ts';
import { NEVER_ASKED } from '../drift/verdict.ts';
import type { Keystore } from '../keystores/keystore.ts';
import type { Database } from '../records/database.ts';
import { keystoresOfVault, readTemplate, readVault } from '../records/reading.ts';
import type { KeyPartition } from '../records/reading.ts';
import { presentKeySchedule } from '../schedule/view.ts';
import type { Template } from '../templates/template.ts';
import type { Vault } from '../vaults/vault.ts';
import type { WireKeyInstance, WireManagedKey, WireStatusInKeystore } from '../wire/keys.ts';
import type { WireTemplateReference } from '../wire/templates.ts';
import { assignedKeystores, isAligned } from './alignment.ts';
import { instanceId } from './key.ts';
import type { KeyInstance, ManagedKey } from './key.ts';
import { isRotatable } from './naming.ts';

/** What a key refers to, for showing it. */
export interface KeyContext {
  readonly vault: Vault | undefined;
  readonly template: Template | undefined;
  /** All keystores of the key's vault, by id. */
  readonly keystores: ReadonlyMap<string, Keystore>;
}

/** Reads what a key refers to. */
export async function readKeyContext(
  database: Database,
  key: Pick<ManagedKey, 'vaultId' | 'templateId'>,
): Promise<KeyContext> {
  const [vault, template, keystores] = await Promise.all([
    readVault(database, key.vaultId),
    readTemplate(database, key.templateId),
    keystoresOfVault(database, key.vaultId),
  ]);
  return { vault, template, keystores: new Map(keystores.map((keystore) => [keystore.id, keystore])) };
}

/** A key as the contract shows it. `baseUrl` without a trailing slash. */
export function presentKey(
  partition: KeyPartition,
  key: ManagedKey,
  context: KeyContext,
  baseUrl: string,
): WireManagedKey {
  const { vault } = context;
  const publicKey = partition.versions.find(({ version }) => version === key.version)?.publicKey;
  return {
    id: key.id,
    vault: {
      id: key.vaultId,
      ...(vault === undefined ? {} : { name: vault.name }),
      href: `${baseUrl}/api/v4/vaults/${key.vaultId}`,
    },
    template: presentTemplateReference(key, context, baseUrl),
    version: key.version,
    description: key.description,
    label: key.label,
    state: key.state,
    size: key.spec.size,
    algorithm: key.spec.algorithm,
    verification_patterns:
      publicKey === undefined
        ? []
        : [{ method: 'SHA-256', value: createHash('sha256').update(publicKey).digest('hex') }],
    ...(key.activationDate === undefined ? {} : { activation_date: key.activationDate }),
    ...(key.expirationDate === undefined ? {} : { expiration_date: key.expirationDate }),
    ...(key.deactivationDate === undefined ? {} : { deactivation_date: key.deactivationDate }),
    label_tags: key.labelTags.map(({ name, value }) => ({ name, value })),
    tags: key.tags.map(({ name, value }) => ({ name, value })),
    is_rotatable: isRotatable(key),
    created_at: key.createdAt.toISOString(),
    updated_at: key.updatedAt.toISOString(),
    created_by: key.createdBy,
    updated_by: key.updatedBy,
    referenced_keystores: key.keystoreIds.map((id) => presentKeystoreReference(id, key.keystoreType, context, baseUrl)),
    instances: presentInstances(key, context),
    href: `${baseUrl}/api/v4/managed_keys/${key.id}`,
    ...(key.rotatedAt === undefined ? {} : { rotated_at: key.rotatedAt.toISOString() }),
    status_in_keystores: presentStatuses(partition, key, context, baseUrl),
    deactivate_on_rotation: key.deactivateOnRotation,
    managing_systems: ['web'],
    material: key.spec.material,
    ...(key.schedule === undefined ? {} : { schedule: presentKeySchedule(key, key.schedule) }),
  };
}

/** Whether the key is as its template says; a template that is gone has nothing to say. */
export function alignmentOf(key: ManagedKey, context: KeyContext): 'aligned' | 'unaligned' {
  const { template } = context;
  if (template === undefined) return 'unaligned';
  return isAligned(key, template, assignedKeystores(template, [...context.keystores.values()]))
    ? 'aligned'
    : 'unaligned';
}

function presentTemplateReference(key: ManagedKey, context: KeyContext, baseUrl: string): WireTemplateReference {
  const { template } = context;
  return {
    id: key.templateId,
    ...(template === undefined ? {} : { name: template.name, type: [template.type] }),
    href: `${baseUrl}/api/v4/templates/${key.templateId}`,
    alignment_status: alignmentOf(key, context),
  };
}

function presentKeystoreReference(
  id: string,
  type: Keystore['type'],
  context: Pick<KeyContext, 'keystores'>,
  baseUrl: string,
): NonNullable<WireStatusInKeystore['keystore']> {
  const keystore = context.keystores.get(id);
  return {
    id,
    ...(keystore === undefined ? {} : { name: keystore.name }),
    type: keystore?.type ?? type,
    href: `${baseUrl}/api/v4/keystores/${id}`,
  };
}

/** Status rows of the key's current version, by keystore name. */
export function presentStatuses(
  partition: Pick<KeyPartition, 'instances' | 'observed'>,
  key: Pick<ManagedKey, 'version' | 'keystoreType'>,
  context: Pick<KeyContext, 'keystores'>,
  baseUrl: string,
): WireStatusInKeystore[] {
  const name = (id: string) => context.keystores.get(id)?.name ?? id;
  return partition.instances
    .filter(({ version }) => version === key.version)
    .sort((a, b) => (name(a.keystoreId) < name(b.keystoreId) ? -1 : 1))
    .map((instance) => presentStatus(instance, partition.observed.get(instanceId(instance)), key, context, baseUrl));
}

function presentStatus(
  instance: KeyInstance,
  observed: Observed | undefined,
  key: Pick<ManagedKey, 'keystoreType'>,
  context: Pick<KeyContext, 'keystores'>,
  baseUrl: string,
): WireStatusInKeystore {
  const keystore = presentKeystoreReference(instance.keystoreId, key.keystoreType, context, baseUrl);
  if (observed === undefined) {
    return {
      keystore,
      status: NEVER_ASKED.status,
      keystore_sync_flag: NEVER_ASKED.keystoreSyncFlag,
      keystore_sync_flag_detail: NEVER_ASKED.keystoreSyncFlagDetail,
      reason: `${NEVER_ASKED.finding}.`,
    };
  }
  const { error } = observed;
  return {
    keystore,
    status: observed.status,
    keystore_sync_flag: observed.keystoreSyncFlag,
    keystore_sync_flag_detail: observed.keystoreSyncFlagDetail,
    ...(error === undefined ? {} : { error: { errors: [{ code: error.code, message: error.message }] } }),
    ...(observed.keyIdInKeystore === undefined ? {} : { key_id_in_keystore: observed.keyIdInKeystore }),
    reason: observed.reason,
    since: observed.since.toISOString(),
    seen_at: observed.seenAt.toISOString(),
    ...(observed.pendingDestructionUntil === undefined
      ? {}
      : { pending_destruction_until: observed.pendingDestructionUntil.toISOString() }),
  };
}

/** One per group that the template names: the contract's instance is of a group of keystores, its status of each keystore. */
function presentInstances(key: ManagedKey, context: KeyContext): WireKeyInstance[] {
  const groups = context.template?.keystores.map(({ group }) => group ?? '') ?? [];
  return groups.map((group) => {
    const instance = {
      id: nameBasedId(`${key.id}/${key.version}/${group}`),
      label_in_keystore: key.label,
      type:
        key.spec.algorithm === 'rsa' || key.spec.algorithm === 'ec' ? ('key_pair' as const) : ('secret_key' as const),
      ...key.spec.properties,
    };
    return { ...instance, keystore: { group, type: key.keystoreType } } as WireKeyInstance;
  });
}

/** A stable id of the form of a UUID (version 8, RFC 9562) for something that has no record of its own. */
export function nameBasedId(name: string): string {
  const bytes = createHash('sha256').update(name).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
