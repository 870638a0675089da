import { scanKeystore } from '../../../lib/drift/scan.ts';
import { sync } from '../../../lib/drift/sync.ts';
import { verify } from '../../../lib/drift/verify.ts';
import { Fault } from '../../../lib/fault.ts';
import { carryOut, decide } from '../../../lib/keys/command.ts';
import { createKey, planKey } from '../../../lib/keys/create.ts';
import { decideEdit, edit } from '../../../lib/keys/edit.ts';
import type { ManagedKey } from '../../../lib/keys/key.ts';
import { decideRealignment, realign } from '../../../lib/keys/realign.ts';
import { removeKey } from '../../../lib/keys/remove.ts';
import { decideRotation, rotate } from '../../../lib/keys/rotate.ts';
import type { Keystore } from '../../../lib/keystores/keystore.ts';
import { createKeystore, editedKeystore, newKeystore, storeKeystore } from '../../../lib/keystores/write.ts';
import {
  keystoresOfVault,
  readKey,
  readKeystore,
  readTemplate,
  readVaultCounters,
} from '../../../lib/records/reading.ts';
import type { KeyPartition } from '../../../lib/records/reading.ts';
import { Rehearsed, RehearsalDatabase } from '../../../lib/records/rehearsal.ts';
import { ITEM } from '../../../lib/records/table.ts';
import type { Template, TemplateKey } from '../../../lib/templates/template.ts';
import { createTemplate, edited, storeTemplate } from '../../../lib/templates/write.ts';
import { createVault } from '../../../lib/vaults/write.ts';
import { KEYSTORE_ACCOUNT } from '../../../sandbox/aws-accounts.ts';
import { FIRST, SECOND } from '../../deployment.ts';
import type { TestDeployment } from '../../deployment.ts';
import { COOL_DOWN_MS } from './reference.ts';
import type { Addressed, KeystoreName, TemplateName } from './reference.ts';

const NEVER = new AbortController().signal;
const GROUP = 'Production';

/** How one request ended: accepted (with the id of what it made), or refused with the contract's code. */
export type Outcome = { readonly made: string | undefined } | { readonly refused: string };

interface Place {
  readonly deployment: TestDeployment;
  readonly vaultId: string;
  readonly keystores: Readonly<Record<KeystoreName, string>>;
  readonly templates: Readonly<Record<TemplateName, string>>;
}

/** A vault with keystores and templates of its own, where orders are carried out by the real code. */
export interface Stage extends Place {
  /** Carries one order out, decided at this moment, as its function would: decided anew when background work came between. */
  order(order: Addressed, now: Date): Promise<Outcome>;
  scan(): Promise<void>;
  /** Takes away the records of these keys and every KMS key, so that the next stage begins in empty clouds. */
  clear(keyIds: readonly string[]): Promise<void>;
}

export const REGION_OF: Readonly<Record<KeystoreName, string>> = { first: FIRST, second: SECOND, cluster: FIRST };

const TEMPLATES: Readonly<Record<TemplateName, Partial<TemplateKey>>> = {
  imported: { material: 'imported' },
  native: { material: 'native', deactivateOnRotation: true },
  waiting: { material: 'imported', state: 'pre_activation' },
  mac: { material: 'imported', algorithm: 'hmac' },
  hsm: { material: 'native' },
};

export function labelOf(number: number): string {
  return `key-${number}`;
}

export function descriptionOf(number: number): string {
  return number === 0 ? '' : `description ${number}`;
}

let stages = 0;

