import type {
  DeletedKey,
  JsonWebKey,
  KeyProperties,
  KeyVaultKey,
  PagedAsyncIterableIterator,
} from '@azure/keyvault-keys';
import { KeyClient } from '@azure/keyvault-keys';
import { AsyncLocalStorage } from 'node:async_hooks';
import type { KeyObject } from 'node:crypto';
import type { Agent } from 'node:https';
import type { Tag } from '../../tag.ts';
import { KeystoreFault } from '../driver.ts';
import { tunnelThrough } from '../outgoing.ts';
import type { Connection } from '../registry.ts';
import { clientCredential } from './credential.ts';
import { environmentOf } from './environments.ts';
import { abandoned, faultFrom, isFault } from './faults.ts';
import type { AzureCurve, AzureKeyRule } from './kind.ts';
import { fingerprintOf, publicKeyOf } from './public-key.ts';

/** One version of a key, as far as lists tell of it. */
export interface AzureVersion {
  /** `https://<vault>.vault.azure.net/keys/<name>/<version>`. */
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly enabled: boolean;
  readonly notBefore: Date | undefined;
  readonly expires: Date | undefined;
  readonly createdAt: Date | undefined;
  readonly tags: readonly Tag[];
}

/** One version of a key, with its public part. */
export interface AzureKey extends AzureVersion {
  readonly keyType: string;
  readonly curve: string | undefined;
  readonly operations: readonly string[];
  /** Key Vault made it for a certificate and manages it with that. */
  readonly isOfCertificate: boolean;
  readonly publicKey: KeyObject | undefined;
  readonly fingerprint: string | undefined;
}

/** A key on its way to its end; what is told of its version is that of the newest. */
export interface AzureDeletedKey extends AzureVersion {
  readonly purgeAt: Date | undefined;
}

/** A key as lists show it: without a version. Of a deleted one, when its time is over. */
export type AzureListedKey = Omit<AzureVersion, 'version'> & { readonly purgeAt: Date | undefined };

export interface NewAzureKey {
  readonly keyType: AzureKeyRule['keyType'];
  readonly bits?: number | undefined;
  readonly curve?: AzureCurve | undefined;
  /** In Azure's spelling. */
  readonly operations: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
}

export interface AzureImport extends Pick<NewAzureKey, 'operations' | 'tags'> {
  readonly jwk: JsonWebKey;
  readonly hardware: boolean;
}

export interface AzureChange {
  readonly enabled?: boolean;
  readonly notBefore?: Date;
  readonly expires?: Date;
  /** All of them: what is not given is gone. */
  readonly tags?: Readonly<Record<string, string>>;
}

/**
 * The calls of Azure Key Vault that the driver uses. Every one throws a `KeystoreFault` and nothing else; a key is `undefined` only when
 * Azure itself says that it is not there. None that changes anything is repeated by itself: a repeated create makes a second version.
 */
export interface AzureCalls {
  /** Host name of the vault. */
  readonly vaultHost: string;
  newest(name: string, signal: AbortSignal): Promise<AzureKey | undefined>;
  version(name: string, version: string, signal: AbortSignal): Promise<AzureKey | undefined>;
  /** All versions, in Azure's order, which is not that of their making; empty when there is no such key. */
  versions(name: string, signal: AbortSignal): Promise<readonly AzureVersion[]>;
  deleted(name: string, signal: AbortSignal): Promise<AzureDeletedKey | undefined>;
  /** A page of at most 25 keys. */
  page(
    of: 'keys' | 'deletedkeys',
    after: string | undefined,
    signal: AbortSignal,
    size?: number,
  ): Promise<{ keys: readonly AzureListedKey[]; next: string | undefined }>;

  /** Makes a key, or a further version of the key of this name. */
  createKey(name: string, key: NewAzureKey, signal: AbortSignal): Promise<AzureKey>;
  /** Likewise, with material. */
  importKey(name: string, key: AzureImport, signal: AbortSignal): Promise<AzureKey>;
  update(version: Pick<AzureVersion, 'name' | 'version'>, change: AzureChange, signal: AbortSignal): Promise<void>;
  /** Deletes the key with all of its versions; it can be recovered until its time is over. */
  delete(name: string, signal: AbortSignal): Promise<void>;
  recover(name: string, signal: AbortSignal): Promise<void>;
}

/** Milliseconds until a request without an answer is given up. */
const PATIENCE_MS = 10_000;

/** How long the SDK waits between looks at a deletion or recovery; we never let it wait. */
const NO_POLLING = { intervalInMs: 0 };

/**
 * What belongs to one call and the SDK does not carry through: while paging it drops the signal, the link to the next page, and what Azure
 * says of an error.
 */
interface CallContext {
  readonly signal: AbortSignal;
  nextLink: string | undefined;
  /** The body of the last answer, if it was a refusal. */
  refusal: string | undefined;
}

