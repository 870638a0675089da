import pMap from 'p-map';
import { listableVaults, notFound, requirePermission } from '../lib/access/permissions.ts';
import type { Action } from '../lib/access/permissions.ts';
import { ALLOW_INSECURE, refusesHost } from '../lib/drivers/outgoing.ts';
import { Fault } from '../lib/fault.ts';
import { isAnyOf, pageFrom, vaultIds } from '../lib/list.ts';
import { deliver, NotTaken } from '../lib/notices/deliver.ts';
import { testNotice } from '../lib/notices/notice.ts';
import { NOTICE_FLAGS } from '../lib/notices/subscription.ts';
import type { Subscription } from '../lib/notices/subscription.ts';
import { presentSubscription } from '../lib/notices/view.ts';
import {
  createSubscription,
  deleteSubscription,
  editSubscription,
  readLastDelivery,
  readSubscription,
  subscriptionsOf,
} from '../lib/notices/write.ts';
import { readVault } from '../lib/records/reading.ts';
import { SECRET_PLACEHOLDER } from '../lib/wire/keystores.ts';
import type { WireUpdateSubscription } from '../lib/wire/notifications.ts';
import type { OperationId } from '../lib/wire/operations.ts';
import { attempted, audited, deployment } from './deployment.ts';
import { etagOf, requireMatch, requireVault, serve } from './http.ts';
import type { Call } from './http.ts';
import { topics } from './topics.ts';

type SubscriptionCall = Pick<Call<OperationId>, 'caller' | 'vaultHeader' | 'baseUrl'> & { readonly id: string };

async function openSubscription(call: SubscriptionCall, action: Action): Promise<Subscription> {
  const subscription = await readSubscription(deployment().database, call.id);
  if (subscription === undefined) throw notFound();
  requirePermission(call.caller, action, subscription.vaultId);
  requireVault(call.vaultHeader, subscription.vaultId);
  return subscription;
}

async function answer(subscription: Subscription, call: Pick<SubscriptionCall, 'baseUrl'>, status: 200 | 201 = 200) {
  const last = await readLastDelivery(deployment().database, subscription.id);
  const body = presentSubscription(subscription, last, call.baseUrl);
  const location = status === 201 ? body.href : undefined;
  return { status, body, etag: etagOf(subscription.id, subscription.revision), location };
}

/** As for endpoints of keystores: a webhook must not lead into the network that Shearline runs in. */
function requirePublic(url: string): string {
  const refuse = (why: string) =>
    new Fault('invalid_field', {
      message: `url cannot be used: ${why} (${ALLOW_INSECURE}=true allows it for development).`,
      target: { type: 'field', name: 'url' },
    });
  if (process.env[ALLOW_INSECURE] !== 'true' && !url.startsWith('https://'))
    throw refuse('it must begin with https://');
  const why = refusesHost(new URL(url).hostname);
  if (why !== undefined) throw refuse(why);
  return url;
}

function editFrom(before: Subscription, body: WireUpdateSubscription) {
  const foreign = before.type === 'webhook' ? (['topic_arn'] as const) : (['url', 'secret'] as const);
  const wrong = foreign.filter((name) => body[name] !== undefined);
  if (wrong.length > 0) {
    throw new Fault(
      'invalid_field',
      wrong.map((name) => ({
        message: `A subscription of type ${before.type} has no ${name}.`,
        target: { type: 'field' as const, name },
      })),
    );
  }
  return {
    name: body.name,
    state: body.state,
    flags: body.flags,
    announcements: body.announcements,
    target: body.url === undefined ? body.topic_arn : requirePublic(body.url),
  };
}

export const handler = serve(
  {
    ListNotificationSubscriptions: async (call) => {
      const { database } = deployment();
      const vaults = await vaultIds(database, listableVaults(call.caller), call.query['vault.id']);
      const found = (await pMap(vaults, (vaultId) => subscriptionsOf(database, vaultId), { concurrency: 8 }))
        .flat()
        .filter(({ type }) => isAnyOf(call.query.type, type));
      const { page, items } = pageFrom(
        found,
        call,
        {
          name: ({ name }) => name,
          type: ({ type }) => type,
          state: ({ state }) => state,
          created_at: ({ createdAt }) => createdAt,
        },
        ({ id }) => id,
        ['name'],
      );
      const presented = await pMap(
        items,
        async (each) => presentSubscription(each, await readLastDelivery(database, each.id), call.baseUrl),
        { concurrency: 16 },
      );
      return { body: { ...page, notification_subscriptions: presented } };
    },
    CreateNotificationSubscription: (call) =>
      attempted(
        call,
        async (attempt, within) => {
          const { body } = call;
          requirePermission(call.caller, 'write_subscription', body.vault.id);
          requireVault(call.vaultHeader, body.vault.id);
          if ((await readVault(deployment().database, body.vault.id)) === undefined) {
            throw new Fault('not_found', {
              message: 'There is no such vault, or you may not see it.',
              target: { type: 'field', name: 'vault.id' },
            });
          }
          const { name, type, state = 'enabled', flags = NOTICE_FLAGS, announcements = true } = body;
          const target = body.type === 'webhook' ? requirePublic(body.url) : body.topic_arn;
          const given = { vaultId: body.vault.id, name, type, state, flags, announcements, target };
          const secret = body.type === 'webhook' ? body.secret : undefined;
          return answer(await createSubscription(within, attempt, given, secret), call, 201);
        },
        async (id) => answer(await openSubscription({ ...call, id }, 'read'), call, 201),
      ),
    GetNotificationSubscription: async (call) => answer(await openSubscription(call, 'read'), call),
    UpdateNotificationSubscription: (call) =>
      attempted(call, async (attempt, within) => {
        const before = await openSubscription(call, 'write_subscription');
        requireMatch(call.ifMatch, etagOf(before.id, before.revision));
        const secret = call.body.secret === SECRET_PLACEHOLDER ? undefined : call.body.secret;
        return answer(await editSubscription(within, attempt, before, editFrom(before, call.body), secret), call);
      }),
    DeleteNotificationSubscription: (call) =>
      attempted(call, async (attempt, within) => {
        const subscription = await openSubscription(call, 'write_subscription');
        requireMatch(call.ifMatch, etagOf(subscription.id, subscription.revision));
        await deleteSubscription(within, attempt, subscription);
        return {};
      }),
    TestNotificationSubscription: async (call) => {
      const subscription = await openSubscription(call, 'write_subscription');
      const { database, newId, clock } = deployment();
      const vault = await readVault(database, subscription.vaultId);
      const named = { id: subscription.vaultId, name: vault?.name ?? subscription.vaultId };
      try {
        await deliver(deployment(), topics, subscription, testNotice(newId(), named, clock()));
        return { body: { taken: true } };
      } catch (error) {
        if (!(error instanceof NotTaken)) throw error;
        return { body: { taken: false, error: error.message } };
      }
    },
  },
  audited,
);
