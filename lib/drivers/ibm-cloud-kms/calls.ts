import { randomUUID } from 'node:crypto';
import * as z from 'zod/mini';
import { KeystoreFault } from '../driver.ts';
import { exchange } from '../outgoing.ts';
import type { Connection } from '../registry.ts';
import { endpointsOf } from './endpoints.ts';
import { abandoned, faultFrom, hasCode, isFault, noAnswer } from './faults.ts';
import { tokensFor } from './tokens.ts';

/** A key as IBM shows it, of which we use this much. */
export interface IbmKey {
  readonly id: string;
  readonly crn: string;
  readonly name: string | undefined;
  readonly description: string;
  readonly aliases: readonly string[];
  readonly state: 'pre_activation' | 'active' | 'suspended' | 'deactivated' | 'destroyed';
  readonly imported: boolean;
  /** A standard key: whoever may use it can read it out. */
  readonly isExtractable: boolean;
  readonly bits: number | undefined;
  readonly keyRingId: string | undefined;
  readonly createdAt: Date | undefined;
  /** The current version's id; each has material of its own. */
  readonly versionId: string | undefined;
  readonly versionCreatedAt: Date | undefined;
  readonly expiresAt: Date | undefined;
  readonly isRotated: boolean;
  /** Of a destroyed key: whether, and until when, it can be restored. */
  readonly restorable: boolean;
  readonly restorableUntil: Date | undefined;
  /** Two people must agree to its deletion; the first has, until then. */
  readonly dualAuth: boolean;
  readonly setForDeletionUntil: Date | undefined;
}

/** Destroyed for good: it can still be looked at, but never be used again. */
export function isGone(found: IbmKey): boolean {
  return found.state === 'destroyed' && !found.restorable;
}

/** A cloud resource that a key protects. */
export interface IbmRegistration {
  readonly crn: string;
  readonly description: string;
  readonly preventsKeyDeletion: boolean;
}

/** Material on its way: wrapped under an import token with the nonce that proves it, or plain where the service takes nothing else. */
export interface Payload {
  readonly payload: string;
  readonly encryptedNonce?: string;
  readonly iv?: string;
  readonly encryptionAlgorithm?: 'RSAES_OAEP_SHA_256';
}

export interface ImportToken {
  /** PEM. */
  readonly publicKey: string;
  readonly nonce: Uint8Array;
}

export interface NewKey {
  readonly name: string;
  readonly description: string;
  readonly aliases: readonly string[];
  readonly material: Payload | undefined;
}

/**
 * The calls of the key management API that the driver uses, one each. `key` is a key's id or CRN; where said, an alias. Every one throws a
 * `KeystoreFault` and nothing else.
 */
export interface IbmCalls {
  readonly instanceId: string;
  /** Where, for people. */
  readonly host: string;
  /** Takes an alias too. A destroyed key is shown until it is purged. */
  key(key: string, signal: AbortSignal): Promise<IbmKey>;
  /** A page of the key ring's keys, destroyed ones too. None when the ring does not exist. */
  keys(offset: number, limit: number, signal: AbortSignal): Promise<readonly IbmKey[]>;
  /** The ids of all versions. */
  versionsOf(key: string, signal: AbortSignal): Promise<readonly string[]>;
  registrationsOf(key: string, signal: AbortSignal): Promise<readonly IbmRegistration[]>;
  /** Makes a root key and answers its id; the key ring too when it is missing. There is no idempotency token: a repetition could make a twin. */
  createKey(key: NewKey, signal: AbortSignal): Promise<string>;
  createAlias(key: string, alias: string, signal: AbortSignal): Promise<void>;
  /** An alias that is not there is no error. */
  deleteAlias(key: string, alias: string, signal: AbortSignal): Promise<void>;
  enable(key: string, signal: AbortSignal): Promise<void>;
  disable(key: string, signal: AbortSignal): Promise<void>;
  /** Also while cloud resources are registered with the key, unless one of them forbids it. */
  delete(key: string, signal: AbortSignal): Promise<void>;
  restore(key: string, signal: AbortSignal): Promise<void>;
  rotate(key: string, material: Payload | undefined, signal: AbortSignal): Promise<void>;
  setForDeletion(key: string, signal: AbortSignal): Promise<void>;
  unsetForDeletion(key: string, signal: AbortSignal): Promise<void>;
  /** The instance's one import token; a new one when there is none that is good. Undefined where the service has none. */
  importToken(signal: AbortSignal): Promise<ImportToken | undefined>;
}

const TIMEOUT_MS = 10_000;
const PAGE = 1000;
const KEY_TYPE = 'application/vnd.ibm.kms.key+json';
const ERROR_TYPE = 'application/vnd.ibm.kms.error+json';

