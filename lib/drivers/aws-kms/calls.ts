import type {
  AliasListEntry,
  CreateKeyRequest,
  CustomKeyStoresListEntry,
  ImportKeyMaterialRequest,
  KeyMetadata,
  KeyState,
  RotationsListEntry,
  WrappingKeySpec,
} from '@aws-sdk/client-kms';
import {
  CancelKeyDeletionCommand,
  CreateAliasCommand,
  CreateKeyCommand,
  DeleteAliasCommand,
  DescribeCustomKeyStoresCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  EncryptCommand,
  GetParametersForImportCommand,
  GetPublicKeyCommand,
  ImportKeyMaterialCommand,
  KMSClient,
  ListAliasesCommand,
  ListKeyRotationsCommand,
  ListKeysCommand,
  ListResourceTagsCommand,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateAliasCommand,
  UpdateKeyDescriptionCommand,
} from '@aws-sdk/client-kms';
import { accountOfRole } from '../../keystores/role.ts';
import type { Tag } from '../../tag.ts';
import { paced } from '../../pace/pace.ts';
import type { QuotaName } from '../../pace/quotas.ts';
import { KeystoreFault } from '../driver.ts';
import { tunnelThrough } from '../outgoing.ts';
import type { Connection, DirectWay } from '../registry.ts';
import { abandoned, faultFrom, isFault } from './faults.ts';
import type { AwsKeyRule } from './kind.ts';
import { assumedRole } from './role.ts';
import type { AwsCredentials } from './role.ts';

/** A KMS key as DescribeKey shows it, of which we use this much. */
export interface KmsKey {
  readonly arn: string;
  readonly state: KeyState;
  readonly createdAt: Date | undefined;
  readonly deletionDate: Date | undefined;
  /** Made by AWS for one of its services; nobody's to change. */
  readonly isOfAws: boolean;
  readonly description: string;
  /** `SYMMETRIC_DEFAULT`, `RSA_2048`, …; and what it is for (`ENCRYPT_DECRYPT`). */
  readonly keySpec: string | undefined;
  readonly keyUsage: string | undefined;
  /** Where its material comes from: `AWS_KMS`, `EXTERNAL`, `AWS_CLOUDHSM`, `EXTERNAL_KEY_STORE`. */
  readonly origin: string | undefined;
  readonly customKeyStoreId: string | undefined;
  readonly isMultiRegion: boolean;
  /** Only of symmetric encryption keys outside custom key stores; derived by AWS from the key's id and the bytes. */
  readonly materialId: string | undefined;
  /** When imported material ends by itself. We import none that does. */
  readonly materialExpires: Date | undefined;
}

/** What GetParametersForImport hands out: a public key to wrap under, good for this KMS key only and for 24 hours. */
export interface ImportParameters {
  readonly publicKey: Uint8Array;
  readonly token: Uint8Array;
}

/**
 * The calls of AWS KMS that the drivers use, one each, with AWS's paging followed where it is short. `keyId` is a key's id or
 * ARN; where said, an alias. Every one throws a `KeystoreFault` and nothing else.
 */
export interface KmsCalls {
  /** Takes an alias too. */
  describeKey(keyId: string, signal: AbortSignal): Promise<KmsKey>;
  /** A page of at most 1000. */
  listKeys(
    after: string | undefined,
    limit: number,
    signal: AbortSignal,
  ): Promise<{ arns: readonly string[]; next: string | undefined }>;
  /** A page of at most 100 of all aliases, or all of one key's. */
  listAliases(
    after: string | undefined,
    signal: AbortSignal,
  ): Promise<{ aliases: readonly AliasListEntry[]; next: string | undefined }>;
  aliasesOf(keyId: string, signal: AbortSignal): Promise<readonly string[]>;
  tagsOf(keyId: string, signal: AbortSignal): Promise<readonly Tag[]>;
  /** Every material of a symmetric key, current or not. */
  materialsOf(keyId: string, signal: AbortSignal): Promise<readonly RotationsListEntry[]>;
  /** SubjectPublicKeyInfo, DER. */
  publicKeyOf(keyId: string, signal: AbortSignal): Promise<Uint8Array>;
  customKeyStore(id: string, signal: AbortSignal): Promise<CustomKeyStoresListEntry>;