export async function setStage(deployment: TestDeployment): Promise<Stage> {
  stages += 1;
  const { database } = deployment;
  const attempt: typeof deployment.attempt = (operation) => deployment.attempt(operation);
  const vault = await createVault(deployment, attempt('CreateVault'), { name: `stage ${stages}` });
  const keystores = {
    first: await connect(deployment, vault.id, 'first'),
    second: await connect(deployment, vault.id, 'second'),
    cluster: await connect(deployment, vault.id, 'cluster'),
  };
  const templates = {
    imported: await describe(deployment, vault.id, 'imported'),
    native: await describe(deployment, vault.id, 'native'),
    waiting: await describe(deployment, vault.id, 'waiting'),
    mac: await describe(deployment, vault.id, 'mac'),
    hsm: await describe(deployment, vault.id, 'hsm'),
  };
  const place: Place = { deployment, vaultId: vault.id, keystores, templates };
  return {
    ...place,
    order: (order, now) => outcomeOf(() => perform(place, order, now)),
    async scan() {
      for (const id of Object.values(keystores)) {
        const keystore = await readKeystore(database, id);
        if (keystore !== undefined) await scanKeystore(deployment, keystore, NEVER);
      }
    },
    async clear(keyIds) {
      for (const id of keyIds) {
        for (const item of await database.queryAll({ pk: ITEM.key(id).pk })) {
          await database.write({ op: 'delete', key: { pk: String(item['pk']), sk: String(item['sk']) } });
        }
      }
      for (const { arn } of deployment.kms.operator.keys({ accountId: KEYSTORE_ACCOUNT.accountId })) {
        deployment.kms.operator.purge(arn);
      }
      deployment.table.takeWrites();
    },
  };
}

async function connect(deployment: TestDeployment, vaultId: string, name: KeystoreName): Promise<string> {
  const secrets = { aws_secret_access_key: KEYSTORE_ACCOUNT.secretAccessKey };
  const keystore = newKeystore(deployment, 'ada', {
    vaultId,
    type: name === 'cluster' ? 'aws_cloudhsm' : 'aws_kms',
    name,
    description: '',
    groups: [GROUP],
    tlsProxy: undefined,
    settings: {
      aws_region: REGION_OF[name],
      aws_access_key_id: KEYSTORE_ACCOUNT.accessKeyId,
      ...(name === 'cluster' ? { aws_custom_key_store_id: deployment.customKeyStoreId } : {}),
    },
    secrets,
  });
  await createKeystore(deployment, deployment.attempt('CreateKeystore'), keystore, secrets, NEVER);
  return keystore.id;
}

async function describe(deployment: TestDeployment, vaultId: string, name: TemplateName): Promise<string> {
  const made = await createTemplate(deployment, deployment.attempt('CreateKeyTemplate'), {
    vaultId,
    name,
    description: '',
    type: 'user_defined',
    state: 'unarchived',
    namingScheme: undefined,
    key: {
      algorithm: 'aes',
      size: '256',
      activationDate: '',
      expirationDate: '',
      state: 'active',
      deactivateOnRotation: false,
      material: 'imported',
      ...TEMPLATES[name],
    },
    keystores: [
      { type: name === 'hsm' ? 'aws_cloudhsm' : 'aws_kms', group: GROUP, namingScheme: undefined, properties: {} },
    ],
  });
  return made.id;
}

async function outcomeOf(run: () => Promise<string | undefined>): Promise<Outcome> {
  for (let decision = 1; ; decision += 1) {
    try {
      return { made: await run() };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (error.code !== 'being_changed' || decision === 8) return { refused: error.code };
    }
  }
}

