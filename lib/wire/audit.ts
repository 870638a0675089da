import * as z from 'zod/mini';
import { later } from '../later.ts';
import { id } from './fields.ts';
import type { Wire } from './fields.ts';
import { oneText, whole } from './lists.ts';

// Beyond UKO.

/** `-` is the trail of attempts that belong to no vault. */
const trailId = later(() => oneText(z.union([id(), z.literal('-')])));

export const auditVerifyQuery = later(() => z.strictObject({ 'vault.id': z.optional(trailId()) }));

export const auditExportQuery = later(() =>
  z.strictObject({
    'vault.id': trailId(),
    after: z._default(whole(0, 1_000_000_000), 0),
    limit: z._default(whole(1, 5000), 1000),
  }),
);

export const auditReport = later(() =>
  z.strictObject({
    trails: z.array(
      z.strictObject({
        vault_id: z.string(),
        events: z.int(),
        intact: z.boolean(),
        broken: z.optional(z.string().check(z.describe('Where the chain first does not hold, and how.'))),
        head: z
          .string()
          .check(z.describe('The hash that covers the whole trail: keep it elsewhere to prove it later.')),
      }),
    ),
  }),
);
export type WireAuditReport = Wire<typeof auditReport>;

/** One event as JSON on each line. */
export const auditLines = later(() => z.string());
