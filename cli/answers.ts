import * as z from 'zod/mini';

// What commands read of answers. Less than the contract, and never refusing what is new in a later version: such fields are left out.

const named = z.object({ id: z.optional(z.string()), name: z.optional(z.string()) });

export const STATUS = z.object({
  keystore: z.optional(z.object({ id: z.optional(z.string()), name: z.optional(z.string()), type: z.string() })),
  status: z.string(),
  keystore_sync_flag: z.string(),
  keystore_sync_flag_detail: z.string(),
  reason: z.optional(z.string()),
  since: z.optional(z.string()),
  key_id_in_keystore: z.optional(z.string()),
  pending_destruction_until: z.optional(z.string()),
  error: z.optional(z.object({ errors: z.array(z.object({ message: z.string() })) })),
});
export type Status = z.infer<typeof STATUS>;

export const PLANNED = z.object({
  changes: z.array(z.object({ property: z.string(), before: z.unknown(), after: z.unknown() })),
  differences: z.optional(
    z.array(z.object({ property: z.string(), key: z.unknown(), template: z.unknown(), changeable: z.boolean() })),
  ),
  keystores: z.array(
    z.object({
      name: z.string(),
      key: z.string(),
      steps: z.array(z.string()),
      reason: z.string(),
      estimated_seconds: z.number(),
    }),
  ),
  estimated_seconds: z.number(),
});
export type Planned = z.infer<typeof PLANNED>;
export const WITH_PLAN = z.object({ planned_changes: PLANNED });

export const KEY = z.object({
  id: z.string(),
  label: z.string(),
  state: z.string(),
  algorithm: z.string(),
  size: z.optional(z.string()),
  version: z.optional(z.number()),
  description: z.optional(z.string()),
  material: z.optional(z.string()),
  vault: z.optional(named),
  template: z.optional(z.object({ name: z.optional(z.string()), alignment_status: z.string() })),
  activation_date: z.optional(z.string()),
  expiration_date: z.optional(z.string()),
  created_at: z.optional(z.string()),
  created_by: z.optional(z.string()),
  updated_at: z.optional(z.string()),
  rotated_at: z.optional(z.string()),
  is_rotatable: z.optional(z.boolean()),
  tags: z.optional(z.array(z.object({ name: z.string(), value: z.string() }))),
  status_in_keystores: z.array(STATUS),
});
export type Key = z.infer<typeof KEY>;

export const STATUSES = z.object({ status_in_keystores: z.array(STATUS) });

export const HEALTH = z.object({
  health_status: z.optional(z.string()),
  message: z.optional(z.string()),
  last_heartbeat: z.optional(z.string()),
});

export const KEYSTORE = z.object({
  id: z.string(),
  name: z.string(),
  type: z.string(),
  location: z.string(),
  description: z.string(),
  groups: z.array(z.string()),
  vault: z.optional(named),
  status: HEALTH,
  created_at: z.optional(z.string()),
  updated_at: z.optional(z.string()),
});
export type Keystore = z.infer<typeof KEYSTORE>;

export const TEMPLATE = z.object({
  id: z.string(),
  name: z.optional(z.string()),
  version: z.optional(z.number()),
  state: z.string(),
  type: z.array(z.string()),
  description: z.string(),
  naming_scheme: z.optional(z.string()),
  keys_count: z.number(),
  vault: z.optional(named),
  key: z.object({
    algorithm: z.string(),
    size: z.string(),
    state: z.string(),
    material: z.optional(z.string()),
    activation_date: z.string(),
    expiration_date: z.string(),
  }),
  keystores: z.array(z.object({ type: z.string(), group: z.optional(z.string()) })),
});
export type Template = z.infer<typeof TEMPLATE>;

export const VAULT = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string(),
  keys_count: z.number(),
  key_templates_count: z.number(),
  keystores_count: z.number(),
  approval_required_for: z.optional(z.array(z.string())),
  auto_repair: z.optional(z.object({ policy: z.string(), maximum_per_sweep: z.number(), stop_at_percent: z.number() })),
});
export type Vault = z.infer<typeof VAULT>;

export const APPROVAL = z.object({
  id: z.string(),
  operation: z.string(),
  summary: z.string(),
  state: z.string(),
  requested_by: z.string(),
  requested_at: z.string(),
  expires_at: z.string(),
  decided_by: z.optional(z.string()),
});

export const SUBSCRIPTION = z.object({
  id: z.string(),
  name: z.string(),
  type: z.string(),
  state: z.string(),
  flags: z.array(z.string()),
  announcements: z.boolean(),
  vault: named,
  url: z.optional(z.string()),
  topic_arn: z.optional(z.string()),
  last_delivery: z.optional(z.object({ at: z.string(), taken: z.boolean(), error: z.optional(z.string()) })),
});
export type Subscription = z.infer<typeof SUBSCRIPTION>;
