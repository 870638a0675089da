import * as z from 'zod/mini';
import { later } from '../later.ts';
import { NOTICE_FLAGS, SUBSCRIPTION_STATES, SUBSCRIPTION_TYPES } from '../notices/subscription.ts';
import { dateTime, id, plainName, unique } from './fields.ts';
import type { Wire } from './fields.ts';
import { SECRET_PLACEHOLDER } from './keystores.ts';
import { anyOf, page, paging } from './lists.ts';
import { vaultReference, vaultReferenceInCreationRequest } from './vaults.ts';

// Beyond UKO.

const url = later(() =>
  z
    .string()
    .check(
      z.maxLength(2048, 'must have at most 2048 characters'),
      z.refine(isWebhook, 'must be an https URL without user name and fragment'),
    ),
);

function isWebhook(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, username, password, hash } = new URL(value);
  return /^https?:$/.test(protocol) && username === '' && password === '' && hash === '';
}

const secret = later(() =>
  z
    .string()
    .check(
      z.regex(/^[\x21-\x7e]{32,256}$/, 'must have 32 to 256 visible ASCII characters'),
      z.describe('What notices are signed with (HMAC-SHA256). Never answered.'),
    ),
);

const topicArn = later(() =>
  z
    .string()
    .check(
      z.regex(
        /^arn:[a-z-]{3,10}:sns:[a-z0-9-]{1,30}:\d{12}:[A-Za-z0-9_-]{1,256}$/,
        'must be the ARN of a standard topic of SNS',
      ),
    ),
);

const flags = later(() =>
  z.array(z.enum(NOTICE_FLAGS)).check(
    z.minLength(1, 'must name one flag or more'),
    unique((flag) => flag, 'repeats a flag'),
    z.describe('What keys’ flags must have become to be told. Default: all of them.'),
  ),
);

const announcements = later(() =>
  z
    .boolean()
    .check(
      z.describe('Whether to be told also of what is coming to keys, and of auto-repair that is held. Default: true.'),
    ),
);

const given = later(() => ({
  vault: vaultReferenceInCreationRequest(),
  name: plainName(),
  flags: z.optional(flags()),
  announcements: z.optional(announcements()),
  state: z.optional(z.enum(SUBSCRIPTION_STATES)),
}));

export const createWebhook = later(() =>
  z.strictObject({ type: z.literal('webhook'), ...given(), url: url(), secret: secret() }),
);
export const createSns = later(() => z.strictObject({ type: z.literal('sns'), ...given(), topic_arn: topicArn() }));
export const createSubscription = later(() => z.discriminatedUnion('type', [createWebhook(), createSns()]));

export const updateSubscription = later(() =>
  z.strictObject({
    name: z.optional(plainName()),
    flags: z.optional(flags()),
    announcements: z.optional(announcements()),
    state: z.optional(z.enum(SUBSCRIPTION_STATES)),
    url: z.optional(url()),
    secret: z.optional(z.union([z.literal(SECRET_PLACEHOLDER), secret()])),
    topic_arn: z.optional(topicArn()),
  }),
);
export type WireUpdateSubscription = Wire<typeof updateSubscription>;

export const subscriptionQuery = later(() =>
  z.strictObject({
    'vault.id': anyOf(id()),
    type: anyOf(z.enum(SUBSCRIPTION_TYPES)),
    ...paging(['name', 'type', 'state', 'created_at']),
  }),
);

export const subscription = later(() =>
  z.strictObject({
    id: z.string(),
    vault: vaultReference(),
    name: z.string(),
    type: z.enum(SUBSCRIPTION_TYPES),
    state: z.enum(SUBSCRIPTION_STATES),
    flags: z.array(z.enum(NOTICE_FLAGS)),
    announcements: z.boolean(),
    url: z.optional(z.string()),
    secret: z.optional(z.literal(SECRET_PLACEHOLDER)),
    topic_arn: z.optional(z.string()),
    last_delivery: z.optional(
      z.strictObject({
        at: dateTime(),
        notice_id: z.string(),
        taken: z.boolean(),
        error: z.optional(z.string()),
      }),
    ),
    created_at: dateTime(),
    updated_at: dateTime(),
    created_by: z.string(),
    updated_by: z.string(),
    href: z.string(),
  }),
);
export type WireSubscription = Wire<typeof subscription>;

export const subscriptionList = later(() =>
  z.strictObject({ ...page(), notification_subscriptions: z.array(subscription()) }),
);

export const subscriptionTest = later(() => z.strictObject({ taken: z.boolean(), error: z.optional(z.string()) }));