const callContext = new AsyncLocalStorage<CallContext>();

function text(connection: Connection, name: string): string {
  const value = connection.credentials[name] ?? connection.settings[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new KeystoreFault('unsupported', `The keystore has no ${name}.`);
}

/**
 * The calls over the Azure SDK. AZURE_KEY_VAULT_ENDPOINT, where it is set, names a stand-in for every vault: requests go there, with the
 * vault's own name as their Host. AZURE_AUTHORITY_HOST likewise replaces where tokens come from.
 */
export function connectCalls(connection: Connection): AzureCalls {
  const environment = environmentOf(connection.settings['azure_environment']);
  const vaultHost = `${text(connection, 'azure_service_name').toLowerCase()}.${environment.vaultSuffix}`;
  const agent = tunnelThrough(connection.tlsProxy);
  const credential = clientCredential({
    agent,
    authorityHost: process.env['AZURE_AUTHORITY_HOST'] || environment.authorityHost,
    tenant: text(connection, 'azure_tenant'),
    clientId: text(connection, 'azure_service_principal_client_id'),
    password: text(connection, 'azure_service_principal_password'),
    scope: `https://${environment.vaultSuffix}/.default`,
  });
  const client = new KeyClient(`https://${vaultHost}`, credential, {
    retryOptions: { maxRetries: 0 },
    // A redirect would carry the request, and key material in it, elsewhere.
    redirectOptions: { maxRetries: 0 },
    additionalPolicies: [{ policy: ownPolicy(process.env['AZURE_KEY_VAULT_ENDPOINT'], agent), position: 'perRetry' }],
  });

  return {
    vaultHost,
    newest: (name, signal) =>
      orAbsent(() => looking(signal, 'get key', async () => keyFrom(await client.getKey(name)))),
    version: (name, version, signal) =>
      orAbsent(() => looking(signal, 'get key', async () => keyFrom(await client.getKey(name, { version })))),
    versions: async (name, signal) => {
      const found = await orAbsent(() =>
        looking(signal, 'list key versions', () => everyItem(client.listPropertiesOfKeyVersions(name))),
      );
      return (found ?? []).map(versionFrom);
    },
    deleted: (name, signal) =>
      orAbsent(() => looking(signal, 'get deleted key', async () => deletedFrom(await client.getDeletedKey(name)))),
    page: (of, after, signal, size = 25) => {
      if (after !== undefined) requireOwnHost(after, vaultHost);
      const continuation = after === undefined ? { maxPageSize: size } : { continuationToken: after };
      return looking(signal, of === 'keys' ? 'list keys' : 'list deleted keys', async (context) => {
        const items =
          of === 'keys'
            ? await firstPage(client.listPropertiesOfKeys().byPage(continuation))
            : (await firstPage(client.listDeletedKeys().byPage(continuation))).map(({ properties }) => properties);
        return { keys: items.map(listedFrom), next: context.nextLink };
      });
    },

    createKey: (name, key, signal) =>
      until(signal, 'create key', async () =>
        keyFrom(
          await client.createKey(name, key.keyType, {
            ...(key.bits === undefined ? {} : { keySize: key.bits }),
            ...(key.curve === undefined ? {} : { curve: key.curve }),
            keyOps: [...key.operations],
            enabled: true,
            tags: { ...key.tags },
          }),
        ),
      ),
    importKey: (name, key, signal) =>
      until(signal, 'import key', async () =>
        keyFrom(
          await client.importKey(
            name,
            { ...key.jwk, keyOps: [...key.operations] },
            {
              hardwareProtected: key.hardware,
              enabled: true,
              tags: { ...key.tags },
            },
          ),
        ),
      ),
    update: ({ name, version }, change, signal) =>
      until(signal, 'update key', async () => {
        await client.updateKeyProperties(name, version, {
          ...(change.enabled === undefined ? {} : { enabled: change.enabled }),
          ...(change.notBefore === undefined ? {} : { notBefore: change.notBefore }),
          ...(change.expires === undefined ? {} : { expiresOn: change.expires }),
          ...(change.tags === undefined ? {} : { tags: { ...change.tags } }),
        });
      }),
    delete: (name, signal) =>
      until(signal, 'delete key', async () => {
        await client.beginDeleteKey(name, NO_POLLING);
      }),
    recover: (name, signal) =>
      until(signal, 'recover deleted key', async () => {
        await client.beginRecoverDeletedKey(name, NO_POLLING);
      }),
  };
}

/** What a pipeline policy of the SDK is, as far as ours goes. */
type Policy = Exclude<ConstructorParameters<typeof KeyClient>[2], undefined>['additionalPolicies'] extends
  readonly (infer Each)[] | undefined
  ? Each extends { policy: infer P }
    ? P
    : never
  : never;

/** Gives every request its time and its signal, keeps the link to the next page, and leads to a stand-in where there is one. */
function ownPolicy(standIn: string | undefined, agent: Agent | undefined): Policy {
  return {
    name: 'shearlinePolicy',
    async sendRequest(request, next) {
      const context = callContext.getStore();
      request.timeout = PATIENCE_MS;
      if (agent !== undefined) request.agent = agent;
      if (context !== undefined) request.abortSignal = context.signal;
      const { url } = request;
      if (standIn !== undefined && standIn !== '') {
        const { host, pathname, search } = new URL(url);
        request.headers.set('host', host);
        request.url = `${standIn.replace(/\/$/, '')}${pathname}${search}`;
        request.allowInsecureConnection = true;
      }
      try {
        const response = await next(request);
        if (context !== undefined) {
          context.nextLink = nextLinkOf(response.bodyAsText);
          context.refusal = response.status < 400 ? undefined : (response.bodyAsText ?? undefined);
        }
        return response;
      } finally {
        // The SDK compares the challenge with where the request was meant to go.
        request.url = url;
      }
    },
  };
}

function nextLinkOf(body: string | null | undefined): string | undefined {
  if (body?.includes('"nextLink"') !== true) return undefined;
  const answer: unknown = JSON.parse(body);
  const link = typeof answer === 'object' && answer !== null && 'nextLink' in answer ? answer.nextLink : undefined;
  return typeof link === 'string' && link !== '' ? link : undefined;
}

/** A link leads where the token is sent: never anywhere but to the vault. */
function requireOwnHost(link: string, vaultHost: string): void {
  if (URL.canParse(link)) {
    const { protocol, host } = new URL(link);
    if (protocol === 'https:' && host.toLowerCase() === vaultHost) return;
  }
  throw new KeystoreFault('broken', 'The listing cannot go on: the link to its next page leads out of the vault.');
}

/** Lets go of `work` when the signal aborts, also where the SDK does not listen to it. */
async function until<T>(signal: AbortSignal, call: string, work: (context: CallContext) => Promise<T>): Promise<T> {
  if (signal.aborted) throw abandoned(call, signal.reason);
  const context: CallContext = { signal, nextLink: undefined, refusal: undefined };
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => {
      reject(abandoned(call, signal.reason));
    };
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([callContext.run(context, () => work(context)), aborted]);
  } catch (error) {
    throw faultFrom(error, call, context.refusal);
  } finally {
    if (stop !== undefined) signal.removeEventListener('abort', stop);
  }
}

