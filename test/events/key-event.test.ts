import { describe, expect, it } from 'vitest';
import { keyEventFrom } from '../../lib/events/key-event.ts';

const KEY = 'arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';
const envelope = (detailType: string, detail: object, resources: readonly string[] = []) => ({
  version: '0',
  id: '6a7e8feb-b491-4cf7-a9f1-bf3703467718',
  'detail-type': detailType,
  source: 'aws.kms',
  account: '111122223333',
  time: '2026-11-22T03:11:54Z',
  region: 'us-west-2',
  resources,
  detail,
});
const call = (eventName: string, more: object) =>
  envelope('AWS API Call via CloudTrail', {
    eventVersion: '1.08',
    eventTime: '2026-11-22T03:11:53Z',
    eventSource: 'kms.amazonaws.com',
    eventName,
    eventID: 'd63001e2-dbc6-4aae-90cb-e5370aca7125',
    readOnly: false,
    ...more,
  });
const keysOf = (event: object) => keyEventFrom(event)?.keys;

describe('the keys that an event of AWS KMS names', () => {
  it('are among the resources of a call, once, and not its alias', () => {
    const event = call('UpdateAlias', {
      requestParameters: { aliasName: 'alias/my_alias', targetKeyId: '1234abcd-12ab-34cd-56ef-1234567890ab' },
      responseElements: { keyId: KEY },
      resources: [
        {
          accountId: '111122223333',
          type: 'AWS::KMS::Alias',
          ARN: 'arn:aws:kms:us-west-2:111122223333:alias/my_alias',
        },
        { accountId: '111122223333', type: 'AWS::KMS::Key', ARN: KEY },
      ],
    });
    expect(keyEventFrom(event)).toEqual({
      id: 'd63001e2-dbc6-4aae-90cb-e5370aca7125',
      name: 'UpdateAlias',
      at: new Date('2026-11-22T03:11:53Z'),
      keys: [KEY],
      movedAlias: { account: '111122223333', region: 'us-west-2', name: 'my_alias' },
    });
  });

  it('are found from the key id alone, in the partition of the region', () => {
    const id = 'mrk-1234abcd12ab34cd56ef1234567890ab';
    expect(
      keysOf(call('DisableKey', { requestParameters: { keyId: id }, responseElements: null, resources: null })),
    ).toEqual([`arn:aws:kms:us-west-2:111122223333:key/${id}`]);
    const inChina = { ...call('DisableKey', { requestParameters: { keyId: id } }), region: 'cn-north-1' };
    expect(keysOf(inChina)).toEqual([`arn:aws-cn:kms:cn-north-1:111122223333:key/${id}`]);
  });

  it('are those of another account where its key is named by its ARN', () => {
    const foreign = KEY.replace('111122223333', '444455556666');
    expect(keysOf(call('EnableKey', { requestParameters: { keyId: foreign } }))).toEqual([foreign]);
  });

  it('are none where only an alias is named', () => {
    expect(keysOf(call('DeleteAlias', { requestParameters: { aliasName: 'alias/x' } }))).toEqual([]);
    expect(keysOf(call('DisableKey', { requestParameters: { keyId: 'alias/x' } }))).toEqual([]);
  });

  it.each(['KMS CMK Deletion', 'KMS CMK Rotation', 'KMS Imported Key Material Expiration'])(
    'are the resources of “%s”, which is told once for each event',
    (type) => {
      expect(keyEventFrom(envelope(type, { 'key-id': KEY.split('/')[1] }, [KEY]))).toMatchObject({
        id: '6a7e8feb-b491-4cf7-a9f1-bf3703467718',
        name: type,
        keys: [KEY],
        movedAlias: undefined,
      });
    },
  );
});

describe('an event that tells of no change', () => {
  it('is a call that failed', () => {
    const failed = { errorCode: 'KMSInvalidStateException', requestParameters: { keyId: KEY } };
    expect(keyEventFrom(call('DisableKey', failed))).toBeUndefined();
  });

  it.each([undefined, {}, { source: 'aws.s3' }, call('DisableKey', { eventID: 7 })])('is refused: %o', (event) => {
    expect(() => keyEventFrom(event)).toThrow();
  });
});
