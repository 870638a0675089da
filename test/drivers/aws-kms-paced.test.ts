import { sign } from 'aws4';
import fc from 'fast-check';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectCalls } from '../../lib/drivers/aws-kms/calls.ts';
import type { KmsCalls } from '../../lib/drivers/aws-kms/calls.ts';
import { connect } from '../../lib/drivers/aws-kms/driver.ts';
import { awsKmsKind } from '../../lib/drivers/aws-kms/kind.ts';
import { KmsSigner } from '../../lib/drivers/aws-kms/signature.ts';
import type { KeySpec } from '../../lib/drivers/driver.ts';
import { Pace } from '../../lib/pace/pace.ts';
import { AWS_IMPORTS, makeMaterial } from './aws-material.ts';
import type { AwsKeystore } from './aws-sandbox.ts';
import { openAwsKeystore } from './aws-sandbox.ts';
import { driverContract, faultOf, newKey, patience, run } from './contract.ts';

const directWay = () => import('../../lib/drivers/aws-kms/direct.ts');

const IMPORTED: KeySpec = { algorithm: 'aes', size: '256', material: 'imported', properties: {} };

/** No quota, and little patience between throttled attempts. */
const pace = () =>
  new Pace(
    { readShare: Number.POSITIVE_INFINITY, changeShare: Number.POSITIVE_INFINITY, quotas: {} },
    { now: () => performance.now(), sleep: (ms) => wait(ms / 200) },
  );

driverContract('aws_kms as a sweep reads it', {
  kind: awsKmsKind,
  open: () => openAwsKeystore({ connect: (connection) => connect({ ...connection, pace: pace(), direct: directWay }) }),
  spec: IMPORTED,
  imports: AWS_IMPORTS.slice(0, 1),
  unsupported: {},
});

describe('DescribeKey without the SDK', () => {
  let keystore: AwsKeystore;
  let direct: KmsCalls;
  let sdk: KmsCalls;

  beforeAll(async () => {
    keystore = await openAwsKeystore({ connect });
    direct = connectCalls({ ...keystore.connection(), pace: pace(), direct: directWay });
    sdk = connectCalls(keystore.connection());
  });
  beforeEach(() => {
    keystore.mend();
  });
  afterAll(() => keystore.close());

  it('tells what the SDK tells, of keys of every sort and in every state', async () => {
    const driver = keystore.connect();
    const { operator } = keystore.sandbox;
    const make = async (spec: KeySpec) => {
      const made = await run(driver, 'create', newKey(spec, keystore.now()));
      const key = spec.material === 'imported' ? await run(driver, 'import', made, makeMaterial(spec)) : made;
      return key.binding?.idInKeystore ?? '';
    };
    const arns = await Promise.all([
      make(IMPORTED),
      make({ ...IMPORTED, material: 'native' }),
      make({ algorithm: 'ec', size: '256', material: 'native', properties: {} }),
      make({ algorithm: 'hmac', size: '256', material: 'native', properties: {} }),
      make(IMPORTED),
      make(IMPORTED),
      make(IMPORTED),
    ]);
    const [, , , , disabled, deleted, empty] = arns;
    await operator.disable(disabled);
    await operator.scheduleDeletion(deleted);
    operator.loseMaterial(empty);
    for (const arn of arns) {
      expect(await direct.describeKey(arn, patience())).toEqual(await sdk.describeKey(arn, patience()));
    }
  });

  it('fails as the SDK does: with the same kind, message and code', async () => {
    const unknown = `arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-4000-8000-000000000000`;
    const elsewhere = unknown.replace('eu-central-1', 'us-east-1');
    for (const id of [unknown, 'alias/nobody', 'alias/aws/has spaces', elsewhere, '']) {
      const [one, other] = [
        await faultOf(direct.describeKey(id, patience())),
        await faultOf(sdk.describeKey(id, patience())),
      ];
      expect({ kind: one.kind, message: one.message, code: one.providerCode }).toEqual({
        kind: other.kind,
        message: other.message,
        code: other.providerCode,
      });
    }
    for (const kind of ['denied', 'throttle', 'reset_before', 'reset_after'] as const) {
      keystore.sandbox.faults.add({ kind, operation: 'DescribeKey' });
      const one = await faultOf(direct.describeKey('alias/x', patience()));
      const other = await faultOf(sdk.describeKey('alias/x', patience()));
      expect(one.kind).toBe(other.kind);
      keystore.mend();
    }
  });

  it('asks again after a throttle, and a socket that was closed while it lay idle is no fault', async () => {
    keystore.sandbox.faults.add({ kind: 'throttle', operation: 'DescribeKey', times: 2 });
    expect((await faultOf(direct.describeKey('alias/nobody', patience()))).kind).toBe('not_found');
    expect(keystore.sandbox.calls.count({ operation: 'DescribeKey' })).toBe(3);
    keystore.mend();
    keystore.sandbox.faults.add({ kind: 'reset_before', operation: 'DescribeKey', times: 1 });
    expect((await faultOf(direct.describeKey('alias/nobody', patience()))).kind).toBe('not_found');
  });

  it('ends when its caller gives up, and makes no call for one who has given up before', async () => {
    keystore.sandbox.faults.add({ kind: 'timeout_before', operation: 'DescribeKey' });
    const caller = new AbortController();
    const asked = [direct.describeKey('alias/a', caller.signal), direct.describeKey('alias/b', caller.signal)];
    await wait(20);
    caller.abort(new Error('enough'));
    for (const each of asked) expect((await faultOf(each)).kind).toBe('unreachable');
    keystore.mend();
    expect((await faultOf(direct.describeKey('alias/c', caller.signal))).kind).toBe('unreachable');
    expect(keystore.sandbox.calls.count()).toBe(0);
  });
});

describe('the signature', () => {
  it('is the one of aws4, for any identity, region, host, moment and body', () => {
    const text = fc.stringMatching(/^[A-Za-z0-9/+=]{16,40}$/);
    fc.assert(
      fc.property(
        fc.record({
          accessKeyId: fc.stringMatching(/^AKIA[A-Z0-9]{16}$/),
          secretAccessKey: text,
          sessionToken: fc.option(text, { nil: undefined }),
        }),
        fc.constantFrom('us-east-1', 'eu-central-1', 'cn-north-1'),
        fc.constantFrom('kms.us-east-1.amazonaws.com', '127.0.0.1:4005'),
        fc.date({ min: new Date('2020-01-01'), max: new Date('2040-01-01'), noInvalidDate: true }),
        fc.string({ unit: 'grapheme' }),
        (identity, region, host, at, said) => {
          const body = JSON.stringify({ KeyId: said });
          const ours = new KmsSigner(host, region, () => at.getTime()).headers(
            identity,
            'TrentService.DescribeKey',
            body,
          );
          const named = Object.fromEntries(
            ours.flatMap((name, index) => (index % 2 === 0 ? [[name, ours[index + 1]]] : [])),
          );
          const { accessKeyId, secretAccessKey, sessionToken } = identity;
          const theirs = sign(
            {
              host,
              path: '/',
              method: 'POST',
              service: 'kms',
              region,
              body,
              headers: {
                'content-type': 'application/x-amz-json-1.1',
                'x-amz-date': named['x-amz-date'],
                'x-amz-target': 'TrentService.DescribeKey',
              },
              extraHeadersToIgnore: { 'content-length': true },
            } as Parameters<typeof sign>[0],
            { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
          );
          expect(named['authorization']).toBe(theirs.headers?.['Authorization']);
        },
      ),
    );
  });
});
