import { randomUUID } from 'node:crypto';
import type { KmsKey } from './key.ts';
import type { Call } from './operation.ts';
import { lowerFirst } from './schema.ts';

/** An event as EventBridge delivers it. */
export interface EventBridgeEvent {
  version: '0';
  id: string;
  'detail-type': string;
  source: 'aws.kms';
  account: string;
  time: string;
  region: string;
  resources: string[];
  detail: Record<string, unknown>;
}

function envelope(place: { accountId: string; region: string }, type: string, now: number): EventBridgeEvent {
  return {
    version: '0',
    id: randomUUID(),
    'detail-type': type,
    source: 'aws.kms',
    account: place.accountId,
    time: new Date(now).toISOString().replace(/\.\d{3}/, ''),
    region: place.region,
    resources: [],
    detail: {},
  };
}

const ofKey = (key: KmsKey, type: string, now: number, detail: Record<string, unknown>): EventBridgeEvent => ({
  ...envelope(key, type, now),
  resources: [key.arn],
  detail: { 'key-id': key.keyId, ...detail },
});

export const deletionEvent = (key: KmsKey, now: number): EventBridgeEvent => ofKey(key, 'KMS CMK Deletion', now, {});

export const expirationEvent = (key: KmsKey, materialId: string, now: number): EventBridgeEvent =>
  ofKey(key, 'KMS Imported Key Material Expiration', now, { 'key-material-id': materialId });

export const rotationEvent = (
  key: KmsKey,
  type: 'AUTOMATIC' | 'ON_DEMAND',
  materials: { previous: string; current: string },
  now: number,
): EventBridgeEvent =>
  ofKey(key, 'KMS CMK Rotation', now, {
    'key-origin': key.origin,
    'rotation-type': type,
    'previous-key-material-id': materials.previous,
    'current-key-material-id': materials.current,
  });

/** CloudTrail leaves these out of its records. */
const neverRecorded = new Set([
  'ImportToken',
  'EncryptedKeyMaterial',
  'KeyStorePassword',
  'TrustAnchorCertificate',
  'Policy',
  'Plaintext',
  'Message',
]);

/** What CloudTrail tells EventBridge of one call that changed something. */
export function apiCallEvent(
  call: Call,
  input: unknown,
  answer: Record<string, unknown> | undefined,
): EventBridgeEvent {
  const { world, now, principal, operation, requestId } = call;
  return {
    ...envelope(world, 'AWS API Call via CloudTrail', now),
    detail: {
      eventVersion: '1.11',
      userIdentity: {
        type: 'IAMUser',
        principalId: principal.accessKeyId,
        arn: principal.arn,
        accountId: principal.accountId,
        accessKeyId: principal.accessKeyId,
        userName: principal.userName,
      },
      eventTime: new Date(now).toISOString().replace(/\.\d{3}/, ''),
      eventSource: 'kms.amazonaws.com',
      eventName: operation,
      awsRegion: world.region,
      sourceIPAddress: '127.0.0.1',
      userAgent: principal.userAgent,
      requestParameters: camelCased(input),
      responseElements: answer ? camelCased(answer) : null,
      requestID: requestId,
      eventID: randomUUID(),
      readOnly: false,
      resources: [...call.touched].map((arn) => ({
        accountId: world.accountId,
        type: arn.includes(':alias/') ? 'AWS::KMS::Alias' : 'AWS::KMS::Key',
        ARN: arn,
      })),
      eventType: 'AwsApiCall',
      managementEvent: true,
      recipientAccountId: world.accountId,
      eventCategory: 'Management',
    },
  };
}

function camelCased(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(camelCased);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !neverRecorded.has(name))
      .map(([name, member]) => [lowerFirst(name), camelCased(member)]),
  );
}
