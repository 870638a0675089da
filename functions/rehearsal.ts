import type { Deployment, RecordDeployment } from '../lib/deployment.ts';
import { previewKeystores, totalSeconds } from '../lib/drift/preview.ts';
import { assignedKeystores, differencesOf } from '../lib/keys/alignment.ts';
import { instanceId } from '../lib/keys/key.ts';
import type { KeyInstance } from '../lib/keys/key.ts';
import { presentKey, presentStatuses, readKeyContext } from '../lib/keys/view.ts';
import { presentKeystore } from '../lib/keystores/view.ts';
import { auditEvent } from '../lib/records/audit.ts';
import type { AuditEvent } from '../lib/records/audit.ts';
import type { RawItem } from '../lib/records/database.ts';
import { READ } from '../lib/records/entities.ts';
import {
  readKey,
  readKeystoreHealth,
  readTemplateKeysCount,
  readVault,
  readVaultCounters,
} from '../lib/records/reading.ts';
import type { KeyPartition } from '../lib/records/reading.ts';
import { ITEM } from '../lib/records/table.ts';
import { Rehearsed, RehearsalDatabase } from '../lib/records/rehearsal.ts';
import { presentTemplate } from '../lib/templates/view.ts';
import { presentVault } from '../lib/vaults/view.ts';
import type { OperationId } from '../lib/wire/operations.ts';
import type { WirePlannedChanges } from '../lib/wire/planned.ts';
import { etagOf } from './http.ts';
import type { Answer, Call } from './http.ts';

/**
 * A dry run: runs the operation as it is, up to the transaction that would change something, and shows what would be: the resource as it
 * would be, what changes in it, and what would be done in which keystore and for how long. Nothing is written, in no keystore and no record.
 */
export async function rehearsed<Within extends RecordDeployment, Id extends OperationId>(
  deployment: Within,
  call: Call<Id>,
  run: (within: Within) => Promise<Answer<Id>>,
): Promise<Answer<Id>> {
  const rehearsal = await rehearse(deployment, run);
  if ('answer' in rehearsal) return rehearsal.answer;
  const { puts, within } = rehearsal;
  const body = await preview(call, puts, within);
  const etag = await etagNow(eventOf(puts), within);
  // One JSON for every operation's model, so not followed by the compiler; the OpenAPI document describes it.
  return { status: 200, body: JSON.stringify(body), contentType: 'application/json; charset=utf-8', etag };
}

/** Runs an operation up to its first transaction and answers what that would put; or its answer, when it has none. */
export async function rehearse<Within extends RecordDeployment, T>(
  deployment: Within,
  run: (within: Within) => Promise<T>,
): Promise<{ readonly puts: RawItem[]; readonly within: Within } | { readonly answer: T }> {
  const within: Within = { ...deployment, database: new RehearsalDatabase(deployment.database) };
  try {
    return { answer: await run(within) };
  } catch (error) {
    if (!(error instanceof Rehearsed)) throw error;
    return { puts: items(error), within };
  }
}

/** Where the resources of the operations are. */
export const ITEM_OF = { managed_key: ITEM.key, template: ITEM.template, keystore: ITEM.keystore, vault: ITEM.vault };

/** The tag that the resource has, for the request without dry_run; none of what does not exist yet. */
async function etagNow(
  { resourceType, resourceId }: AuditEvent,
  { database }: RecordDeployment,
): Promise<string | undefined> {
  if (resourceType === 'none' || resourceId === undefined) return undefined;
  const revision = (await database.get(ITEM_OF[resourceType](resourceId)))?.['revision'];
  return typeof revision === 'number' ? etagOf(resourceId, revision) : undefined;
}

function items(error: Rehearsed): RawItem[] {
  return error.changes.flatMap((change) => (change.op === 'put' ? [change.item] : []));
}

async function preview(
  call: Pick<Call<OperationId>, 'baseUrl' | 'signal' | 'operation'>,
  puts: RawItem[],
  within: RecordDeployment,
) {
  const event = eventOf(puts);
  const instances = puts.filter(({ sk }) => String(sk).startsWith('INSTANCE#')).map(READ.keyInstance);
  const deletes = call.operation.startsWith('Delete');
  const shown = deletes ? {} : await present(call, event, puts, instances, within);
  return { ...shown, planned_changes: await planned(call, event, puts, instances, within) };
}

