import type { CreateTableCommandInput, Projection } from '@aws-sdk/client-dynamodb';

/**
 * The shape of every item key, in one place. One table; `pk` and `sk` are strings. Changing a shape needs a decision record and a
 * migration.
 *
 * | item                    | pk                       | sk                            | indexes              |
 * |-------------------------|--------------------------|-------------------------------|----------------------|
 * | vault                   | VAULT#id                 | VAULT                         | by_vault (VAULTS)    |
 * | counters of a vault     | VAULT#id                 | COUNTERS                      |                      |
 * | auto-repair of a vault  | VAULT#id                 | AUTO-REPAIR                   |                      |
 * | repairs within a sweep  | REPAIRS#vault id         | start of the sweep's time     |                      |
 * | repair that was not made | REPAIR#key id           | 000001#keystore               |                      |
 * | what was announced      | ANNOUNCED#key id         | time it is due#action         |                      |
 * | template                | TEMPLATE#id              | TEMPLATE                      | by_vault             |
 * | counter of a template   | TEMPLATE#id              | COUNTERS                      |                      |
 * | keystore                | KEYSTORE#id              | KEYSTORE                      | by_vault             |
 * | its sealed credentials  | KEYSTORE#id              | CREDENTIALS                   |                      |
 * | its health              | KEYSTORE#id              | HEALTH                        |                      |
 * | counter of its keys     | KEYSTORE#id              | COUNTERS                      |                      |
 * | managed key (desired)   | KEY#id                   | KEY                           | by_vault, due        |
 * | key version             | KEY#id                   | VERSION#000001                |                      |
 * | instance (wanted, work) | KEY#id                   | INSTANCE#000001#keystore      | by_keystore, due, by_vault    |
 * | observed                | KEY#id                   | OBSERVED#000001#keystore      | by_keystore, flagged |
 * | sealed material         | MATERIAL#key id          | 000001                        |                      |
 * | entry of its history    | HISTORY#key id           | time#id                       | flagged (by shard)   |
 * | name lock               | NAME#kind#scope          | the name                      |                      |
 * | audit event             | AUDIT#vault id           | EVENT#000000000001            |                      |
 * | head of the audit chain | AUDIT#vault id           | HEAD                          |                      |
 * | key that was adopted    | ADOPTED#id in keystore   | ADOPTED                       |                      |
 * | request for approval    | APPROVAL#id              | APPROVAL                      | by_vault             |
 * | notification subscript. | SUBSCRIPTION#id          | SUBSCRIPTION                  | by_vault             |
 * | its sealed secret       | SUBSCRIPTION#id          | SECRET                        |                      |
 * | its latest delivery     | SUBSCRIPTION#id          | DELIVERY                      |                      |
 * | vault with a trail      | AUDITED                  | vault id                      |                      |
 * | requests in a minute    | RATE#hash of subject     | the minute                    |                      |
 * | attempt told late       | LATE-ATTEMPTS            | at#id                         |                      |
 * | counters of all         | DEPLOYMENT               | COUNTERS                      |                      |
 * | version of the table    | DEPLOYMENT               | SCHEMA                        |                      |
 * | sweep of a quota scope  | SWEEP#scope              | SWEEP                         |                      |
 * | idempotency             | IDEMPOTENCY#hash         | IDEMPOTENCY                   |                      |
 */
export interface ItemKey {
  readonly pk: string;
  readonly sk: string;
}

export const LATE_ATTEMPTS = 'LATE-ATTEMPTS';

