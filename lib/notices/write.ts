import { success } from '../attempt.ts';
import type { Attempt } from '../attempt.ts';
import type { Deployment, RecordDeployment } from '../deployment.ts';
import { Fault } from '../fault.ts';
import { commit } from '../records/commit.ts';
import type { Change } from '../records/database.ts';
import { creation, READ, replacement, STORED } from '../records/entities.ts';
import { changedMeanwhile } from '../records/revision.ts';
import { INDEX_KEY, ITEM } from '../records/table.ts';
import { MOST_SUBSCRIPTIONS } from './subscription.ts';
import type { LastDelivery, Subscription } from './subscription.ts';

export type NewSubscription = Pick<
  Subscription,
  'vaultId' | 'name' | 'type' | 'state' | 'target' | 'flags' | 'announcements'
>;

export async function readSubscription(
  database: Deployment['database'],
  id: string,
): Promise<Subscription | undefined> {
  const item = await database.get(ITEM.subscription(id));
  return item === undefined ? undefined : READ.subscription(item);
}

/** All of a vault, in no particular order. */
export async function subscriptionsOf(database: Deployment['database'], vaultId: string): Promise<Subscription[]> {
  const found = await database.queryAll({ index: 'by_vault', pk: INDEX_KEY.subscriptionsOfVault(vaultId) });
  return (await database.batchGet(found.map(({ id }) => ITEM.subscription(String(id))))).map(READ.subscription);
}

export async function readLastDelivery(
  database: Deployment['database'],
  id: string,
): Promise<LastDelivery | undefined> {
  const item = await database.get(ITEM.lastDelivery(id));
  return item === undefined ? undefined : READ.lastDelivery(item);
}

export async function storeLastDelivery(database: Deployment['database'], delivery: LastDelivery): Promise<void> {
  await database.write({ op: 'put', item: STORED.lastDelivery(delivery) });
}

/** Subscribes. The secret of a webhook is kept as ciphertext bound to the subscription. Throws `limit_exceeded`. */
export async function createSubscription(
  deployment: Pick<Deployment, 'database' | 'clock' | 'newId' | 'custody'>,
  attempt: Attempt,
  given: NewSubscription,
  secret: string | undefined,
): Promise<Subscription> {
  const { database } = deployment;
  if ((await subscriptionsOf(database, given.vaultId)).length >= MOST_SUBSCRIPTIONS) {
    throw new Fault(
      'limit_exceeded',
      `A vault can have ${MOST_SUBSCRIPTIONS} notification subscriptions at most. Use a topic of SNS for more.`,
    );
  }
  const now = deployment.clock();
  const subscription: Subscription = {
    ...given,
    id: deployment.newId(),
    revision: 1,
    createdAt: now,
    updatedAt: now,
    createdBy: attempt.subject,
    updatedBy: attempt.subject,
  };
  await commit(
    database,
    [
      ...attempt.alongside(subscription.id),
      { op: 'check', key: ITEM.vault(given.vaultId), condition: 'attribute_exists(pk)' },
      creation(STORED.subscription(subscription)),
      ...(await secretChanges(deployment, subscription.id, secret)),
    ],
    success(attempt, { ...entryOf(subscription, now, 201), after: shown(subscription) }),
  );
  return subscription;
}

/** Throws `precondition_failed` when it changed meanwhile. */
export async function editSubscription(
  deployment: Pick<Deployment, 'database' | 'clock' | 'custody'>,
  attempt: Attempt,
  before: Subscription,
  edit: { readonly [Name in 'name' | 'state' | 'target' | 'flags' | 'announcements']?: Subscription[Name] | undefined },
  secret: string | undefined,
): Promise<Subscription> {
  const now = deployment.clock();
  const subscription: Subscription = {
    ...before,
    revision: before.revision + 1,
    name: edit.name ?? before.name,
    state: edit.state ?? before.state,
    target: edit.target ?? before.target,
    flags: edit.flags ?? before.flags,
    announcements: edit.announcements ?? before.announcements,
    updatedAt: now,
    updatedBy: attempt.subject,
  };
  await commit(
    deployment.database,
    [
      ...attempt.alongside(subscription.id),
      replacement(STORED.subscription(subscription), before.revision, changedMeanwhile),
      ...(await secretChanges(deployment, subscription.id, secret)),
    ],
    success(attempt, {
      ...entryOf(subscription, now, 200),
      before: shown(before),
      after: { ...shown(subscription), ...(secret === undefined ? {} : { secret_changed: true }) },
    }),
  );
  return subscription;
}

/** What is still on its way to it is dropped. Throws `precondition_failed` when it changed meanwhile. */
export async function deleteSubscription(
  deployment: Pick<RecordDeployment, 'database' | 'clock'>,
  attempt: Attempt,
  subscription: Subscription,
): Promise<void> {
  const { id, revision } = subscription;
  const changes: Change[] = [
    ...attempt.alongside(id),
    {
      op: 'delete',
      key: ITEM.subscription(id),
      condition: '#revision = :revision',
      names: { '#revision': 'revision' },
      values: { ':revision': revision },
      refused: changedMeanwhile,
    },
    ...partsOf(id),
  ];
  const entry = { ...entryOf(subscription, deployment.clock(), 204), before: shown(subscription) };
  await commit(deployment.database, changes, success(attempt, entry));
}

/** A subscription with all that belongs to it, for the transaction that ends its vault. */
export function removalOf(id: string): Change[] {
  return [{ op: 'delete', key: ITEM.subscription(id) }, ...partsOf(id)];
}

function partsOf(id: string): Change[] {
  return [
    { op: 'delete', key: ITEM.subscriptionSecret(id) },
    { op: 'delete', key: ITEM.lastDelivery(id) },
  ];
}

/** Plaintext: keep it no longer than the signature needs. */
export async function openSecret(
  deployment: Pick<Deployment, 'database' | 'custody'>,
  { id }: Pick<Subscription, 'id'>,
): Promise<string> {
  const sealed = (await deployment.database.get(ITEM.subscriptionSecret(id)))?.['sealed'];
  if (!(sealed instanceof Uint8Array)) throw new Fault('internal', 'The secret of this subscription is missing.');
  const { secret } = await deployment.custody.open(sealed, id);
  if (secret === undefined) throw new Fault('internal', 'The secret of this subscription is missing.');
  return secret;
}

async function secretChanges(
  { custody }: Pick<Deployment, 'custody'>,
  id: string,
  secret: string | undefined,
): Promise<Change[]> {
  if (secret === undefined) return [];
  return [{ op: 'put', item: { ...ITEM.subscriptionSecret(id), sealed: await custody.seal({ secret }, id) } }];
}

/** Of the vault: whoever hears of its keys is the vault's affair. */
function entryOf({ vaultId }: Subscription, at: Date, status: number) {
  return { vaultId, type: 'vault', id: vaultId, at, status } as const;
}

function shown({ id, name, type, state, target, flags, announcements }: Subscription): Record<string, unknown> {
  return { subscription: id, name, type, state, target, flags, announcements };
}
