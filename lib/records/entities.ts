import * as z from 'zod/mini';
import { APPROVAL_SUBJECTS } from '../approvals/approval.ts';
import type { Approval } from '../approvals/approval.ts';
import { AUTO_REPAIR_POLICIES, STANDARD_AUTO_REPAIR, TEMPLATE_AUTO_REPAIR_POLICIES } from '../auto-repair/policy.ts';
import { KEYSTORE_STATUSES, SYNC_FLAG_DETAILS, SYNC_FLAGS } from '../drift/observed.ts';
import type { Observed } from '../drift/observed.ts';
import { CHANGE_CAUSES, KEPT_DAYS, WORK_STATES } from '../history/entry.ts';
import type { HistoryEntry } from '../history/entry.ts';
import { KEY_ALGORITHMS, KEY_STATES, MATERIAL_KINDS, WORK_CAUSES } from '../keys/key.ts';
import type { KeyInstance, KeyVersion, ManagedKey, WrappedMaterial } from '../keys/key.ts';
import { HEALTH_STATUSES, KEYSTORE_TYPES } from '../keystores/keystore.ts';
import type { Keystore, KeystoreHealth } from '../keystores/keystore.ts';
import { NOTICE_FLAGS, SUBSCRIPTION_STATES, SUBSCRIPTION_TYPES } from '../notices/subscription.ts';
import type { LastDelivery, Subscription } from '../notices/subscription.ts';
import { TEMPLATE_STATES, TEMPLATE_TYPES } from '../templates/template.ts';
import type { Template } from '../templates/template.ts';
import type { Vault, VaultCounters } from '../vaults/vault.ts';
import { later } from '../later.ts';
import type { Change, RawItem } from './database.ts';
import { instant, itemCodec, maybe, tag } from './item.ts';
import { wakeAt } from '../schedule/schedule.ts';
import { changeShard, INDEX_KEY, ITEM, openWorkShard, scheduleShard } from './table.ts';
import type { ItemKey } from './table.ts';

const text = z.string();
const count = z.int().check(z.gte(0));
const bytes = z.instanceof(Uint8Array);
const authored = { createdAt: instant, updatedAt: instant, createdBy: text, updatedBy: text };

const vault = itemCodec<Vault>('vault', () =>
  z.object({
    id: text,
    revision: count,
    name: text,
    description: text,
    recoveryKeyLabel: maybe(text),
    approvalRequiredFor: z._default(z.array(z.enum(APPROVAL_SUBJECTS)), []),
    autoRepair: z._default(
      z.object({ policy: z.enum(AUTO_REPAIR_POLICIES), maximumPerSweep: count, stopAtPercent: count }),
      { ...STANDARD_AUTO_REPAIR },
    ),
    ...authored,
  }),
);

const keySpec = later(() =>
  z.object({
    algorithm: z.enum(KEY_ALGORITHMS),
    size: text,
    material: z.enum(MATERIAL_KINDS),
    properties: z.record(z.string(), z.unknown()),
  }),
);

const schedule = later(() => ({
  enforceDates: z.boolean(),
  rotateEveryDays: maybe(count),
  rotateJitterDays: count,
  announceDaysBefore: count,
}));

const template = itemCodec<Template>('template', () =>
  z.object({
    id: text,
    revision: count,
    version: count,
    vaultId: text,
    name: text,
    description: text,
    type: z.enum(TEMPLATE_TYPES),
    state: z.enum(TEMPLATE_STATES),
    namingScheme: maybe(text),
    key: z.object({
      algorithm: z.enum(KEY_ALGORITHMS),
      size: text,
      activationDate: text,
      expirationDate: text,
      state: z.enum(['active', 'pre_activation']),
      deactivateOnRotation: z.boolean(),
      material: maybe(z.enum(MATERIAL_KINDS)),
      schedule: maybe(z.object(schedule())),
    }),
    keystores: z.array(
      z.object({
        type: z.enum(KEYSTORE_TYPES),
        group: maybe(text),
        namingScheme: maybe(text),
        properties: z.record(z.string(), z.unknown()),
      }),
    ),
    keystoreIds: maybe(z.array(text)),
    autoRepair: z._default(z.enum(TEMPLATE_AUTO_REPAIR_POLICIES), 'as_vault'),
    ...authored,
  }),
);

const keystore = itemCodec<Keystore>('keystore', () =>
  z.object({
    id: text,
    revision: count,
    vaultId: text,
    type: z.enum(KEYSTORE_TYPES),
    name: text,
    description: text,
    groups: z.array(text),
    tlsProxy: maybe(text),
    settings: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    secretNames: z.array(text),
    ...authored,
  }),
);