const STATES: Readonly<Record<number, IbmKey['state']>> = {
  0: 'pre_activation',
  1: 'active',
  2: 'suspended',
  3: 'deactivated',
  5: 'destroyed',
};

const date = z.optional(z.nullable(z.string()));
const keyShape = z.object({
  id: z.string(),
  crn: z.string(),
  name: z.optional(z.string()),
  description: z.optional(z.string()),
  aliases: z.optional(z.nullable(z.array(z.string()))),
  state: z.number(),
  imported: z.optional(z.boolean()),
  extractable: z.optional(z.boolean()),
  algorithmBitSize: z.optional(z.number()),
  keyRingID: z.optional(z.string()),
  creationDate: date,
  expirationDate: date,
  lastRotateDate: date,
  keyVersion: z.optional(z.nullable(z.object({ id: z.string(), creationDate: date }))),
  dualAuthDelete: z.optional(
    z.nullable(
      z.object({
        enabled: z.optional(z.boolean()),
        keySetForDeletion: z.optional(z.boolean()),
        authExpiration: date,
      }),
    ),
  ),
  deletionDate: date,
  restoreExpirationDate: date,
  restoreAllowed: z.optional(z.boolean()),
});
/** Where the answer does not say: 30 days, as documented. */
const RESTORABLE_MS = 30 * 86_400_000;

const collection = <T extends z.ZodMiniType>(resource: T) => z.object({ resources: z.optional(z.array(resource)) });
const keysShape = collection(keyShape);
const idsShape = collection(z.object({ id: z.string() }));
const registrationsShape = collection(
  z.object({
    resourceCrn: z.string(),
    description: z.optional(z.string()),
    preventKeyDeletion: z.optional(z.boolean()),
  }),
);
const tokenShape = z.object({ payload: z.string(), nonce: z.string() });
const errorShape = z.object({
  metadata: z.object({ collectionType: z.literal(ERROR_TYPE) }),
  resources: z.array(
    z.object({
      errorMsg: z.optional(z.string()),
      reasons: z.optional(z.array(z.object({ code: z.optional(z.string()), message: z.optional(z.string()) }))),
    }),
  ),
});

const dateOf = (value: string | null | undefined): Date | undefined =>
  value === undefined || value === null || Number.isNaN(Date.parse(value)) ? undefined : new Date(value);

function keyFrom(shown: z.infer<typeof keyShape>, call: string): IbmKey {
  const state = STATES[shown.state];
  if (state === undefined)
    throw new KeystoreFault('broken', `IBM Cloud answered ${call} with the unknown state ${shown.state}.`);
  const deletedAt = dateOf(shown.deletionDate);
  const restorableUntil =
    dateOf(shown.restoreExpirationDate) ??
    (deletedAt === undefined ? undefined : new Date(deletedAt.getTime() + RESTORABLE_MS));
  return {
    id: shown.id,
    crn: shown.crn,
    name: shown.name,
    description: shown.description ?? '',
    aliases: shown.aliases ?? [],
    state,
    imported: shown.imported ?? false,
    isExtractable: shown.extractable ?? false,
    bits: shown.algorithmBitSize,
    keyRingId: shown.keyRingID,
    createdAt: dateOf(shown.creationDate),
    versionId: shown.keyVersion?.id,
    versionCreatedAt: dateOf(shown.keyVersion?.creationDate),
    expiresAt: dateOf(shown.expirationDate),
    isRotated: dateOf(shown.lastRotateDate) !== undefined,
    restorable:
      state === 'destroyed' &&
      (shown.restoreAllowed ?? (restorableUntil === undefined || restorableUntil.getTime() > Date.now())),
    restorableUntil,
    dualAuth: shown.dualAuthDelete?.enabled ?? false,
    setForDeletionUntil:
      shown.dualAuthDelete?.keySetForDeletion === true ? dateOf(shown.dualAuthDelete.authExpiration) : undefined,
  };
}

interface Request {
  readonly call: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly contentType?: string;
  /** Whether the call is about the keystore's key ring. Calls about one key are not: the key may have been moved to another ring. */
  readonly inKeyRing?: boolean;
  readonly minimal?: boolean;
}