/** As `until`, for calls that change nothing: once more when the connection broke, as one kept open for long may. */
async function looking<T>(signal: AbortSignal, call: string, work: (context: CallContext) => Promise<T>): Promise<T> {
  try {
    return await until(signal, call, work);
  } catch (error) {
    if (!isFault(error, 'unreachable') || signal.aborted || !/\b(ECONNRESET|EPIPE)\b/.test(error.message)) throw error;
    return until(signal, call, work);
  }
}

/** Azure's own word that there is no such key, and nothing else, becomes undefined. */
async function orAbsent<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if (isFault(error, 'not_found')) return undefined;
    throw error;
  }
}

async function everyItem<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function firstPage<T>(pages: ReturnType<PagedAsyncIterableIterator<T, T[]>['byPage']>): Promise<readonly T[]> {
  for await (const page of pages) return page;
  return [];
}

function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new KeystoreFault('broken', `Azure Key Vault answered with a key without ${what}.`);
  return value;
}

function listedFrom(properties: KeyProperties & { readonly scheduledPurgeDate?: Date }): AzureListedKey {
  return {
    purgeAt: properties.scheduledPurgeDate,
    id: required(properties.id, 'kid'),
    name: properties.name,
    enabled: properties.enabled !== false,
    notBefore: properties.notBefore,
    expires: properties.expiresOn,
    createdAt: properties.createdOn,
    tags: Object.entries(properties.tags ?? {}).map(([name, value]) => ({ name, value })),
  };
}

function versionFrom(properties: KeyProperties): AzureVersion {
  return { ...listedFrom(properties), version: required(properties.version, 'version') };
}

function keyFrom(key: KeyVaultKey): AzureKey {
  const members = key.key ?? {};
  return {
    ...versionFrom(key.properties),
    keyType: required(key.keyType, 'kty'),
    curve: members.crv,
    operations: key.keyOperations ?? [],
    isOfCertificate: key.properties.managed === true,
    publicKey: publicKeyOf(members),
    fingerprint: fingerprintOf(members),
  };
}

function deletedFrom(key: DeletedKey): AzureDeletedKey {
  return { ...versionFrom(key.properties), purgeAt: key.properties.scheduledPurgeDate };
}
