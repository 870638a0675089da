import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AUTO_REPAIR_POLICIES, TEMPLATE_AUTO_REPAIR_POLICIES } from '../../lib/auto-repair/policy.ts';
import { APPROVAL_SUBJECTS } from '../../lib/approvals/approval.ts';
import { KEYSTORE_STATUSES, SYNC_FLAG_DETAILS, SYNC_FLAGS } from '../../lib/drift/observed.ts';
import type { Observed } from '../../lib/drift/observed.ts';
import { KEY_ALGORITHMS, KEY_STATES, MATERIAL_KINDS, WORK_CAUSES } from '../../lib/keys/key.ts';
import type { KeyInstance, KeyVersion, ManagedKey } from '../../lib/keys/key.ts';
import { HEALTH_STATUSES, KEYSTORE_TYPES } from '../../lib/keystores/keystore.ts';
import type { Keystore, KeystoreHealth } from '../../lib/keystores/keystore.ts';
import { READ, STORED } from '../../lib/records/entities.ts';
import { UnreadableItem } from '../../lib/records/item.ts';
import { INDEX_KEY, INDEXES, ITEM, OPEN_WORK_SHARDS, openWorkShard } from '../../lib/records/table.ts';
import { TEMPLATE_STATES, TEMPLATE_TYPES } from '../../lib/templates/template.ts';
import type { Template } from '../../lib/templates/template.ts';
import type { Vault } from '../../lib/vaults/vault.ts';
import { instanceOf, keyOf } from '../examples.ts';
import { startTestTable } from '../table.ts';
import type { TestTable } from '../table.ts';

let table: TestTable;
beforeAll(async () => {
  table = await startTestTable();
});
afterAll(async () => {
  await table.close();
});

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const text = fc.string({ maxLength: 20 });
const id = fc.uuid();
const count = fc.nat(1_000_000);
const moment = fc.date({
  min: new Date('2000-01-01T00:00:00Z'),
  max: new Date('2100-01-01T00:00:00Z'),
  noInvalidDate: true,
});
const date = moment.map((at) => at.toISOString().slice(0, 10));
const bytes = fc.uint8Array({ maxLength: 40 });
const tags = fc.array(fc.record({ name: text, value: text }), { maxLength: 3 });
const properties = fc.dictionary(fc.stringMatching(/^[a-z][a-z_]{0,12}$/), fc.oneof(text, fc.integer(), fc.boolean()), {
  noNullPrototype: true,
});
const authored = { createdAt: moment, updatedAt: moment, createdBy: text, updatedBy: text };
const spec = fc.record({
  algorithm: fc.constantFrom(...KEY_ALGORITHMS),
  size: text,
  material: fc.constantFrom(...MATERIAL_KINDS),
  properties,
});

