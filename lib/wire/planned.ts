import * as z from 'zod/mini';
import { later } from '../later.ts';
import { STEP_NAMES } from '../drivers/driver.ts';
import type { Wire } from './fields.ts';

const value = later(() => z.union([z.string(), z.number(), z.boolean(), z.null()]));

/** Beyond UKO, in answers to `dry_run=true`: what would be done. Nothing of it has happened. */
export const plannedChanges = later(() =>
  z.strictObject({
    changes: z
      .array(z.strictObject({ property: z.string(), before: value(), after: value() }))
      .check(z.describe('What would change in the records; lists and objects as JSON text.')),
    differences: z.optional(
      z.array(
        z.strictObject({
          property: z.string(),
          key: value(),
          template: value(),
          changeable: z
            .boolean()
            .check(z.describe('False where no keystore can change an existing key so: it stays as it is.')),
        }),
      ),
    ),
    keystores: z.array(
      z.strictObject({
        id: z.string(),
        name: z.string(),
        key: z.string().check(z.describe("The key's label.")),
        steps: z.array(z.enum(STEP_NAMES)),
        reason: z.string().check(z.describe('What is in the keystore now, and what would be done.')),
        estimated_seconds: z.number(),
      }),
    ),
    estimated_seconds: z
      .number()
      .check(z.describe("How long the keystores' standard quotas make all of it take; keystores work in parallel.")),
  }),
);
export type WirePlannedChanges = Wire<typeof plannedChanges>;