const keystoreHealth = itemCodec<KeystoreHealth>('keystore health', () =>
  z.object({
    keystoreId: text,
    status: z.enum(HEALTH_STATUSES),
    message: text,
    lastHeartbeat: maybe(instant),
    sweeps: z._default(count, 0),
  }),
);

/** Of a managed key, what the list index carries. */
const listed = later(() => ({
  id: text,
  revision: count,
  vaultId: text,
  templateId: text,
  templateVersion: count,
  keystoreType: z.enum(KEYSTORE_TYPES),
  keystoreIds: z.array(text),
  version: count,
  label: text,
  state: z.enum(KEY_STATES),
  spec: keySpec(),
  activationDate: maybe(text),
  expirationDate: maybe(text),
  deactivationDate: maybe(text),
  deactivateOnRotation: z.boolean(),
  createdAt: instant,
  updatedAt: instant,
  rotatedAt: maybe(instant),
}));

export type ListedManagedKey = Pick<ManagedKey, keyof ReturnType<typeof listed>>;

const listedKey = itemCodec<ListedManagedKey>('managed key in a list', () => z.object(listed()));

const managedKey = itemCodec<ManagedKey>('managed key', () =>
  z.object({
    ...listed(),
    description: text,
    labelTags: z.array(tag),
    tags: z.array(tag),
    namingScheme: maybe(text),
    createdBy: text,
    updatedBy: text,
    deactivatedAt: maybe(instant),
    destroyedAt: maybe(instant),
    schedule: maybe(z.object({ ...schedule(), since: instant, enforced: maybe(text) })),
  }),
);

const keyVersion = itemCodec<KeyVersion>('key version', () =>
  z.object({
    keyId: text,
    version: count,
    state: z.enum(KEY_STATES),
    createdAt: instant,
    rotatedAt: maybe(instant),
    deactivatedAt: maybe(instant),
    publicKey: maybe(bytes),
  }),
);

const material = itemCodec<WrappedMaterial>('key material', () =>
  z.object({ ciphertext: bytes, custodyKeyId: text, publicKey: maybe(bytes) }),
);

const keyInstance = itemCodec<KeyInstance>('key instance', () =>
  z.object({
    keyId: text,
    version: count,
    keystoreId: text,
    vaultId: text,
    label: text,
    spec: keySpec(),
    keyState: z.enum(KEY_STATES),
    current: z.boolean(),
    wanted: z.enum(['enabled', 'disabled', 'gone', 'none']),
    outgrown: z.boolean(),
    rotating: z.boolean(),
    keyRemoved: z.boolean(),
    removedByUser: z.boolean(),
    binding: maybe(z.object({ idInKeystore: text, fingerprint: maybe(text) })),
    intendedAt: instant,
    createSentAt: maybe(instant),
    rotationSentAt: maybe(instant),
    fence: count,
    touchedAt: maybe(instant),
    open: maybe(
      z.object({
        cause: z.enum(WORK_CAUSES),
        details: z.boolean(),
        since: instant,
        attempts: count,
        dueAt: instant,
        lastError: maybe(text),
        givenUp: z._default(z.boolean(), false),
      }),
    ),
  }),
);

const observed = itemCodec<Observed>('observation', () =>
  z.object({
    keyId: text,
    version: count,
    keystoreId: text,
    vaultId: text,
    status: z.enum(KEYSTORE_STATUSES),
    keystoreSyncFlag: z.enum(SYNC_FLAGS),
    keystoreSyncFlagDetail: z.enum(SYNC_FLAG_DETAILS),
    reason: text,
    since: instant,
    seenAt: instant,
    error: maybe(z.object({ code: text, message: text })),
    keyIdInKeystore: maybe(text),
    pendingDestructionUntil: maybe(instant),
    judgedFence: count,
  }),
);