const vaults: fc.Arbitrary<Vault> = fc.record({
  id,
  revision: count,
  name: text,
  description: text,
  recoveryKeyLabel: maybe(text),
  approvalRequiredFor: fc.subarray([...APPROVAL_SUBJECTS]),
  autoRepair: fc.record({
    policy: fc.constantFrom(...AUTO_REPAIR_POLICIES),
    maximumPerSweep: fc.integer({ min: 1, max: 10_000 }),
    stopAtPercent: fc.integer({ min: 1, max: 100 }),
  }),
  ...authored,
});
const templates: fc.Arbitrary<Template> = fc.record({
  id,
  revision: count,
  version: count,
  vaultId: id,
  name: text,
  description: text,
  type: fc.constantFrom(...TEMPLATE_TYPES),
  state: fc.constantFrom(...TEMPLATE_STATES),
  namingScheme: maybe(text),
  key: fc.record({
    algorithm: fc.constantFrom(...KEY_ALGORITHMS),
    size: text,
    activationDate: text,
    expirationDate: text,
    state: fc.constantFrom('active', 'pre_activation'),
    deactivateOnRotation: fc.boolean(),
    material: maybe(fc.constantFrom(...MATERIAL_KINDS)),
  }),
  keystores: fc.array(
    fc.record({ type: fc.constantFrom(...KEYSTORE_TYPES), group: maybe(text), namingScheme: maybe(text), properties }),
    { maxLength: 2 },
  ),
  keystoreIds: maybe(fc.array(id, { maxLength: 2 })),
  autoRepair: fc.constantFrom(...TEMPLATE_AUTO_REPAIR_POLICIES),
  ...authored,
});
const keystores: fc.Arbitrary<Keystore> = fc.record({
  id,
  revision: count,
  vaultId: id,
  type: fc.constantFrom(...KEYSTORE_TYPES),
  name: text,
  description: text,
  groups: fc.array(text, { maxLength: 3 }),
  tlsProxy: maybe(text),
  settings: properties,
  secretNames: fc.array(text, { maxLength: 2 }),
  ...authored,
});
const healths: fc.Arbitrary<KeystoreHealth> = fc.record({
  keystoreId: id,
  status: fc.constantFrom(...HEALTH_STATUSES),
  message: text,
  lastHeartbeat: maybe(moment),
  sweeps: fc.nat(),
});
const managedKeys: fc.Arbitrary<ManagedKey> = fc.record({
  id,
  revision: count,
  vaultId: id,
  templateId: id,
  templateVersion: count,
  keystoreType: fc.constantFrom(...KEYSTORE_TYPES),
  keystoreIds: fc.array(id, { maxLength: 3 }),
  version: fc.integer({ min: 1, max: 999_999 }),
  label: text,
  description: text,
  state: fc.constantFrom(...KEY_STATES),
  spec,
  activationDate: maybe(date),
  expirationDate: maybe(date),
  deactivationDate: maybe(date),
  deactivateOnRotation: fc.boolean(),
  labelTags: tags,
  tags,
  namingScheme: maybe(text),
  rotatedAt: maybe(moment),
  deactivatedAt: maybe(moment),
  destroyedAt: maybe(moment),
  ...authored,
});
const versions: fc.Arbitrary<KeyVersion> = fc.record({
  keyId: id,
  version: fc.integer({ min: 1, max: 999_999 }),
  state: fc.constantFrom(...KEY_STATES),
  createdAt: moment,
  rotatedAt: maybe(moment),
  deactivatedAt: maybe(moment),
  publicKey: maybe(bytes),
});
const instances: fc.Arbitrary<KeyInstance> = fc.record({
  keyId: id,
  version: fc.integer({ min: 1, max: 999_999 }),
  keystoreId: id,
  vaultId: id,
  label: text,
  spec,
  keyState: fc.constantFrom(...KEY_STATES),
  current: fc.boolean(),
  wanted: fc.constantFrom('enabled', 'disabled', 'gone', 'none'),
  outgrown: fc.boolean(),
  rotating: fc.boolean(),
  keyRemoved: fc.boolean(),
  removedByUser: fc.boolean(),
  binding: maybe(fc.record({ idInKeystore: text, fingerprint: maybe(text) })),
  intendedAt: moment,
  createSentAt: maybe(moment),
  rotationSentAt: maybe(moment),
  fence: count,
  touchedAt: maybe(moment),
  open: maybe(
    fc.record({
      cause: fc.constantFrom(...WORK_CAUSES),
      details: fc.boolean(),
      since: moment,
      attempts: count,
      dueAt: moment,
      lastError: maybe(text),
      givenUp: fc.boolean(),
    }),
  ),
});
const observations: fc.Arbitrary<Observed> = fc.record({
  keyId: id,
  version: fc.integer({ min: 1, max: 999_999 }),
  keystoreId: id,
  vaultId: id,
  status: fc.constantFrom(...KEYSTORE_STATUSES),
  keystoreSyncFlag: fc.constantFrom(...SYNC_FLAGS),
  keystoreSyncFlagDetail: fc.constantFrom(...SYNC_FLAG_DETAILS),
  reason: text,
  since: moment,
  seenAt: moment,
  error: maybe(fc.record({ code: text, message: text })),
  keyIdInKeystore: maybe(text),
  pendingDestructionUntil: maybe(moment),
  judgedFence: count,
});

/** Runs through the property, and a few of its examples through the real database too. */
async function comesBack<T>(
  arbitrary: fc.Arbitrary<T>,
  stored: (value: T) => ReturnType<typeof STORED.vault>,
  read: (item: Record<string, unknown>) => T,
): Promise<void> {
  fc.assert(
    fc.property(arbitrary, (value) => {
      const item = stored(value);
      expect(Object.values(item)).not.toContain(undefined);
      expect(Object.keys(item).filter((name) => !/^[a-z_]+$/.test(name))).toEqual([]);
      expect(read(item)).toEqual(value);
    }),
  );
  for (const value of fc.sample(arbitrary, 5)) {
    const item = stored(value);
    await table.database.write({ op: 'put', item });
    expect(read((await table.database.get({ pk: item.pk, sk: item.sk })) ?? {})).toEqual(value);
  }
}

