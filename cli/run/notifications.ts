import * as z from 'zod/mini';
import { SUBSCRIPTION } from '../answers.ts';
import type { Subscription } from '../answers.ts';
import type { Json } from '../api.ts';
import { change } from '../change.ts';
import type { Change } from '../change.ts';
import { EXIT, wrongUse } from '../exit.ts';
import type { ExitCode } from '../exit.ts';
import { answer, required, text } from '../invocation.ts';
import type { Invocation, Run } from '../invocation.ts';
import { find, list as listOf, understood } from '../resources.ts';
import type { Found } from '../resources.ts';
import { facts } from '../terminal.ts';
import { readJson } from './input.ts';
import { answerList, limitOf, shortTime, vaultOf } from './lists.ts';

export const list: Run = async (call) => {
  const query = { 'vault.id': await vaultOf(call), sort: 'name' };
  const found = await listOf(call.api(), 'subscription', query, limitOf(call));
  const rows = found.items.map((each) => [
    each.name,
    each.type,
    each.state,
    each.vault.name ?? '–',
    toldOf(each),
    deliveryText(each),
    each.url ?? each.topic_arn ?? '–',
  ]);
  const columns = ['subscription', 'type', 'state', 'vault', 'told of', 'latest notice (UTC)', 'to'];
  answerList(call, 'notification_subscriptions', found, columns, rows);
  return EXIT.ok;
};

function toldOf({ flags, announcements }: Subscription): string {
  return [...flags, ...(announcements ? ['announcements'] : [])].join(', ');
}

function deliveryText({ last_delivery: last }: Subscription): string {
  if (last === undefined) return 'none yet';
  return `${shortTime(last.at)} ${last.taken ? 'taken' : `not taken: ${last.error ?? '?'}`}`;
}

export const show: Run = async (call) => {
  const found = await findSubscription(call);
  showSubscription(call, found.value, found.body);
  return EXIT.ok;
};

function showSubscription(call: Invocation, subscription: Subscription, body: unknown): void {
  answer(call, body, () =>
    facts([
      ['subscription', subscription.name],
      ['id', subscription.id],
      ['type', subscription.type],
      ['state', subscription.state],
      ['vault', subscription.vault.name],
      ['told of', toldOf(subscription)],
      ['to', subscription.url ?? subscription.topic_arn],
      ['latest notice', deliveryText(subscription)],
    ]),
  );
}

export const create: Run = async (call) => {
  const file = text(call, 'file');
  if (file === undefined) {
    throw wrongUse('--file is missing: the subscription as JSON, - for standard input.', 'docs/events.md has one.');
  }
  const vault = await vaultOf(call);
  const body = { ...(await readJson(call, file)), ...(vault === undefined ? {} : { vault: { id: vault } }) };
  const given = await call.api().send({ method: 'POST', path: '/notification_subscriptions', body });
  showSubscription(call, understood(SUBSCRIPTION, given), given.body);
  return EXIT.ok;
};

export const edit: Run = async (call) => {
  const found = await findSubscription(call);
  const file = text(call, 'file');
  const fields: Readonly<Record<string, Json | undefined>> = {
    ...(file === undefined ? {} : await readJson(call, file)),
    name: text(call, 'name'),
    state: text(call, 'state'),
  };
  const body = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  if (Object.keys(body).length === 0) throw wrongUse('Nothing to change was given.');
  return await done(call, found, { method: 'PATCH', body, confirmation: 'nothing', verb: 'change' });
};

export const remove: Run = async (call) =>
  await done(call, await findSubscription(call), { method: 'DELETE', confirmation: 'name', verb: 'delete' });

export const test: Run = async (call) => {
  const { path, name } = await findSubscription(call);
  const given = await call.api().send({ method: 'POST', path: `${path}/test` });
  const { taken, error } = understood(z.object({ taken: z.boolean(), error: z.optional(z.string()) }), given);
  answer(call, given.body, () => (taken ? `${name} has taken it.\n` : `${name} has not taken it: ${error ?? '?'}\n`));
  return taken ? EXIT.ok : EXIT.failed;
};

async function done(
  call: Invocation,
  found: Found<'subscription'>,
  wanted: Omit<Change<'subscription'>, 'kind' | 'hasNoRehearsal'>,
): Promise<ExitCode> {
  const result = await change(call, found, { kind: 'subscription', hasNoRehearsal: true, ...wanted });
  if ('exit' in result) return result.exit;
  if (result.given.body === undefined) answer(call, { removed: found.id }, () => `${found.name} is ended.\n`);
  else showSubscription(call, understood(SUBSCRIPTION, result.given), result.given.body);
  return EXIT.ok;
}

async function findSubscription(call: Invocation): Promise<Found<'subscription'>> {
  return await find(call.api(), 'subscription', required(call, 'subscription'), await vaultOf(call));
}