export const ITEM = {
  vault: (id: string): ItemKey => ({ pk: `VAULT#${id}`, sk: 'VAULT' }),
  vaultCounters: (id: string): ItemKey => ({ pk: `VAULT#${id}`, sk: 'COUNTERS' }),
  autoRepair: (vaultId: string): ItemKey => ({ pk: `VAULT#${vaultId}`, sk: 'AUTO-REPAIR' }),
  /** Counts what was repaired without people within one sweep's time. */
  repairs: (vaultId: string, from: Date): ItemKey => ({ pk: `REPAIRS#${vaultId}`, sk: from.toISOString() }),
  /** Why a finding was left to people: it is not looked into again at once. */
  repairLeft: (keyId: string, version: number, keystoreId: string): ItemKey => ({
    pk: `REPAIR#${keyId}`,
    sk: `${digits(version, 6)}#${keystoreId}`,
  }),
  /** What was announced, so that it is announced once. */
  announced: (keyId: string, dueAt: Date, action: string): ItemKey => ({
    pk: `ANNOUNCED#${keyId}`,
    sk: `${dueAt.toISOString()}#${action}`,
  }),
  template: (id: string): ItemKey => ({ pk: `TEMPLATE#${id}`, sk: 'TEMPLATE' }),
  templateCounters: (id: string): ItemKey => ({ pk: `TEMPLATE#${id}`, sk: 'COUNTERS' }),
  keystore: (id: string): ItemKey => ({ pk: `KEYSTORE#${id}`, sk: 'KEYSTORE' }),
  keystoreCredentials: (id: string): ItemKey => ({ pk: `KEYSTORE#${id}`, sk: 'CREDENTIALS' }),
  keystoreHealth: (id: string): ItemKey => ({ pk: `KEYSTORE#${id}`, sk: 'HEALTH' }),
  keystoreCounters: (id: string): ItemKey => ({ pk: `KEYSTORE#${id}`, sk: 'COUNTERS' }),
  key: (id: string): ItemKey => ({ pk: `KEY#${id}`, sk: 'KEY' }),
  version: (keyId: string, version: number): ItemKey => ({ pk: `KEY#${keyId}`, sk: `VERSION#${digits(version, 6)}` }),
  instance: (keyId: string, version: number, keystoreId: string): ItemKey => ({
    pk: `KEY#${keyId}`,
    sk: `INSTANCE#${digits(version, 6)}#${keystoreId}`,
  }),
  observed: (keyId: string, version: number, keystoreId: string): ItemKey => ({
    pk: `KEY#${keyId}`,
    sk: `OBSERVED#${digits(version, 6)}#${keystoreId}`,
  }),
  /** `at` as RFC 3339 in UTC with milliseconds: entries sort as time does. */
  history: (keyId: string, at: string, id: string): ItemKey => ({ pk: `HISTORY#${keyId}`, sk: `${at}#${id}` }),
  material: (keyId: string, version: number): ItemKey => ({ pk: `MATERIAL#${keyId}`, sk: digits(version, 6) }),
  /** Holds a unique name: of a vault (scope `-`), or of a template, keystore or key (scope: its vault). */
  name: (kind: 'VAULT' | 'TEMPLATE' | 'KEYSTORE' | 'KEY', scope: string, name: string): ItemKey => ({
    pk: `NAME#${kind}#${scope}`,
    sk: name,
  }),
  auditEvent: (vaultId: string, sequence: number): ItemKey => ({
    pk: `AUDIT#${vaultId}`,
    sk: `EVENT#${digits(sequence, 12)}`,
  }),
  auditHead: (vaultId: string): ItemKey => ({ pk: `AUDIT#${vaultId}`, sk: 'HEAD' }),
  /** Holds a key that was made outside Shearline for the managed key that adopted it. */
  adopted: (idInKeystore: string): ItemKey => ({ pk: `ADOPTED#${idInKeystore}`, sk: 'ADOPTED' }),
  approval: (id: string): ItemKey => ({ pk: `APPROVAL#${id}`, sk: 'APPROVAL' }),
  subscription: (id: string): ItemKey => ({ pk: `SUBSCRIPTION#${id}`, sk: 'SUBSCRIPTION' }),
  subscriptionSecret: (id: string): ItemKey => ({ pk: `SUBSCRIPTION#${id}`, sk: 'SECRET' }),
  lastDelivery: (id: string): ItemKey => ({ pk: `SUBSCRIPTION#${id}`, sk: 'DELIVERY' }),
  /** Stays when the vault is deleted, as its trail does. */
  audited: (vaultId: string): ItemKey => ({ pk: 'AUDITED', sk: vaultId }),
  /** An attempt that could not be written into its trail at once. `at` as in `history`. */
  lateAttempt: (at: string, id: string): ItemKey => ({ pk: LATE_ATTEMPTS, sk: `${at}#${id}` }),
  deploymentCounters: (): ItemKey => ({ pk: 'DEPLOYMENT', sk: 'COUNTERS' }),
  /** In what form the table's items are. */
  schema: (): ItemKey => ({ pk: 'DEPLOYMENT', sk: 'SCHEMA' }),
  sweep: (scope: string): ItemKey => ({ pk: `SWEEP#${scope}`, sk: 'SWEEP' }),
  idempotency: (hash: string): ItemKey => ({ pk: `IDEMPOTENCY#${hash}`, sk: 'IDEMPOTENCY' }),
} as const;

export type IndexName = 'by_vault' | 'by_keystore' | 'flagged' | 'due';

/** Partition and sort attribute of each index. Items without them are not in it. */
export const INDEXES: Record<IndexName, { readonly pk: string; readonly sk: string }> = {
  by_vault: { pk: 'vault_pk', sk: 'vault_sk' },
  by_keystore: { pk: 'keystore_pk', sk: 'keystore_sk' },
  flagged: { pk: 'flag_pk', sk: 'flag_sk' },
  due: { pk: 'due_pk', sk: 'due_sk' },
};