const historyEntry = itemCodec<HistoryEntry>('entry of a history', () => {
  const entry = { id: text, keyId: text, vaultId: text, at: instant };
  const finding = z.object({
    status: z.enum(KEYSTORE_STATUSES),
    flag: z.enum(SYNC_FLAGS),
    detail: z.enum(SYNC_FLAG_DETAILS),
  });
  return z.discriminatedUnion('kind', [
    z.object({
      kind: z.literal('flag'),
      ...entry,
      version: count,
      keystoreId: text,
      label: text,
      from: maybe(finding),
      to: finding,
      reason: text,
      cause: z.enum(CHANGE_CAUSES),
      error: maybe(z.object({ code: text, message: text })),
    }),
    z.object({
      kind: z.literal('work'),
      ...entry,
      version: count,
      keystoreId: text,
      state: z.enum(WORK_STATES),
      cause: z.enum(WORK_CAUSES),
      attempts: count,
      lastError: maybe(text),
    }),
    z.object({
      kind: z.literal('decision'),
      ...entry,
      operation: text,
      subject: text,
      waitsForApproval: z.boolean(),
      correlationId: text,
    }),
  ]);
});

const subscription = itemCodec<Subscription>('notification subscription', () =>
  z.object({
    id: text,
    revision: count,
    vaultId: text,
    name: text,
    type: z.enum(SUBSCRIPTION_TYPES),
    state: z.enum(SUBSCRIPTION_STATES),
    target: text,
    flags: z.array(z.enum(NOTICE_FLAGS)),
    announcements: z._default(z.boolean(), true),
    ...authored,
  }),
);

const lastDelivery = itemCodec<LastDelivery>('latest delivery', () =>
  z.object({ subscriptionId: text, at: instant, noticeId: text, error: maybe(text) }),
);

const approval = itemCodec<Approval>('approval', () =>
  z.object({
    id: text,
    revision: count,
    vaultId: text,
    operation: text,
    resourceType: z.enum(['managed_key', 'keystore', 'vault']),
    resourceId: text,
    resourceRevision: count,
    parameters: text,
    summary: text,
    state: z.enum(['pending', 'approved', 'rejected']),
    requestedBy: text,
    requestedAt: instant,
    expiresAt: instant,
    decidedBy: maybe(text),
    decidedAt: maybe(instant),
  }),
);

const none = z._default(count, 0);
const counters = itemCodec<VaultCounters>('counters', () =>
  z.object({ keys: none, templates: none, keystores: none, keystoresGeneration: none }),
);

/** Reading items: each throws `UnreadableItem` when an item is not of the form that this version writes. */
export const READ = {
  vault: (item: RawItem) => vault.decode(item),
  template: (item: RawItem) => template.decode(item),
  keystore: (item: RawItem) => keystore.decode(item),
  keystoreHealth: (item: RawItem) => keystoreHealth.decode(item),
  managedKey: (item: RawItem) => managedKey.decode(item),
  listedKey: (item: RawItem) => listedKey.decode(item),
  keyVersion: (item: RawItem) => keyVersion.decode(item),
  material: (item: RawItem) => material.decode(item),
  keyInstance: (item: RawItem) => keyInstance.decode(item),
  observed: (item: RawItem) => observed.decode(item),
  historyEntry: (item: RawItem) => historyEntry.decode(item),
  subscription: (item: RawItem) => subscription.decode(item),
  lastDelivery: (item: RawItem) => lastDelivery.decode(item),
  approval: (item: RawItem) => approval.decode(item),
  counters: (item: RawItem | undefined): VaultCounters => counters.decode(item ?? {}),
} as const;

type StoredItem = RawItem & ItemKey;