  /** Never repeated by the SDK: there is no idempotency token, so a repetition could make a twin. */
  createKey(request: CreateKeyRequest, signal: AbortSignal): Promise<KmsKey>;
  createAlias(alias: string, keyId: string, signal: AbortSignal): Promise<void>;
  updateAlias(alias: string, keyId: string, signal: AbortSignal): Promise<void>;
  deleteAlias(alias: string, signal: AbortSignal): Promise<void>;
  tag(keyId: string, tags: readonly Tag[], signal: AbortSignal): Promise<void>;
  untag(keyId: string, names: readonly string[], signal: AbortSignal): Promise<void>;
  describe(keyId: string, description: string, signal: AbortSignal): Promise<void>;
  enable(keyId: string, signal: AbortSignal): Promise<void>;
  disable(keyId: string, signal: AbortSignal): Promise<void>;
  scheduleDeletion(keyId: string, days: number, signal: AbortSignal): Promise<void>;
  cancelDeletion(keyId: string, signal: AbortSignal): Promise<void>;
  importParameters(keyId: string, wrapping: AwsKeyRule['wrapping'], signal: AbortSignal): Promise<ImportParameters>;
  /** Answers the material's id where the key has one. Never repeated by the SDK. */
  importMaterial(request: ImportKeyMaterialRequest, signal: AbortSignal): Promise<string | undefined>;
  /** Begins a rotation; DescribeKey shows when it is done. Never repeated by the SDK. */
  rotateOnDemand(keyId: string, signal: AbortSignal): Promise<void>;
  /** Encrypts a few bytes that mean nothing and forgets the answer. */
  probe(keyId: string, signal: AbortSignal): Promise<void>;
}

/** What a probe encrypts. */
const PROBE = new TextEncoder().encode('shearline probe');

function required<T>(value: T | undefined, call: string, what: string): T {
  if (value === undefined) throw new KeystoreFault('broken', `AWS KMS answered ${call} without ${what}.`);
  return value;
}

function keyFrom(metadata: KeyMetadata | undefined, call: string): KmsKey {
  const found = required(metadata, call, 'KeyMetadata');
  return {
    arn: required(found.Arn, call, 'Arn'),
    state: required(found.KeyState, call, 'KeyState'),
    createdAt: found.CreationDate,
    deletionDate: found.DeletionDate,
    isOfAws: found.KeyManager === 'AWS',
    description: found.Description ?? '',
    keySpec: found.KeySpec,
    keyUsage: found.KeyUsage,
    origin: found.Origin,
    customKeyStoreId: found.CustomKeyStoreId,
    isMultiRegion: found.MultiRegion === true,
    materialId: found.CurrentKeyMaterialId,
    materialExpires: found.ValidTo,
  };
}

/** Where a keystore's keys are; the account only where it is known. */
interface Place {
  readonly region: string;
  readonly account: string | undefined;
}

/**
 * AWS says of an ARN of another region only that it is not found. Of a keystore whose region was changed that would make all
 * keys absent, so it is never asked. Nor of one of another account, where a role says which account the keystore is.
 */
function inRegion(keyId: string, { region, account }: Place): string {
  const [scheme, , , actual, owner] = keyId.split(':');
  if (scheme === 'arn' && account !== undefined && owner !== account) {
    throw new KeystoreFault(
      'conflict',
      `${keyId} is not in the account ${account}, which is that of this keystore's role.`,
    );
  }
  if (scheme === 'arn' && actual !== region) {
    throw new KeystoreFault('conflict', `${keyId} is not in ${region}, the region of this keystore.`);
  }
  return keyId;
}

/** Lets go of `work` when the signal aborts, also between the SDK's own attempts, which do not listen to it. */
async function until<T>(signal: AbortSignal, call: string, work: () => Promise<T>): Promise<T> {
  if (signal.aborted) throw abandoned(call, signal.reason);
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => {
      reject(abandoned(call, signal.reason));
    };
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work(), aborted]);
  } catch (error) {
    throw faultFrom(error, call);
  } finally {
    if (stop !== undefined) signal.removeEventListener('abort', stop);
  }
}