function eventOf(puts: readonly RawItem[]): AuditEvent {
  const item = puts.find(({ sk }) => String(sk).startsWith('EVENT#'));
  if (item === undefined) throw new Error('A transaction without its audit event was rehearsed.');
  return auditEvent.decode(item);
}

async function planned(
  call: Pick<Call<OperationId>, 'signal' | 'operation'>,
  event: AuditEvent,
  puts: readonly RawItem[],
  instances: readonly KeyInstance[],
  within: RecordDeployment,
): Promise<WirePlannedChanges> {
  const keyItem = puts.find(({ sk }) => sk === 'KEY');
  const key = keyItem === undefined ? undefined : READ.managedKey(keyItem);
  const context = await readKeyContext(within.database, { vaultId: event.vaultId, templateId: key?.templateId ?? '' });
  const working = instances.filter(({ open }) => open !== undefined);
  const keystores = reachesKeystores(within)
    ? await previewKeystores(within, key, working, context.keystores, call.signal)
    : [];
  return {
    changes: changesOf(event),
    ...(call.operation === 'UpdateManagedKeyFromTemplate' ? { differences: await differences(event, within) } : {}),
    keystores,
    estimated_seconds: totalSeconds(keystores),
  };
}

/** Functions that only write records change nothing in keystores. */
function reachesKeystores(within: RecordDeployment): within is Deployment {
  return 'driverFor' in within;
}

/** Every way in which the key is not as its template says, those that no keystore can change among them. */
async function differences(
  event: AuditEvent,
  { database }: RecordDeployment,
): Promise<WirePlannedChanges['differences']> {
  const { key } = await readKey(database, event.resourceId ?? '');
  const context = key === undefined ? undefined : await readKeyContext(database, key);
  if (key === undefined || context?.template === undefined) return [];
  const assigned = assignedKeystores(context.template, [...context.keystores.values()]);
  const nameOf = (id: string) => context.keystores.get(id)?.name ?? id;
  return differencesOf(key, context.template, assigned, nameOf);
}

function changesOf({ before = {}, after = {} }: AuditEvent): WirePlannedChanges['changes'] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .map((property) => ({ property, before: plain(before[property]), after: plain(after[property]) }))
    .filter(({ before: was, after: is }) => was !== is);
}

function plain(value: unknown): string | number | boolean | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  return JSON.stringify(value);
}

async function present(
  call: Pick<Call<OperationId>, 'baseUrl' | 'operation'>,
  event: AuditEvent,
  puts: readonly RawItem[],
  instances: readonly KeyInstance[],
  { database }: RecordDeployment,
): Promise<object> {
  const put = (sk: string) => puts.find((item) => item['sk'] === sk);
  const id = event.resourceId ?? '';
  const vault = await readVault(database, event.vaultId);
  switch (event.resourceType) {
    case 'managed_key': {
      const stored = await readKey(database, id);
      const keyItem = put('KEY');
      const key = keyItem === undefined ? stored.key : READ.managedKey(keyItem);
      if (key === undefined) return {};
      const context = await readKeyContext(database, key);
      const templateItem = put('TEMPLATE');
      const template = templateItem === undefined ? context.template : READ.template(templateItem);
      const partition = withInstances(stored, instances);
      if (call.operation === 'SyncManagedKey') {
        return { status_in_keystores: presentStatuses(partition, key, context, call.baseUrl) };
      }
      return presentKey(partition, key, { ...context, template }, call.baseUrl);
    }
    case 'template': {
      const item = put('TEMPLATE');
      const keys = await readTemplateKeysCount(database, id);
      return item === undefined ? {} : presentTemplate(READ.template(item), keys, vault, call.baseUrl);
    }
    case 'keystore': {
      const item = put('KEYSTORE');
      const health = await readKeystoreHealth(database, id);
      return item === undefined ? {} : presentKeystore(READ.keystore(item), health, vault, call.baseUrl);
    }
    case 'vault': {
      const item = put('VAULT');
      const counters = await readVaultCounters(database, id);
      return item === undefined ? {} : presentVault(READ.vault(item), counters, call.baseUrl);
    }
    case 'none':
      return {};
  }
}

function withInstances(partition: KeyPartition, changed: readonly KeyInstance[]): KeyPartition {
  const instances = new Map(partition.instances.map((instance) => [instanceId(instance), instance]));
  for (const instance of changed) instances.set(instanceId(instance), instance);
  return { ...partition, instances: [...instances.values()] };
}