/** Whole items, with the attributes that place them in the indexes. */
export const STORED = {
  vault: (value: Vault): StoredItem => ({
    ...ITEM.vault(value.id),
    ...vault.encode(value),
    vault_pk: INDEX_KEY.vaults(),
    vault_sk: `${value.name}#${value.id}`,
  }),
  approval: (value: Approval): StoredItem => ({
    ...ITEM.approval(value.id),
    ...approval.encode(value),
    vault_pk: INDEX_KEY.approvalsOfVault(value.vaultId),
    vault_sk: `${value.requestedAt.toISOString()}#${value.id}`,
  }),
  template: (value: Template): StoredItem => ({
    ...ITEM.template(value.id),
    ...template.encode(value),
    vault_pk: INDEX_KEY.templatesOfVault(value.vaultId),
    vault_sk: `${value.name}#${value.id}`,
  }),
  keystore: (value: Keystore): StoredItem => ({
    ...ITEM.keystore(value.id),
    ...keystore.encode(value),
    vault_pk: INDEX_KEY.keystoresOfVault(value.vaultId),
    vault_sk: `${value.name}#${value.id}`,
  }),
  keystoreHealth: (value: KeystoreHealth): StoredItem => ({
    ...ITEM.keystoreHealth(value.keystoreId),
    ...keystoreHealth.encode(value),
  }),
  managedKey: (value: ManagedKey): StoredItem => ({
    ...ITEM.key(value.id),
    ...managedKey.encode(value),
    vault_pk: INDEX_KEY.keysOfVault(value.vaultId),
    vault_sk: `${value.label}#${value.id}`,
    ...dueOf(value),
  }),
  keyVersion: (value: KeyVersion): StoredItem => ({
    ...ITEM.version(value.keyId, value.version),
    ...keyVersion.encode(value),
  }),
  material: (keyId: string, version: number, value: WrappedMaterial): StoredItem => ({
    ...ITEM.material(keyId, version),
    ...material.encode(value),
  }),
  keyInstance: (value: KeyInstance): StoredItem => ({
    ...ITEM.instance(value.keyId, value.version, value.keystoreId),
    ...keyInstance.encode(value),
    keystore_pk: INDEX_KEY.instancesInKeystore(value.keystoreId),
    keystore_sk: `${value.keyId}#${String(value.version).padStart(6, '0')}#1`,
    ...(value.binding?.idInKeystore.startsWith('arn:') === true
      ? {
          vault_pk: INDEX_KEY.instancesBoundTo(value.binding.idInKeystore),
          vault_sk: `${value.keyId}#${String(value.version).padStart(6, '0')}`,
        }
      : {}),
    ...(value.open === undefined
      ? {}
      : {
          due_pk: value.open.givenUp ? INDEX_KEY.givenUpWork() : INDEX_KEY.openWork(openWorkShard(value.keyId)),
          due_sk: value.open.dueAt.toISOString(),
        }),
  }),
  observed: (value: Observed): StoredItem => ({
    ...ITEM.observed(value.keyId, value.version, value.keystoreId),
    ...observed.encode(value),
    keystore_pk: INDEX_KEY.instancesInKeystore(value.keystoreId),
    keystore_sk: `${value.keyId}#${String(value.version).padStart(6, '0')}#2`,
    ...(value.keystoreSyncFlag === 'ok'
      ? {}
      : {
          flag_pk: INDEX_KEY.flaggedInVault(value.vaultId),
          flag_sk: `${value.keystoreSyncFlag}#${value.keyId}#${value.keystoreId}`,
        }),
  }),
  subscription: (value: Subscription): StoredItem => ({
    ...ITEM.subscription(value.id),
    ...subscription.encode(value),
    vault_pk: INDEX_KEY.subscriptionsOfVault(value.vaultId),
    vault_sk: `${value.name}#${value.id}`,
  }),
  lastDelivery: (value: LastDelivery): StoredItem => ({
    ...ITEM.lastDelivery(value.subscriptionId),
    ...lastDelivery.encode(value),
  }),
  historyEntry: (value: HistoryEntry): StoredItem => {
    const at = value.at.toISOString();
    return {
      ...ITEM.history(value.keyId, at, value.id),
      ...historyEntry.encode(value),
      ttl: Math.ceil(value.at.getTime() / 1000) + KEPT_DAYS * 86_400,
      ...(value.kind === 'flag'
        ? { flag_pk: INDEX_KEY.changesInVault(value.vaultId, changeShard(value.keyId)), flag_sk: `${at}#${value.id}` }
        : {}),
    };
  },
} as const;

/** A key with a schedule is in the index of what is due from when something of it is to be announced, or done. */
function dueOf(key: ManagedKey): Partial<Record<'due_pk' | 'due_sk', string>> {
  const moment = wakeAt(key);
  return moment === undefined
    ? {}
    : { due_pk: INDEX_KEY.scheduled(scheduleShard(key.id)), due_sk: moment.toISOString() };
}

/** A first write: refused when the item is there already. */
export function creation(item: StoredItem, refused?: Change['refused']): Change {
  return { op: 'put', item, condition: 'attribute_not_exists(pk)', ...(refused === undefined ? {} : { refused }) };
}

/** Replaces a record that users decide about, unless it changed since `revision` was read. */
export function replacement(item: StoredItem, revision: number, refused?: Change['refused']): Change {
  return {
    op: 'put',
    item,
    condition: '#revision = :revision',
    names: { '#revision': 'revision' },
    values: { ':revision': revision },
    ...(refused === undefined ? {} : { refused }),
  };
}

/** Replaces an instance, unless it changed since `fence` was read. */
export function fencedInstance(instance: KeyInstance, fence: number): Change {
  return {
    op: 'put',
    item: STORED.keyInstance(instance),
    condition: '#fence = :fence',
    names: { '#fence': 'fence' },
    values: { ':fence': fence },
  };
}