function text(connection: Connection, name: string): string | undefined {
  const value = connection.credentials[name] ?? connection.settings[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The keystore's own access key; undefined when it has none, and the function's role is to be used. */
function accessKeyOf(connection: Connection): AwsCredentials | undefined {
  const accessKeyId = text(connection, 'aws_access_key_id');
  const secretAccessKey = text(connection, 'aws_secret_access_key');
  const sessionToken = text(connection, 'aws_session_token');
  if (accessKeyId === undefined && secretAccessKey === undefined) return undefined;
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw new KeystoreFault('denied', 'aws_access_key_id and aws_secret_access_key must be given together.');
  }
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

/** As whom the calls are made: as `aws_role_arn`, assumed with the access key or the function's role; or as one of those. */
function credentialsOf(connection: Connection): AwsCredentials | (() => Promise<AwsCredentials>) | undefined {
  const as = accessKeyOf(connection);
  const roleArn = text(connection, 'aws_role_arn');
  if (roleArn === undefined) return as;
  const { keystoreId, externalId } = connection;
  if (externalId === undefined) throw new KeystoreFault('unsupported', 'The keystore has no external id for its role.');
  return assumedRole({ roleArn, externalId, keystoreId, region: regionOf(connection), as });
}

/** The region of a keystore, in AWS's spelling (`us-east-1`). */
export function regionOf(connection: Connection): string {
  const region = text(connection, 'aws_region');
  if (region === undefined) throw new KeystoreFault('unsupported', 'The keystore has no aws_region.');
  return region;
}

/**
 * The calls over the AWS SDK. Two clients, because the SDK sets the number of attempts per client: one that never repeats a
 * call, for those that are not safe to repeat, and one that does.
 */
export function connectCalls(connection: Connection): KmsCalls {
  const region = regionOf(connection);
  const place: Place = { region, account: accountOfRole(text(connection, 'aws_role_arn') ?? '') };
  const credentials = credentialsOf(connection);
  const httpsAgent = tunnelThrough(connection.tlsProxy);
  const client = (maxAttempts: number) =>
    new KMSClient({
      region,
      maxAttempts,
      // Milliseconds. Without `throwOnRequestTimeout` the SDK would only log a request that takes longer.
      requestHandler: {
        connectionTimeout: 2_000,
        requestTimeout: 5_000,
        throwOnRequestTimeout: true,
        ...(httpsAgent === undefined ? {} : { httpsAgent }),
      },
      ...(credentials === undefined ? {} : { credentials }),
    });
  // What is paced is repeated by its pace, which must see every throttle.
  const repeating = client(connection.pace === undefined ? 2 : 1);
  const single = client(1);
  const describeBySdk: KmsCalls['describeKey'] = (keyId, signal) =>
    until(signal, 'DescribeKey', async () => {
      const answer = await repeating.send(new DescribeKeyCommand({ KeyId: inRegion(keyId, place) }), {
        abortSignal: signal,
      });
      return keyFrom(answer.KeyMetadata, 'DescribeKey');
    });

  const calls: KmsCalls = {
    describeKey:
      connection.pace === undefined || connection.direct === undefined || connection.tlsProxy !== undefined
        ? describeBySdk
        : describeDirectly(single, place, connection.direct),
    listKeys: (after, limit, signal) =>
      until(signal, 'ListKeys', async () => {
        const answer = await repeating.send(new ListKeysCommand({ Limit: limit, Marker: after }), {
          abortSignal: signal,
        });
        return {
          arns: (answer.Keys ?? []).map((key) => required(key.KeyArn, 'ListKeys', 'KeyArn')),
          next: answer.NextMarker,
        };
      }),
    listAliases: (after, signal) =>
      until(signal, 'ListAliases', async () => {
        const answer = await repeating.send(new ListAliasesCommand({ Limit: 100, Marker: after }), {
          abortSignal: signal,
        });
        return { aliases: answer.Aliases ?? [], next: answer.NextMarker };
      }),
    aliasesOf: (keyId, signal) =>
      until(signal, 'ListAliases', () =>
        everyPage(async (marker) => {
          const answer = await repeating.send(new ListAliasesCommand({ KeyId: keyId, Limit: 100, Marker: marker }), {
            abortSignal: signal,
          });
          return [(answer.Aliases ?? []).flatMap((alias) => alias.AliasName ?? []), answer.NextMarker];
        }),
      ),
    tagsOf: (keyId, signal) =>
      until(signal, 'ListResourceTags', () =>
        everyPage(async (marker) => {
          const answer = await repeating.send(
            new ListResourceTagsCommand({ KeyId: inRegion(keyId, place), Limit: 50, Marker: marker }),
            {
              abortSignal: signal,
            },
          );
          const tags = (answer.Tags ?? []).map((tag) => ({ name: tag.TagKey ?? '', value: tag.TagValue ?? '' }));
          return [tags, answer.NextMarker];
        }),
      ),
    materialsOf: (keyId, signal) =>
      until(signal, 'ListKeyRotations', () =>
        everyPage(async (marker) => {
          const command = new ListKeyRotationsCommand({
            KeyId: keyId,
            IncludeKeyMaterial: 'ALL_KEY_MATERIAL',
            Marker: marker,
          });
          const answer = await repeating.send(command, { abortSignal: signal });
          return [answer.Rotations ?? [], answer.NextMarker];
        }),
      ),
    publicKeyOf: (keyId, signal) =>
      until(signal, 'GetPublicKey', async () => {
        const answer = await repeating.send(new GetPublicKeyCommand({ KeyId: keyId }), { abortSignal: signal });
        return required(answer.PublicKey, 'GetPublicKey', 'PublicKey');
      }),
    customKeyStore: (id, signal) =>
      until(signal, 'DescribeCustomKeyStores', async () => {
        const answer = await repeating.send(new DescribeCustomKeyStoresCommand({ CustomKeyStoreId: id }), {
          abortSignal: signal,
        });
        return required(answer.CustomKeyStores?.[0], 'DescribeCustomKeyStores', `the custom key store ${id}`);
      }),

    createKey: (request, signal) =>
      until(signal, 'CreateKey', async () => {
        const answer = await single.send(new CreateKeyCommand(request), { abortSignal: signal });
        return keyFrom(answer.KeyMetadata, 'CreateKey');
      }),
    createAlias: (alias, keyId, signal) =>
      until(signal, 'CreateAlias', async () => {
        await repeating.send(new CreateAliasCommand({ AliasName: alias, TargetKeyId: keyId }), { abortSignal: signal });
      }),
    updateAlias: (alias, keyId, signal) =>
      until(signal, 'UpdateAlias', async () => {
        await repeating.send(new UpdateAliasCommand({ AliasName: alias, TargetKeyId: keyId }), { abortSignal: signal });
      }),
    deleteAlias: (alias, signal) =>
      until(signal, 'DeleteAlias', async () => {
        await repeating.send(new DeleteAliasCommand({ AliasName: alias }), { abortSignal: signal });
      }),
    tag: (keyId, tags, signal) =>
      until(signal, 'TagResource', async () => {
        await repeating.send(new TagResourceCommand({ KeyId: keyId, Tags: toAwsTags(tags) }), { abortSignal: signal });
      }),
    untag: (keyId, names, signal) =>
      until(signal, 'UntagResource', async () => {
        await repeating.send(new UntagResourceCommand({ KeyId: keyId, TagKeys: [...names] }), { abortSignal: signal });
      }),
    describe: (keyId, description, signal) =>
      until(signal, 'UpdateKeyDescription', async () => {
        await repeating.send(new UpdateKeyDescriptionCommand({ KeyId: keyId, Description: description }), {
          abortSignal: signal,
        });
      }),
    enable: (keyId, signal) =>
      until(signal, 'EnableKey', async () => {
        await repeating.send(new EnableKeyCommand({ KeyId: keyId }), { abortSignal: signal });
      }),
    disable: (keyId, signal) =>
      until(signal, 'DisableKey', async () => {
        await repeating.send(new DisableKeyCommand({ KeyId: keyId }), { abortSignal: signal });
      }),
    scheduleDeletion: (keyId, days, signal) =>
      until(signal, 'ScheduleKeyDeletion', async () => {
        await repeating.send(new ScheduleKeyDeletionCommand({ KeyId: keyId, PendingWindowInDays: days }), {
          abortSignal: signal,
        });
      }),
    cancelDeletion: (keyId, signal) =>
      until(signal, 'CancelKeyDeletion', async () => {
        await repeating.send(new CancelKeyDeletionCommand({ KeyId: keyId }), { abortSignal: signal });
      }),
    importParameters: (keyId, wrapping, signal) =>
      until(signal, 'GetParametersForImport', async () => {
        const command = new GetParametersForImportCommand({
          KeyId: keyId,
          WrappingAlgorithm: wrapping,
          WrappingKeySpec: 'RSA_4096' satisfies WrappingKeySpec,
        });
        const answer = await repeating.send(command, { abortSignal: signal });
        return {
          publicKey: required(answer.PublicKey, 'GetParametersForImport', 'PublicKey'),
          token: required(answer.ImportToken, 'GetParametersForImport', 'ImportToken'),
        };
      }),
    importMaterial: (request, signal) =>
      until(signal, 'ImportKeyMaterial', async () => {
        const answer = await single.send(new ImportKeyMaterialCommand(request), { abortSignal: signal });
        return answer.KeyMaterialId;
      }),
    rotateOnDemand: (keyId, signal) =>
      until(signal, 'RotateKeyOnDemand', async () => {
        await single.send(new RotateKeyOnDemandCommand({ KeyId: keyId }), { abortSignal: signal });
      }),
    probe: (keyId, signal) =>
      until(signal, 'Encrypt', async () => {
        await repeating.send(new EncryptCommand({ KeyId: keyId, Plaintext: PROBE }), { abortSignal: signal });
      }),
  };
  return paced(calls, connection.pace, CALL_QUOTAS);
}

/** A socket that AWS closed while it lay idle says nothing about the key: asked once more. */
function describeDirectly(client: KMSClient, place: Place, load: DirectWay): KmsCalls['describeKey'] {
  const open = async () => (await load()).directDescribe(client, SWEEP_CONNECTIONS);
  let opening: ReturnType<typeof open> | undefined;
  return async (keyId, signal) => {
    inRegion(keyId, place);
    const describe = await (opening ??= open());
    try {
      return keyFrom(await describe(keyId, signal), 'DescribeKey');
    } catch (error) {
      if (signal.aborted || !isFault(error, 'unreachable')) throw error;
      return keyFrom(await describe(keyId, signal), 'DescribeKey');
    }
  };
}

/** Sockets of a sweep to one keystore. */
const SWEEP_CONNECTIONS = 64;

const CALL_QUOTAS: Readonly<Record<keyof KmsCalls, QuotaName>> = {
  describeKey: 'aws.DescribeKey',
  listKeys: 'aws.ListKeys',
  listAliases: 'aws.ListAliases',
  aliasesOf: 'aws.ListAliases',
  tagsOf: 'aws.ListResourceTags',
  materialsOf: 'aws.ListKeyRotations',
  publicKeyOf: 'aws.GetPublicKey',
  customKeyStore: 'aws.DescribeCustomKeyStores',
  createKey: 'aws.CreateKey',
  createAlias: 'aws.CreateAlias',
  updateAlias: 'aws.UpdateAlias',
  deleteAlias: 'aws.DeleteAlias',
  tag: 'aws.TagResource',
  untag: 'aws.UntagResource',
  describe: 'aws.UpdateKeyDescription',
  enable: 'aws.EnableKey',
  disable: 'aws.DisableKey',
  scheduleDeletion: 'aws.ScheduleKeyDeletion',
  cancelDeletion: 'aws.CancelKeyDeletion',
  importParameters: 'aws.GetParametersForImport',
  importMaterial: 'aws.ImportKeyMaterial',
  rotateOnDemand: 'aws.RotateKeyOnDemand',
  probe: 'aws.Encrypt',
};

/** Our tags in the shape of the API. */
export function toAwsTags(tags: readonly Tag[]): { TagKey: string; TagValue: string }[] {
  return tags.map((tag) => ({ TagKey: tag.name, TagValue: tag.value }));
}

async function everyPage<T>(
  page: (marker: string | undefined) => Promise<[readonly T[], string | undefined]>,
): Promise<readonly T[]> {
  const all: T[] = [];
  let marker: string | undefined;
  do {
    const [items, next] = await page(marker);
    all.push(...items);
    marker = next;
  } while (marker !== undefined);
  return all;
}
