import type { Json } from '../../../sandbox/api-client.ts';
import { REGIONS } from '../../../sandbox/aws-accounts.ts';
import type { KeyListing } from '../../../sandbox/aws-kms/server.ts';
import type { Stage } from './stage.ts';

const [US, EU] = REGIONS;
const DAY_MS = 86_400_000;

/** What a mutation asks the API for, or the scheduled function that comes to it by itself. */
export type Asked = Request | { readonly invoke: ScheduledFunction };

export type ScheduledFunction = 'auto-repair' | 'lifecycle';

interface Request {
  readonly method: 'POST' | 'PATCH' | 'DELETE';
  /** Below `/api/v4`, with its query. */
  readonly path: string;
  readonly body?: Json;
}

export interface Mutation {
  readonly name: string;
  /** The audit event that says it was done: this operation on the resource of this kind. */
  readonly operation: string;
  readonly resource: 'managed_key' | 'keystore';
  /** Done by a scheduled function, whose next run goes on: the audit trail names it, and no request. */
  readonly scheduled?: true;
  /** Done in several transactions: what a first run finished stays finished, and asking again goes on. */
  readonly inSteps?: true;
  /** The states in which it may leave keys in AWS that are nobody's any more, by decision. */
  readonly leaves?: readonly KeyListing['state'][];
  /** Asked again with the same Idempotency-Key it is done once. */
  readonly idempotent?: true;
  /** Prepares what it starts from, and says what to ask. */
  readonly prepare: (stage: Stage) => Promise<Asked>;
}

async function place(stage: Stage) {
  await stage.vault();
  const us = await stage.keystore(US);
  const eu = await stage.keystore(EU);
  return { us, eu };
}

const act = (id: string, action: string): Request => ({ method: 'POST', path: `/managed_keys/${id}/${action}` });
const forget = (id: string, mode: string): Request => ({ method: 'DELETE', path: `/keystores/${id}?mode=${mode}` });

async function held(stage: Stage) {
  const { us } = await place(stage);
  const template = await stage.template();
  await stage.key(template, 'active');
  const { id } = await stage.key(template, 'deactivated');
  await stage.command(id, 'deactivate');
  return us;
}

