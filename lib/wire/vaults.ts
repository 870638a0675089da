import * as z from 'zod/mini';
import { later } from '../later.ts';
import { APPROVAL_SUBJECTS } from '../approvals/approval.ts';
import { autoRepair, autoRepairChange } from './auto-repair.ts';
import { dateTime, description, id, text } from './fields.ts';
import type { Wire } from './fields.ts';
import { containing, page, paging } from './lists.ts';
import { plannedChanges } from './planned.ts';

const name = later(() =>
  text({
    minimum: 1,
    maximum: 100,
    pattern: /^[A-Za-z0-9#@!$%'_-][A-Za-z0-9#@!$% '_-]*$/,
    says: "must have 1 to 100 letters, digits, spaces and the characters # @ ! $ % ' _ -, and not start with a space",
  }),
);
const recoveryKeyLabel = later(() => text({ minimum: 0, maximum: 255, says: 'must have at most 255 characters' }));

const approvalRequiredFor = later(() =>
  z
    .array(z.enum(APPROVAL_SUBJECTS))
    .check(z.maxLength(3, 'repeats a subject'), z.describe('Beyond UKO: what takes a second person’s approval.')),
);

export const vaultReferenceInCreationRequest = later(() => z.strictObject({ id: id() }));

export const vaultReference = later(() =>
  z.strictObject({
    id: z.optional(z.string()),
    name: z.optional(z.string()),
    href: z.optional(z.string()),
  }),
);
export type WireVaultReference = Wire<typeof vaultReference>;

export const createVault = later(() =>
  z.strictObject({
    name: name(),
    description: z.optional(description()),
    recovery_key_label: z.optional(recoveryKeyLabel()),
    approval_required_for: z.optional(approvalRequiredFor()),
    auto_repair: z.optional(
      autoRepairChange().check(z.describe('Beyond UKO: what is repaired without people; what is left out stays.')),
    ),
  }),
);

export const updateVault = later(() =>
  z.strictObject({
    name: z.optional(name()),
    description: z.optional(description()),
    recovery_key_label: z.optional(recoveryKeyLabel()),
    approval_required_for: z.optional(approvalRequiredFor()),
    auto_repair: z.optional(
      autoRepairChange().check(z.describe('Beyond UKO: what is repaired without people; what is left out stays.')),
    ),
  }),
);

export const vaultQuery = later(() =>
  z.strictObject({
    ...paging(['name', 'description', 'created_at', 'updated_at']),
    name: containing(),
    description: containing(),
  }),
);

export const vault = later(() =>
  z.strictObject({
    id: z.optional(z.string()),
    name: z.string(),
    description: z.string(),
    created_at: z.optional(dateTime()),
    updated_at: z.optional(dateTime()),
    created_by: z.optional(z.string()),
    updated_by: z.optional(z.string()),
    recovery_key_label: z.optional(z.string()),
    href: z.optional(z.string()),
    keys_count: z.int(),
    key_templates_count: z.int(),
    keystores_count: z.int(),
    approval_required_for: z.optional(approvalRequiredFor()),
    auto_repair: z.optional(autoRepair().check(z.describe('Beyond UKO: what is repaired without people.'))),
    planned_changes: z.optional(plannedChanges()),
  }),
);
export type WireVault = Wire<typeof vault>;

export const vaultList = later(() => z.strictObject({ ...page(), vaults: z.array(vault()) }));
export type WireVaultList = Wire<typeof vaultList>;
