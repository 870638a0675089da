import * as z from 'zod/mini';
import { KEY_ALGORITHMS } from '../keys/key.ts';
import { later } from '../later.ts';
import { dateTime, description, hrefObject, label, text } from './fields.ts';
import type { Wire } from './fields.ts';
import { oneText, whole } from './lists.ts';
import { tags } from './tag.ts';

// Beyond UKO.

export const STATES_IN_KEYSTORE = [
  'enabled',
  'disabled',
  'no_material',
  'unusable',
  'pending_deletion',
  'settling',
] as const;

const cursor = later(() =>
  text({
    minimum: 1,
    maximum: 6000,
    pattern: /^[A-Za-z0-9_-]+$/,
    says: 'must be what a “next” link has for it',
  }),
);

export const unmanagedKeyQuery = later(() =>
  z.strictObject({
    limit: z._default(whole(1, 100), 20),
    after: z.optional(oneText(cursor().check(z.describe('Where the page before ended.')))),
  }),
);

const keyIdInKeystore = later(() =>
  text({
    minimum: 1,
    maximum: 2048,
    says: 'must be the id that the keystore itself gives the key, 1 to 2048 characters',
  }),
);

export const adoptKey = later(() =>
  z.strictObject({
    key_id_in_keystore: keyIdInKeystore(),
    label: z.optional(label()),
    description: z.optional(description()),
    tags: z.optional(tags()),
  }),
);

export const unmanagedKey = later(() =>
  z.strictObject({
    key_id_in_keystore: z.string(),
    names: z.array(z.string()).check(z.describe('What it is called there, each as a label would be written.')),
    state: z.optional(z.enum(STATES_IN_KEYSTORE).check(z.describe('Absent where the keystore does not tell.'))),
    created_at: z.optional(dateTime()),
    age_days: z.optional(z.int()),
    provider_type: z.optional(z.string().check(z.describe('What the provider calls this sort of key.'))),
    algorithm: z.optional(z.enum(KEY_ALGORITHMS)),
    size: z.optional(z.string()),
    adoptable: z.boolean(),
    reason: z.optional(z.string().check(z.describe('Why it cannot be adopted, and what to change.'))),
  }),
);
export type WireUnmanagedKey = Wire<typeof unmanagedKey>;

/** Without a count: that would take a look at every key. A page may have fewer keys than `limit`; the last one has no `next`. */
export const unmanagedKeyList = later(() =>
  z.strictObject({
    limit: z.int(),
    first: hrefObject(),
    next: z.optional(hrefObject()),
    unmanaged_keys: z.array(unmanagedKey()),
  }),
);
