import * as z from 'zod/mini';
import { KEY_ALGORITHMS, MATERIAL_KINDS } from '../../keys/key.ts';
import type { Health, KeyInKeystore, KeystoreFaultKind, Seen } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import { PKCS11_STEPS } from './kind.ts';

/*
 * What functions ask of the one that has the HSM's library, and what it answers: JSON, the event and the result of a Lambda invocation. A
 * keystore is named by its id, a key's material by the key: the function opens the PIN and the material from custody itself. Neither is
 * ever in a request in clear.
 */

const named = z.object({ idInKeystore: z.string(), fingerprint: z.optional(z.string()) });

const key = z.object({
  keyId: z.string(),
  version: z.int(),
  current: z.boolean(),
  label: z.string(),
  description: z.string(),
  tags: z.array(z.object({ name: z.string(), value: z.string() })),
  spec: z.object({
    algorithm: z.enum(KEY_ALGORITHMS),
    size: z.string(),
    material: z.enum(MATERIAL_KINDS),
    properties: z.record(z.string(), z.unknown()),
  }),
  binding: z.optional(named),
  intendedAt: z.iso.datetime(),
});

/** A keystore that has no record yet, because its connection is only tried: its credentials as custody keeps them, in base64. */
const unrecorded = z.object({
  settings: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  sealed: z.base64(),
});

export const REQUEST = z.discriminatedUnion('call', [
  z.object({ call: z.literal('observe'), keystoreId: z.string(), key }),
  z.object({ call: z.literal('list'), keystoreId: z.string(), after: z.optional(z.string()) }),
  z.object({ call: z.literal('step'), keystoreId: z.string(), step: z.enum(PKCS11_STEPS), key }),
  z.object({ call: z.literal('health'), keystoreId: z.string(), unrecorded: z.optional(unrecorded) }),
]);
export type Request = z.infer<typeof REQUEST>;

const FAULT_KINDS = [
  'denied',
  'throttled',
  'unreachable',
  'not_found',
  'conflict',
  'unsupported',
  'unavailable',
  'broken',
] as const satisfies readonly KeystoreFaultKind[];

const fault = z.strictObject({
  fault: z.object({ kind: z.enum(FAULT_KINDS), message: z.string(), providerCode: z.optional(z.string()) }),
});

const seen = z.discriminatedUnion('presence', [
  z.object({ presence: z.literal('absent') }),
  z.object({
    presence: z.literal('present'),
    idInKeystore: z.string(),
    state: z.enum(['enabled', 'disabled', 'unusable']),
    fingerprint: z.optional(z.string()),
    name: z.enum(['leads_here', 'missing', 'leads_elsewhere', 'not_applicable']),
    remark: z.optional(z.string()),
    mendedBy: z.optional(z.literal('enable')),
  }),
]);

const page = z.object({
  keys: z.array(z.object({ idInKeystore: z.string(), name: z.optional(z.string()) })),
  next: z.optional(z.string()),
});

const health = z.object({ status: z.enum(['ok', 'configuration_error', 'not_responding']), message: z.string() });

/** What each call is answered with, or a fault in its place. */
export const ANSWERS = {
  observe: z.union([fault, z.strictObject({ seen })]),
  list: z.union([fault, z.strictObject({ page })]),
  step: z.union([fault, z.strictObject({ binding: z.optional(named) })]),
  health: z.union([fault, z.strictObject({ health })]),
} as const;
export type Answer = z.infer<(typeof ANSWERS)[Request['call']]>;
/** The same as a driver of ours answers, not yet in JSON. */
export type Given =
  | { readonly seen: Seen }
  | {
      readonly page: { readonly keys: readonly { readonly idInKeystore: string }[]; readonly next: string | undefined };
    }
  | { readonly binding: KeyInKeystore['binding'] }
  | { readonly health: Health }
  | { readonly fault: Pick<KeystoreFault, 'kind' | 'message' | 'providerCode'> };

/** A key as it is written in a request. */
export function writtenKey(given: KeyInKeystore): z.infer<typeof key> {
  const { keyId, version, current, label, description, tags, spec, binding, intendedAt } = given;
  return {
    keyId,
    version,
    current,
    label,
    description,
    tags: [...tags],
    spec: { ...spec, properties: { ...spec.properties } },
    ...(binding === undefined ? {} : { binding: writtenBinding(binding) }),
    intendedAt: intendedAt.toISOString(),
  };
}

function writtenBinding({ idInKeystore, fingerprint }: NonNullable<KeyInKeystore['binding']>): z.infer<typeof named> {
  return { idInKeystore, ...(fingerprint === undefined ? {} : { fingerprint }) };
}

/** A key as it was meant by a request. */
export function readKey(written: z.infer<typeof key>): KeyInKeystore {
  return { ...written, binding: readBinding(written.binding), intendedAt: new Date(written.intendedAt) };
}

/** A binding as it was meant by an answer or a request. */
export function readBinding(written: z.infer<typeof named> | undefined): KeyInKeystore['binding'] {
  return written === undefined ? undefined : { idInKeystore: written.idInKeystore, fingerprint: written.fingerprint };
}

/** What was seen, as it was meant by an answer. */
export function readSeen(written: z.infer<typeof seen>): Seen {
  if (written.presence === 'absent') return written;
  const { mendedBy, fingerprint, remark, ...rest } = written;
  return {
    ...rest,
    fingerprint,
    remark,
    pendingDeletionUntil: undefined,
    ...(mendedBy === undefined ? {} : { mendedBy }),
  };
}

/** Throws the fault that an answer carries. */
export function requireNoFault<T extends object>(answer: T): asserts answer is Exclude<T, z.infer<typeof fault>> {
  const written = fault.safeParse(answer);
  if (!written.success) return;
  const { kind, message, providerCode } = written.data.fault;
  throw new KeystoreFault(kind, message, providerCode === undefined ? {} : { providerCode });
}
