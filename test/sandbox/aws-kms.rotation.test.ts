import {
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  EnableKeyRotationCommand,
  EncryptCommand,
  GetKeyRotationStatusCommand,
  ListKeyRotationsCommand,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms';
import type { CreateKeyCommandInput } from '@aws-sdk/client-kms';
import { describe, expect, it } from 'vitest';
import type { EventBridgeEvent } from '../../sandbox/aws-kms/server.ts';
import { day, given, refusal, useKms } from './kms-client.ts';

const kms = useKms();

async function newKey(members: CreateKeyCommandInput = {}): Promise<string> {
  return given((await kms.client().send(new CreateKeyCommand(members))).KeyMetadata?.KeyId);
}
const materialOf = async (KeyId: string) =>
  (await kms.client().send(new DescribeKeyCommand({ KeyId }))).KeyMetadata?.CurrentKeyMaterialId;
const rotate = (KeyId: string) => kms.client().send(new RotateKeyOnDemandCommand({ KeyId }));

describe('rotation on demand', () => {
  it('makes new material current, tells so, and keeps the old for decryption', async () => {
    const KeyId = await newKey();
    const events: EventBridgeEvent[] = [];
    const stop = kms.sandbox.on('event', (event) => events.push(event));
    const first = await materialOf(KeyId);
    const old = await kms.client().send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('old') }));
    await rotate(KeyId);
    const second = await materialOf(KeyId);
    expect(second).not.toBe(first);
    const opened = await kms.client().send(new DecryptCommand({ CiphertextBlob: old.CiphertextBlob }));
    expect(opened.KeyMaterialId).toBe(first);
    expect(events.find((event) => event['detail-type'] === 'KMS CMK Rotation')?.detail).toEqual({
      'key-id': KeyId,
      'key-origin': 'AWS_KMS',
      'rotation-type': 'ON_DEMAND',
      'previous-key-material-id': first,
      'current-key-material-id': second,
    });
    stop();
  });

  it('is allowed 25 times', async () => {
    const KeyId = await newKey();
    for (let count = 0; count < 25; count += 1) await rotate(KeyId);
    expect((await refusal(rotate(KeyId))).name).toBe('LimitExceededException');
    const { Rotations } = await kms.client().send(new ListKeyRotationsCommand({ KeyId }));
    expect(Rotations).toHaveLength(25);
    const all = await kms
      .client()
      .send(new ListKeyRotationsCommand({ KeyId, IncludeKeyMaterial: 'ALL_KEY_MATERIAL', Limit: 20 }));
    expect(all).toMatchObject({ Truncated: true });
    const rest = await kms
      .client()
      .send(new ListKeyRotationsCommand({ KeyId, IncludeKeyMaterial: 'ALL_KEY_MATERIAL', Marker: all.NextMarker }));
    expect(rest.Rotations).toHaveLength(6);
  });

  it.each([
    { KeySpec: 'RSA_2048', KeyUsage: 'SIGN_VERIFY' },
    { KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' },
  ] as const)('is refused for $KeySpec', async (members) => {
    expect((await refusal(rotate(await newKey(members)))).name).toBe('UnsupportedOperationException');
  });
});

describe('automatic rotation', () => {
  const statusOf = (KeyId: string) => kms.client().send(new GetKeyRotationStatusCommand({ KeyId }));

  it('happens every period, with an event each time', async () => {
    const KeyId = await newKey();
    const first = await materialOf(KeyId);
    await kms.client().send(new EnableKeyRotationCommand({ KeyId, RotationPeriodInDays: 90 }));
    expect(await statusOf(KeyId)).toMatchObject({ KeyRotationEnabled: true, RotationPeriodInDays: 90 });
    kms.clock.advance(91 * day);
    expect(await materialOf(KeyId)).not.toBe(first);
    kms.clock.advance(90 * day);
    const { Rotations } = await kms.client().send(new ListKeyRotationsCommand({ KeyId }));
    expect(Rotations?.map(({ RotationType }) => RotationType)).toEqual(['AUTOMATIC', 'AUTOMATIC']);
  });

  it('shows as off while the key is pending deletion', async () => {
    const KeyId = await newKey();
    await kms.client().send(new EnableKeyRotationCommand({ KeyId }));
    await kms.client().send(new ScheduleKeyDeletionCommand({ KeyId }));
    expect(await statusOf(KeyId)).toMatchObject({ KeyRotationEnabled: false });
  });
});