/** What the functions do with such a request, between its parsing and its answer. */
async function perform(place: Place, order: Addressed, now: Date): Promise<string | undefined> {
  const { deployment, vaultId } = place;
  const { database } = deployment;
  const by = { subject: 'ada', now };
  switch (order.ask) {
    case 'create': {
      const { keystoresGeneration } = await readVaultCounters(database, vaultId);
      const keystores = await keystoresOfVault(database, vaultId);
      const template = await templateOf(place, order.template);
      const given = { label: labelOf(order.label), description: '', labelTags: [], tags: [] };
      const planned = planKey(template, keystores, given, { ...by, id: deployment.newId() });
      const attempt = deployment.attempt('CreateManagedKey');
      await createKey(deployment, attempt, template, planned, keystoresGeneration, NEVER);
      return planned.key.id;
    }
    case 'archive':
    case 'unarchive': {
      const before = await templateOf(place, order.template);
      const state = order.ask === 'archive' ? 'archived' : 'unarchived';
      if (before.state === state) throw new Fault('state_conflict', `The template is ${state} already.`);
      await storeTemplate(deployment, deployment.attempt(order.ask), before, edited(before, { state }, by));
      return undefined;
    }
    case 'edit_template': {
      const before = await templateOf(place, order.template);
      const after = edited(before, { key: { deactivateOnRotation: order.deactivateOnRotation } }, by);
      await storeTemplate(deployment, deployment.attempt('UpdateKeyTemplate'), before, after);
      return undefined;
    }
    case 'join':
    case 'leave': {
      const before = await keystoreOf(place, order.keystore);
      const groups = order.ask === 'join' ? [GROUP] : ['Elsewhere'];
      const after = editedKeystore(before, { groups, settings: {}, secrets: {} }, { ...by, holdsKeys: true });
      await storeKeystore(deployment, deployment.attempt('UpdateKeystore'), before, after, {}, NEVER);
      return undefined;
    }
    default: {
      const partition = await readKey(database, order.id ?? '');
      if (partition.key === undefined) throw new Fault('not_found', 'There is no such key.');
      await performOn(place, order, partition, partition.key, by);
      return undefined;
    }
  }
}

type OnKey = Exclude<
  Addressed,
  { readonly ask: 'create' | 'archive' | 'unarchive' | 'edit_template' | 'join' | 'leave' }
>;

async function performOn(
  place: Place,
  order: OnKey,
  partition: KeyPartition,
  key: ManagedKey,
  by: { readonly subject: string; readonly now: Date },
): Promise<void> {
  const { deployment, vaultId } = place;
  const attempt = deployment.attempt(order.ask);
  switch (order.ask) {
    case 'activate':
    case 'deactivate':
    case 'destroy': {
      const rules = { ...by, destroyCoolDownHours: COOL_DOWN_MS / 3_600_000 };
      await carryOut(deployment, attempt, order.ask, key, decide(order.ask, partition, key, rules), NEVER);
      return;
    }
    case 'rotate':
      await rotate(deployment, attempt, key, decideRotation(partition, key, by), NEVER);
      return;
    case 'sync':
      await sync(deployment, attempt, key, partition.instances, NEVER);
      return;
    case 'verify':
      await verify(deployment, key, partition.instances, NEVER);
      return;
    case 'edit': {
      const change = {
        label: order.label === undefined ? undefined : labelOf(order.label),
        description: descriptionOf(order.description),
      };
      await edit(deployment, attempt, key, decideEdit(partition, key, change, by), NEVER);
      return;
    }
    case 'remove':
      await removeKey(deployment, attempt, partition, key, undefined);
      return;
    case 'realign':
    case 'rehearse_realign': {
      const { keystoresGeneration } = await readVaultCounters(deployment.database, vaultId);
      const keystores = await keystoresOfVault(deployment.database, vaultId);
      const template = await readTemplate(deployment.database, key.templateId);
      if (template === undefined) throw new Fault('state_conflict', 'The template of this key is gone.');
      const decision = decideRealignment(partition, key, template, keystores, by);
      if (order.ask === 'realign') {
        await realign(deployment, attempt, key, decision, template, keystoresGeneration, NEVER);
        return;
      }
      const rehearsal = { ...deployment, database: new RehearsalDatabase(deployment.database) };
      try {
        await realign(rehearsal, attempt, key, decision, template, keystoresGeneration, NEVER);
      } catch (error) {
        if (!(error instanceof Rehearsed)) throw error;
      }
    }
  }
}

async function templateOf({ deployment, templates }: Place, name: TemplateName): Promise<Template> {
  return (await readTemplate(deployment.database, templates[name])) ?? missing(name);
}

async function keystoreOf({ deployment, keystores }: Place, name: KeystoreName): Promise<Keystore> {
  return (await readKeystore(deployment.database, keystores[name])) ?? missing(name);
}

function missing(what: string): never {
  throw new Error(`The stage has no ${what} any more.`);
}
