import * as z from 'zod/mini';
import { AUTO_REPAIR_POLICIES } from '../auto-repair/policy.ts';
import { STEP_NAMES } from '../drivers/driver.ts';
import { later } from '../later.ts';
import { dateTime } from './fields.ts';
import type { Wire } from './fields.ts';
import { oneOf, whole } from './lists.ts';

// Beyond UKO.

const policy = later(() =>
  z
    .enum(AUTO_REPAIR_POLICIES)
    .check(
      z.describe('flag: drift waits for people. sync: what only restores the decided state is repaired without them.'),
    ),
);

const number = (minimum: number, maximum: number, says: string) =>
  z.int(says).check(z.gte(minimum, says), z.lte(maximum, says));

const maximumPerSweep = later(() =>
  number(1, 10_000, 'must be a whole number from 1 to 10000').check(
    z.describe("Keys in keystores that are repaired at most within a sweep's time, a quarter of an hour. Default 100."),
  ),
);
const stopAtPercent = later(() =>
  number(1, 100, 'must be a whole number from 1 to 100').check(
    z.describe(
      "When more than this percentage of the vault's keys, or of a keystore's, has drifted at once, all is left to people. Default 20.",
    ),
  ),
);

export const autoRepairChange = later(() =>
  z.strictObject({
    policy: z.optional(policy()),
    maximum_per_sweep: z.optional(maximumPerSweep()),
    stop_at_percent: z.optional(stopAtPercent()),
  }),
);
export type WireAutoRepairChange = Wire<typeof autoRepairChange>;

export const autoRepair = later(() =>
  z.strictObject({ policy: policy(), maximum_per_sweep: maximumPerSweep(), stop_at_percent: stopAtPercent() }),
);
export type WireAutoRepair = Wire<typeof autoRepair>;

/** What is given here is tried in place of what the vault says. */
export const autoRepairQuery = later(() =>
  z.strictObject({
    policy: oneOf(AUTO_REPAIR_POLICIES),
    maximum_per_sweep: z.optional(whole(1, 10_000)),
    stop_at_percent: z.optional(whole(1, 100)),
  }),
);

const linked = later(() => z.strictObject({ id: z.string(), name: z.optional(z.string()), href: z.string() }));

const repair = later(() =>
  z.strictObject({
    key: z.strictObject({ id: z.string(), label: z.string(), version: z.int(), href: z.string() }),
    keystore: linked(),
    policy_from: z.enum(['vault', 'template']),
    steps: z.array(z.enum(STEP_NAMES)),
    reason: z
      .string()
      .check(z.describe('What is in the keystore now, and why it is, or is not, repaired without people.')),
  }),
);

export const autoRepairPreview = later(() =>
  z.strictObject({
    policy: autoRepair(),
    templates: z.array(z.strictObject({ id: z.string(), name: z.string(), policy: policy(), href: z.string() })),
    held: z.optional(
      z.strictObject({
        since: z.optional(dateTime().check(z.describe('Absent in a trial, where nothing is held yet.'))),
        reason: z.string(),
      }),
    ),
    repaired_in_this_sweep: z.int(),
    would_repair: z.array(repair()),
    left_to_people: z.array(repair()),
    estimated_seconds: z
      .number()
      .check(
        z.describe(
          'How long what would be repaired takes, at the pace of the keystores’ quotas and within maximum_per_sweep.',
        ),
      ),
    complete: z.boolean().check(z.describe('False when there is more drift than was looked into for this answer.')),
  }),
);
export type WireAutoRepairPreview = Wire<typeof autoRepairPreview>;