/** Everything that users decide about keys and keystores. */
export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'create',
    operation: 'CreateManagedKey',
    resource: 'managed_key',
    idempotent: true,
    async prepare(stage) {
      await place(stage);
      await stage.template();
      const body = { vault: { id: stage.vaultId }, template_name: 'template', label: 'key' };
      return { method: 'POST', path: '/managed_keys', body };
    },
  },
  {
    name: 'create native',
    operation: 'CreateManagedKey',
    resource: 'managed_key',
    async prepare(stage) {
      await place(stage);
      await stage.template({ material: 'native' });
      const body = { vault: { id: stage.vaultId }, template_name: 'template', label: 'key' };
      return { method: 'POST', path: '/managed_keys', body };
    },
  },
  {
    name: 'activate',
    operation: 'ActivateManagedKey',
    resource: 'managed_key',
    async prepare(stage) {
      await place(stage);
      return act((await stage.key(await stage.template({ state: 'pre_activation' }))).id, 'activate');
    },
  },
  {
    name: 'reactivate',
    operation: 'ActivateManagedKey',
    resource: 'managed_key',
    async prepare(stage) {
      await place(stage);
      const { id } = await stage.key(await stage.template());
      await stage.command(id, 'deactivate');
      return act(id, 'activate');
    },
  },
  {
    name: 'deactivate',
    operation: 'DeactivateManagedKey',
    resource: 'managed_key',
    async prepare(stage) {
      await place(stage);
      return act((await stage.key(await stage.template())).id, 'deactivate');
    },
  },
  {
    name: 'destroy',
    operation: 'DestroyManagedKey',
    resource: 'managed_key',
    async prepare(stage) {
      await place(stage);
      const { id } = await stage.key(await stage.template());
      await stage.command(id, 'deactivate');
      return act(id, 'destroy');
    },
  },
  {
    name: 'rotate in place',
    operation: 'RotateManagedKey',
    resource: 'managed_key',
    async prepare(stage) {
      await place(stage);
      return act((await stage.key(await stage.template())).id, 'rotate');
    },
  },
  {
    name: 'rotate to a new key',
    operation: 'RotateManagedKey',
    resource: 'managed_key',
    async prepare(stage) {
      await place(stage);
      const hmac = { algorithm: 'hmac', size: '256', deactivateOnRotation: true } as const;
      return act((await stage.key(await stage.template(hmac))).id, 'rotate');
    },
  },
  {
    name: 'sync',
    operation: 'SyncManagedKey',
    resource: 'managed_key',
    async prepare(stage) {
      await place(stage);
      const { id } = await stage.key(await stage.template());
      stage.operator.purge(stage.inAws(id, US));
      await stage.operator.disable(stage.inAws(id, EU));
      return act(id, 'sync_status_in_keystores');
    },
  },
  {
    name: 'adopt',
    operation: 'AdoptKeyInKeystore',
    resource: 'managed_key',
    // Nobody's, until it is adopted.
    leaves: ['Enabled'],
    async prepare(stage) {
      const { us } = await place(stage);
      const body = { key_id_in_keystore: await stage.foreign(US, 'foreign') };
      return { method: 'POST', path: `/keystores/${us.id}/unmanaged_keys/adopt`, body };
    },
  },
  {
    name: 'auto-repair',
    operation: 'AutoRepairManagedKey',
    resource: 'managed_key',
    scheduled: true,
    inSteps: true,
    async prepare(stage) {
      await place(stage);
      await stage.autoRepair();
      const { id } = await stage.key(await stage.template());
      stage.operator.purge(stage.inAws(id, US));
      await stage.operator.disable(stage.inAws(id, EU));
      return { invoke: 'auto-repair' };
    },
  },
  {
    name: 'scheduled rotation',
    operation: 'RotateManagedKey',
    resource: 'managed_key',
    scheduled: true,
    async prepare(stage) {
      await place(stage);
      const schedule = { enforceDates: false, rotateEveryDays: 1, rotateJitterDays: 0, announceDaysBefore: 0 };
      stage.ahead = -2 * DAY_MS;
      await stage.key(await stage.template({ schedule }));
      stage.ahead = 0;
      return { invoke: 'lifecycle' };
    },
  },
  {
    name: 'scheduled deactivation',
    operation: 'DeactivateManagedKey',
    resource: 'managed_key',
    scheduled: true,
    async prepare(stage) {
      await place(stage);
      const schedule = { enforceDates: true, rotateEveryDays: undefined, rotateJitterDays: 0, announceDaysBefore: 0 };
      stage.ahead = -2 * DAY_MS;
      await stage.key(await stage.template({ schedule, expirationDate: 'P1D' }));
      stage.ahead = 0;
      return { invoke: 'lifecycle' };
    },
  },
  {
    name: 'realign',
    operation: 'UpdateManagedKeyFromTemplate',
    resource: 'managed_key',
    async prepare(stage) {
      await stage.vault();
      const us = await stage.keystore(US);
      const eu = await stage.keystore(EU, ['Elsewhere']);
      const { id } = await stage.key(await stage.template());
      await stage.regroup(us, ['Elsewhere']);
      await stage.regroup(eu, ['Production']);
      return act(id, 'update_from_template');
    },
  },
  {
    name: 'rename',
    operation: 'UpdateManagedKey',
    resource: 'managed_key',
    async prepare(stage) {
      await place(stage);
      const { id } = await stage.key(await stage.template());
      const body = { label: 'renamed', description: 'new', tags: [{ name: 'colour', value: 'blue' }] };
      return { method: 'PATCH', path: `/managed_keys/${id}`, body };
    },
  },
  {
    name: 'choose keystores',
    operation: 'UpdateManagedKey',
    resource: 'managed_key',
    async prepare(stage) {
      await stage.vault();
      await stage.keystore(US);
      const eu = await stage.keystore(EU, ['Elsewhere']);
      const { id } = await stage.key(await stage.template());
      return { method: 'PATCH', path: `/managed_keys/${id}`, body: { referenced_keystores: [{ id: eu.id }] } };
    },
  },
  {
    name: 'remove',
    operation: 'DeleteManagedKey',
    resource: 'managed_key',
    async prepare(stage) {
      await place(stage);
      const { id } = await stage.key(await stage.template());
      await stage.command(id, 'deactivate', 'destroy');
      return { method: 'DELETE', path: `/managed_keys/${id}` };
    },
  },
  {
    name: 'connect keystore',
    operation: 'CreateKeystore',
    resource: 'keystore',
    async prepare(stage) {
      await stage.vault();
      const body = {
        vault: { id: stage.vaultId },
        name: 'new',
        type: 'aws_kms',
        groups: ['Production'],
        aws_region: 'us_east_1',
        ...stage.credentials,
      } as const;
      return { method: 'POST', path: '/keystores', body };
    },
  },
  {
    name: 'patch keystore',
    operation: 'UpdateKeystore',
    resource: 'keystore',
    async prepare(stage) {
      const { us } = await place(stage);
      await stage.key(await stage.template());
      const body = { name: 'other', groups: ['Elsewhere'], ...stage.credentials };
      return { method: 'PATCH', path: `/keystores/${us.id}`, body };
    },
  },
  {
    name: 'delete keystore, restrict',
    operation: 'DeleteKeystore',
    resource: 'keystore',
    async prepare(stage) {
      const { us } = await place(stage);
      return forget(us.id, 'restrict');
    },
  },
  {
    name: 'delete keystore, deactivate',
    operation: 'DeleteKeystore',
    resource: 'keystore',
    inSteps: true,
    leaves: ['Disabled'],
    prepare: async (stage) => forget((await held(stage)).id, 'deactivate'),
  },
  {
    name: 'delete keystore, destroy',
    operation: 'DeleteKeystore',
    resource: 'keystore',
    inSteps: true,
    prepare: async (stage) => forget((await held(stage)).id, 'destroy'),
  },
  {
    name: 'delete keystore, disconnect',
    operation: 'DeleteKeystore',
    resource: 'keystore',
    inSteps: true,
    leaves: ['Disabled', 'Enabled'],
    prepare: async (stage) => forget((await held(stage)).id, 'disconnect'),
  },
];