describe('what is stored comes back as it was', () => {
  it('a vault', () => comesBack(vaults, STORED.vault, READ.vault));
  it('a template', () => comesBack(templates, STORED.template, READ.template));
  it('a keystore', () => comesBack(keystores, STORED.keystore, READ.keystore));
  it('a keystore’s health', () => comesBack(healths, STORED.keystoreHealth, READ.keystoreHealth));
  it('a managed key', () => comesBack(managedKeys, STORED.managedKey, READ.managedKey));
  it('a key version', () => comesBack(versions, STORED.keyVersion, READ.keyVersion));
  it('a key in a keystore', () => comesBack(instances, STORED.keyInstance, READ.keyInstance));
  it('an observation', () => comesBack(observations, STORED.observed, READ.observed));
  it('sealed material', () =>
    comesBack(
      fc.record({ ciphertext: bytes, custodyKeyId: text, publicKey: maybe(bytes) }),
      (value) => STORED.material('key-1', 3, value),
      READ.material,
    ));
});

describe('an item that this version did not write', () => {
  const item = STORED.managedKey(keyOf({ label: 'a-label-of-somebody' }));
  const refusal = (changed: Record<string, unknown>): UnreadableItem => {
    try {
      READ.managedKey({ ...item, ...changed });
    } catch (error) {
      if (error instanceof UnreadableItem) return error;
    }
    throw new Error('It was read.');
  };

  it('is refused, naming its attributes but none of their values', () => {
    const { message } = refusal({ state: 'hunter2', spec: { secret: 'hunter2' }, keystore_ids: 'hunter2', label: 7 });
    expect(message).toMatch(/^A stored managed key cannot be read: /);
    for (const name of ['state', 'spec.algorithm', 'keystoreIds', 'label']) expect(message).toContain(name);
    expect(message).not.toContain('hunter2');
  });

  it('is refused when an attribute is missing', () => {
    expect(refusal({ vault_id: undefined }).message).toContain('vaultId');
  });

  it('may have attributes more than this version knows', () => {
    expect(READ.managedKey({ ...item, of_a_later_version: true })).toEqual(keyOf({ label: 'a-label-of-somebody' }));
  });

  it('is refused when its moment is no moment', () => {
    expect(refusal({ created_at: '2026-02-31T99:00:00Z' }).message).toContain('createdAt');
  });
});

describe('the indexes', () => {
  const observed = (given: Partial<Observed>): Observed => ({
    ...fc.sample(observations, { numRuns: 1, seed: 1 })[0],
    ...(given as Observed),
  });

  it('have only those observations among the flagged that are not well', () => {
    for (const flag of SYNC_FLAGS) {
      const item = STORED.observed(observed({ vaultId: 'v', keystoreSyncFlag: flag }));
      expect('flag_pk' in item && 'flag_sk' in item).toBe(flag !== 'ok');
    }
    expect(INDEX_KEY.flaggedInVault('v')).toBe('FLAGGED#v');
  });

  it('have only those instances among the due that have open work', () => {
    const open = fc.sample(instances, { numRuns: 50, seed: 2 }).find((each) => each.open !== undefined)?.open;
    expect('due_pk' in STORED.keyInstance(instanceOf({ open: undefined }))).toBe(false);
    expect(STORED.keyInstance(instanceOf({ open }))['due_sk']).toBe(open?.dueAt.toISOString());
  });

  it('show a key’s instance right before what was observed of it', () => {
    const names = { keyId: 'k', version: 2, keystoreId: 's' };
    const instance = STORED.keyInstance(instanceOf(names));
    const seen = STORED.observed(observed(names));
    expect(instance['keystore_pk']).toBe(seen['keystore_pk']);
    expect([instance['keystore_sk'], seen['keystore_sk']]).toEqual(['k#000002#1', 'k#000002#2']);
  });

  it('spread open work over their shards, the same key always to the same', () => {
    const shards = new Map<number, number>();
    for (const keyId of fc.sample(id, { numRuns: 2_000, seed: 3 })) {
      const shard = openWorkShard(keyId);
      expect(openWorkShard(keyId)).toBe(shard);
      shards.set(shard, (shards.get(shard) ?? 0) + 1);
    }
    expect([...shards.keys()].sort()).toEqual(Array.from({ length: OPEN_WORK_SHARDS }, (_, at) => at));
    for (const share of shards.values()) expect(share).toBeGreaterThan(2_000 / OPEN_WORK_SHARDS / 2);
  });

  it('are named by attributes that no record has of its own', () => {
    const own = Object.keys(STORED.managedKey(keyOf()));
    for (const { pk, sk } of Object.values(INDEXES)) {
      expect(own.filter((name) => name === pk || name === sk).every((name) => name.startsWith('vault_'))).toBe(true);
    }
    expect(ITEM.key('k')).toEqual({ pk: 'KEY#k', sk: 'KEY' });
  });
});