function text(connection: Connection, name: string): string {
  const value = connection.credentials[name] ?? connection.settings[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new KeystoreFault('unsupported', `The keystore has no ${name}.`);
}

/** The calls over `fetch`. Sends nothing by itself. Throws a `KeystoreFault` when a setting is missing or refused. */
export function connectCalls(connection: Connection): IbmCalls {
  const endpoints = endpointsOf(connection.settings);
  const instanceId = text(connection, 'ibm_instance_id');
  const tokens = tokensFor(endpoints.token, text(connection, 'ibm_api_key'));
  const ring = connection.settings['ibm_key_ring'];
  const keyRing = typeof ring === 'string' && ring !== '' ? ring : undefined;

  /** A CRN's last part is the key's id. Of a key in another instance IBM would say that it is not found, and all would be absent. */
  function idOf(key: string): string {
    if (!key.startsWith('crn:')) return key;
    const parts = key.split(':');
    if (parts[7] !== instanceId) {
      throw new KeystoreFault('conflict', `${key} is not in the instance ${instanceId} of this keystore.`);
    }
    return parts.at(-1) ?? '';
  }
  const keyPath = (key: string, rest = ''): string => `/keys/${encodeURIComponent(idOf(key))}${rest}`;

  async function send(request: Request, signal: AbortSignal, isRepeated = false): Promise<unknown> {
    const token = await tokens.get(signal);
    const query = request.query === undefined ? '' : `?${new URLSearchParams(request.query).toString()}`;
    let status: number;
    let answer: unknown;
    try {
      const response = await exchange(`${endpoints.api}${request.path}${query}`, {
        method: request.method,
        headers: {
          accept: 'application/json',
          authorization: `Bearer ${token}`,
          'bluemix-instance': instanceId,
          'correlation-id': randomUUID(),
          ...(request.inKeyRing === true && keyRing !== undefined ? { 'x-kms-key-ring': keyRing } : {}),
          ...(request.minimal === true ? { prefer: 'return=minimal' } : {}),
          ...(request.body === undefined ? {} : { 'content-type': request.contentType ?? 'application/json' }),
        },
        ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      status = response.status;
      answer = response.text === '' ? undefined : parsed(response.text);
    } catch (error) {
      throw signal.aborted ? abandoned(request.call, signal.reason) : noAnswer(request.call, error);
    }
    if (status >= 200 && status < 300) return answer;
    const fault = faultFrom({ status, ...refusalIn(answer) }, request.call);
    if (status !== 401) throw fault;
    tokens.drop(token);
    // Refused before anything was done: the token had run out or was taken back. To one that may not do this a new one would not help.
    if (isRepeated || hasCode(fault, 'UNAUTHORIZED_ERR')) throw fault;
    return send(request, signal, true);
  }

  async function ask<T extends z.ZodMiniType>(shape: T, request: Request, signal: AbortSignal): Promise<z.output<T>> {
    const checked = z.safeParse(shape, await send(request, signal));
    if (checked.success) return checked.data;
    // Nothing of the answer is quoted: it may hold what must not be shown.
    throw new KeystoreFault('broken', `IBM Cloud answered ${request.call} in a form that is not understood.`);
  }

  async function act(key: string, call: string, path: string, signal: AbortSignal, body?: unknown): Promise<void> {
    const contentType = 'application/vnd.ibm.kms.key_action+json';
    await send({ call, method: 'POST', path: keyPath(key, path), body, contentType }, signal);
  }

  async function everyPage<T>(page: (offset: number) => Promise<readonly T[]>): Promise<readonly T[]> {
    const all: T[] = [];
    for (;;) {
      const items = await page(all.length);
      all.push(...items);
      if (items.length < PAGE) return all;
    }
  }

  async function createRing(signal: AbortSignal): Promise<void> {
    try {
      await send(
        { call: 'CreateKeyRing', method: 'POST', path: `/key_rings/${encodeURIComponent(keyRing ?? '')}` },
        signal,
      );
    } catch (error) {
      if (!isFault(error, 'conflict')) throw error;
    }
  }

  async function importToken(signal: AbortSignal): Promise<ImportToken | undefined> {
    const path = '/import_token';
    const get = () => ask(tokenShape, { call: 'GetImportToken', method: 'GET', path }, signal);
    const decoded = ({ payload, nonce }: z.infer<typeof tokenShape>): ImportToken => ({
      publicKey: Buffer.from(payload, 'base64').toString('utf8'),
      nonce: Buffer.from(nonce, 'base64'),
    });
    try {
      return decoded(await get());
    } catch (error) {
      if (hasCode(error, 'FEATURE_RESTRICTED_ERR')) return undefined;
      if (!isFault(error, 'not_found') && !hasCode(error, 'IMPORT_TOKEN_EXPIRED_ERR')) throw error;
    }
    const body = { expiration: 3600, maxAllowedRetrievals: 500 };
    await send({ call: 'PostImportToken', method: 'POST', path, body }, signal);
    return decoded(await get());
  }

  return {
    instanceId,
    host: new URL(endpoints.api).host,
    key: async (key, signal) => {
      const call = 'GetKeyMetadata';
      const { resources } = await ask(keysShape, { call, method: 'GET', path: keyPath(key, '/metadata') }, signal);
      const [shown] = resources ?? [];
      if (shown === undefined) throw new KeystoreFault('broken', `IBM Cloud answered ${call} without a key.`);
      return keyFrom(shown, call);
    },
    keys: async (offset, limit, signal) => {
      const query = { limit: String(limit), offset: String(offset), state: '0,1,2,3,5' };
      try {
        const request = { call: 'GetKeys', method: 'GET', path: '/keys', query, inKeyRing: true } as const;
        const { resources } = await ask(keysShape, request, signal);
        return (resources ?? []).map((shown) => keyFrom(shown, 'GetKeys'));
      } catch (error) {
        if (hasCode(error, 'KEY_RING_NOT_FOUND_ERR')) return [];
        throw error;
      }
    },
    versionsOf: (key, signal) =>
      everyPage(async (offset) => {
        const query = { limit: String(PAGE), offset: String(offset), allKeyStates: 'true' };
        const request = { call: 'GetKeyVersions', method: 'GET', path: keyPath(key, '/versions'), query } as const;
        return ((await ask(idsShape, request, signal)).resources ?? []).map(({ id }) => id);
      }),
    registrationsOf: (key, signal) =>
      everyPage(async (offset) => {
        const query = { limit: String(PAGE), offset: String(offset) };
        const request = {
          call: 'GetRegistrations',
          method: 'GET',
          path: keyPath(key, '/registrations'),
          query,
        } as const;
        return ((await ask(registrationsShape, request, signal)).resources ?? []).map((shown) => ({
          crn: shown.resourceCrn,
          description: shown.description ?? '',
          preventsKeyDeletion: shown.preventKeyDeletion ?? false,
        }));
      }),

    createKey: async ({ name, description, aliases, material }, signal) => {
      const resource = {
        type: KEY_TYPE,
        name,
        description,
        extractable: false,
        ...(aliases.length === 0 ? {} : { aliases }),
        ...material,
      };
      const request: Request = {
        call: 'CreateKey',
        method: 'POST',
        path: '/keys',
        body: { metadata: { collectionType: KEY_TYPE, collectionTotal: 1 }, resources: [resource] },
        contentType: KEY_TYPE,
        inKeyRing: true,
        minimal: true,
      };
      const create = async () => (await ask(idsShape, request, signal)).resources?.[0]?.id;
      let id: string | undefined;
      try {
        id = await create();
      } catch (error) {
        if (!hasCode(error, 'KEY_RING_NOT_FOUND_ERR')) throw error;
        await createRing(signal);
        id = await create();
      }
      if (id === undefined) throw new KeystoreFault('broken', 'IBM Cloud answered CreateKey without an id.');
      return id;
    },
    createAlias: async (key, alias, signal) => {
      const path = keyPath(key, `/aliases/${encodeURIComponent(alias)}`);
      await send({ call: 'CreateKeyAlias', method: 'POST', path }, signal);
    },
    deleteAlias: async (key, alias, signal) => {
      const path = keyPath(key, `/aliases/${encodeURIComponent(alias)}`);
      try {
        await send({ call: 'DeleteKeyAlias', method: 'DELETE', path }, signal);
      } catch (error) {
        if (!isFault(error, 'not_found')) throw error;
      }
    },
    enable: (key, signal) => act(key, 'EnableKey', '/actions/enable', signal),
    disable: (key, signal) => act(key, 'DisableKey', '/actions/disable', signal),
    delete: async (key, signal) => {
      const query = { force: 'true' };
      await send({ call: 'DeleteKey', method: 'DELETE', path: keyPath(key), query, minimal: true }, signal);
    },
    restore: (key, signal) => act(key, 'RestoreKey', '/restore', signal),
    rotate: (key, material, signal) => act(key, 'RotateKey', '/actions/rotate', signal, material),
    setForDeletion: (key, signal) => act(key, 'SetKeyForDeletion', '/actions/setKeyForDeletion', signal),
    unsetForDeletion: (key, signal) => act(key, 'UnsetKeyForDeletion', '/actions/unsetKeyForDeletion', signal),
    importToken,
  };
}

function parsed(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}

/** IBM's code and words in an error answer; nothing when somebody else, such as a proxy, wrote it. */
function refusalIn(answer: unknown): { readonly code: string | undefined; readonly message: string | undefined } {
  const shown = z.safeParse(errorShape, answer);
  const resource = shown.success ? shown.data.resources[0] : undefined;
  const reason = resource?.reasons?.[0];
  return { code: reason?.code, message: reason?.message ?? resource?.errorMsg };
}