export const INDEX_KEY = {
  vaults: () => 'VAULTS',
  keysOfVault: (vaultId: string) => `KEYS#${vaultId}`,
  templatesOfVault: (vaultId: string) => `TEMPLATES#${vaultId}`,
  keystoresOfVault: (vaultId: string) => `KEYSTORES#${vaultId}`,
  approvalsOfVault: (vaultId: string) => `APPROVALS#${vaultId}`,
  subscriptionsOfVault: (vaultId: string) => `SUBSCRIPTIONS#${vaultId}`,
  /** What events of AWS name: the instances whose key in the keystore has this ARN. */
  instancesBoundTo: (arn: string) => `BOUND#${arn}`,
  /** Instances and what was observed of them lie side by side, ordered by key. */
  instancesInKeystore: (keystoreId: string) => `INSTANCES#${keystoreId}`,
  flaggedInVault: (vaultId: string) => `FLAGGED#${vaultId}`,
  /** Changes of flags, ordered by time; spread over a few partitions, so that an outage does not heat one. */
  changesInVault: (vaultId: string, shard: number) => `CHANGES#${vaultId}#${shard}`,
  /** Open work is spread over a few partitions, so that a large command does not heat one. */
  openWork: (shard: number) => `OPEN#${shard}`,
  /** Work that was tried for as long as there was hope; nobody goes on with it until a person says so. */
  givenUpWork: () => 'GIVEN-UP',
  /** Keys with a schedule, by when the schedule must look at them. */
  scheduled: (shard: number) => `SCHEDULED#${shard}`,
  /** Items that no version of this code can read: out of the way of the others, for a person to look at. */
  unreadableWork: () => 'UNREADABLE',
} as const;

export const OPEN_WORK_SHARDS = 4;

/** Which shard the open work of a key is in. */
export function openWorkShard(keyId: string): number {
  return shardOf(keyId, OPEN_WORK_SHARDS);
}

export const SCHEDULE_SHARDS = 4;

/** Which shard the schedule of a key is in. */
export function scheduleShard(keyId: string): number {
  return shardOf(keyId, SCHEDULE_SHARDS);
}

export const CHANGE_SHARDS = 4;

/** Which shard the changes of a key's flags are in. */
export function changeShard(keyId: string): number {
  return shardOf(keyId, CHANGE_SHARDS);
}

/** Stable, and even enough for random ids. */
/** Spreads keys evenly over so many shards, always the same way. */
export function shardOf(keyId: string, shards: number): number {
  let sum = 0;
  for (const character of keyId) sum = (sum * 31 + character.charCodeAt(0)) % 65_521;
  return sum % shards;
}

/**
 * The attributes of `KEY` items that a list filters, sorts and shows from; the rest (tags, descriptions) is read only for the page
 * that is shown. The other entities in the index are few and are read whole by id.
 */
export const LISTED_ATTRIBUTES = [
  'id',
  'revision',
  'vault_id',
  'template_id',
  'template_version',
  'keystore_type',
  'keystore_ids',
  'version',
  'label',
  'state',
  'spec',
  'activation_date',
  'expiration_date',
  'deactivation_date',
  'deactivate_on_rotation',
  'created_at',
  'updated_at',
  'rotated_at',
] as const;

/** The table as `CreateTable` takes it: what a local start creates, and what serverless.yml must say in CloudFormation. */
export function tableDefinition(tableName: string): CreateTableCommandInput {
  const all: Projection = { ProjectionType: 'ALL' };
  const projections: Record<IndexName, Projection> = {
    by_vault: { ProjectionType: 'INCLUDE', NonKeyAttributes: [...LISTED_ATTRIBUTES] },
    by_keystore: all,
    flagged: all,
    due: { ProjectionType: 'KEYS_ONLY' },
  };
  const indexes = Object.entries(INDEXES) as [IndexName, { pk: string; sk: string }][];
  return {
    TableName: tableName,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [
      { AttributeName: 'pk', AttributeType: 'S' },
      { AttributeName: 'sk', AttributeType: 'S' },
      ...indexes.flatMap(([, index]) => [
        { AttributeName: index.pk, AttributeType: 'S' as const },
        { AttributeName: index.sk, AttributeType: 'S' as const },
      ]),
    ],
    KeySchema: [
      { AttributeName: 'pk', KeyType: 'HASH' },
      { AttributeName: 'sk', KeyType: 'RANGE' },
    ],
    GlobalSecondaryIndexes: indexes.map(([name, index]) => ({
      IndexName: name,
      KeySchema: [
        { AttributeName: index.pk, KeyType: 'HASH' },
        { AttributeName: index.sk, KeyType: 'RANGE' },
      ],
      Projection: projections[name],
    })),
  };
}

function digits(value: number, width: number): string {
  return String(value).padStart(width, '0');
}
