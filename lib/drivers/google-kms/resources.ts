import * as z from 'zod/mini';

/** CryptoKeyVersionState, but for the unspecified. */
export const VERSION_STATES = [
  'PENDING_GENERATION',
  'ENABLED',
  'DISABLED',
  'DESTROYED',
  'DESTROY_SCHEDULED',
  'PENDING_IMPORT',
  'IMPORT_FAILED',
  'GENERATION_FAILED',
  'PENDING_EXTERNAL_DESTRUCTION',
  'EXTERNAL_DESTRUCTION_FAILED',
] as const;
export type VersionState = (typeof VERSION_STATES)[number];

const optionalText = z.optional(z.string());

/** A CryptoKeyVersion, of which we use this much. Google leaves out members that have their default value. */
export const cryptoKeyVersion = z.object({
  name: z.string(),
  state: z.enum(VERSION_STATES),
  createTime: optionalText,
  destroyTime: optionalText,
  /** When material was last imported into it; never, where it is left out. */
  importTime: optionalText,
  /** The name of the job that its material came by; only of imported versions. */
  importJob: optionalText,
  importFailureReason: optionalText,
  generationFailureReason: optionalText,
  reimportEligible: z._default(z.boolean(), false),
});
export type CryptoKeyVersion = z.output<typeof cryptoKeyVersion>;

/** A CryptoKey; `primary` is a copy of the version that Google encrypts with, for symmetric keys only. */
export const cryptoKey = z.object({
  name: z.string(),
  purpose: z.string(),
  primary: z.optional(cryptoKeyVersion),
  createTime: optionalText,
  labels: z._default(z.record(z.string(), z.string()), {}),
  importOnly: z._default(z.boolean(), false),
  versionTemplate: z._default(z.object({ algorithm: optionalText, protectionLevel: optionalText }), {}),
});
export type CryptoKey = z.output<typeof cryptoKey>;

export const cryptoKeyPage = z.object({
  cryptoKeys: z._default(z.array(cryptoKey), []),
  nextPageToken: optionalText,
});
export const cryptoKeyVersionPage = z.object({
  cryptoKeyVersions: z._default(z.array(cryptoKeyVersion), []),
  nextPageToken: optionalText,
});

export const publicKey = z.object({ name: optionalText, pem: z.string() });

export const importJob = z.object({
  name: z.string(),
  state: z.enum(['PENDING_GENERATION', 'ACTIVE', 'EXPIRED']),
  publicKey: z.optional(z.object({ pem: z.string() })),
  expireTime: optionalText,
});
export type ImportJob = z.output<typeof importJob>;

/** What an answer must be before it is looked at any closer. */
export const anything = z.looseObject({});

/** The body of an error: google.rpc.Status in JSON. */
export const rpcError = z.object({
  error: z.object({ code: z.number(), message: z._default(z.string(), ''), status: optionalText }),
});

/** The token endpoint's two answers: RFC 6749, sections 5.1 and 5.2. */
export const tokenAnswer = z.object({ access_token: z.string(), expires_in: z.number() });
export const tokenRefusal = z.object({ error: z.string(), error_description: optionalText });
