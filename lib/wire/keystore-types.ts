import * as z from 'zod/mini';
import { KEY_OPERATIONS, NEW_VERSIONS, PROTECTION_LEVELS } from '../drivers/driver.ts';
import { KEY_ALGORITHMS, MATERIAL_KINDS } from '../keys/key.ts';
import { KEYSTORE_TYPES } from '../keystores/keystore.ts';
import type { Wire } from './fields.ts';
import { later } from '../later.ts';

// Beyond UKO.

const choices = later(() => z.record(z.string(), z.array(z.string())));

export const keyCapability = later(() =>
  z.strictObject({
    algorithm: z.enum(KEY_ALGORITHMS),
    size: z.string(),
    protection_levels: z.array(z.enum(PROTECTION_LEVELS)).check(z.describe('The default first.')),
    materials: z.array(z.enum(MATERIAL_KINDS)),
    operations: z.array(z.enum(KEY_OPERATIONS)),
    provider_name: z.string().check(z.describe('What the provider calls such a key.')),
    properties: choices().check(
      z.describe(
        'The properties of a template that lead to this row, each with the values that do. One that is left out is as in the first row that fits otherwise.',
      ),
    ),
    settings: choices().check(z.describe('What the keystore must be, by its own fields; empty when any will do.')),
    new_version: z
      .enum(NEW_VERSIONS)
      .check(
        z.describe(
          'in_the_same_key: one key in the keystore carries all versions; version_with_own_state: each version can be disabled and deleted alone; new_key: another key, to which the label moves.',
        ),
      ),
  }),
);
export type WireKeyCapability = Wire<typeof keyCapability>;

export const keystoreType = later(() =>
  z.strictObject({
    type: z.enum(KEYSTORE_TYPES),
    connectable: z.boolean(),
    reason: z.optional(z.string()).check(z.describe('Why a keystore of this type cannot be connected.')),
    pending_deletion_days: z
      .optional(z.int())
      .check(z.describe('Between a destruction and its end; 0: it is immediate.')),
    tls_proxy: z.boolean().check(z.describe('Whether such a keystore can be reached through tls_proxy.')),
    key_can_be_renamed: z.boolean(),
    capabilities: z.array(keyCapability()),
  }),
);
export type WireKeystoreType = Wire<typeof keystoreType>;

export const keystoreTypeList = later(() => z.strictObject({ keystore_types: z.array(keystoreType()) }));
export type WireKeystoreTypeList = Wire<typeof keystoreTypeList>;
