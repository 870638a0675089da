import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Deployment } from '../../lib/deployment.ts';
import { KeystoreFault } from '../../lib/drivers/driver.ts';
import type { Keystore } from '../../lib/keystores/keystore.ts';
import { Bucket } from '../../lib/pace/bucket.ts';
import { Pace, paced } from '../../lib/pace/pace.ts';
import { QUOTAS } from '../../lib/pace/quotas.ts';
import { atItsPace } from '../../lib/pace/repairs.ts';
import { scopeOf } from '../../lib/pace/scope.ts';

const NEVER = new AbortController().signal;

/** A time in which sleeping takes none. */
function simulated() {
  let now = 0;
  return {
    now: () => now,
    sleep: (ms: number) => {
      now = Math.max(now, now + ms);
      return Promise.resolve();
    },
    pass: (ms: number) => {
      now += ms;
    },
  };
}

describe('a bucket', () => {
  test('lets as many calls go as its rate says, at any rate, and a burst of a twentieth of a second', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 5_000 }), async (rate) => {
        const time = simulated();
        const bucket = new Bucket(rate, time);
        time.pass(10_000);
        const began = time.now();
        const calls = rate * 3;
        for (let call = 0; call < calls; call += 1) await bucket.take();
        const seconds = (time.now() - began) / 1_000;
        expect(calls).toBeLessThanOrEqual(rate * seconds + Math.max(1, rate * 0.05) + 1.01);
        expect(seconds).toBeLessThanOrEqual(3);
      }),
    );
  });

  test('halves its rate at a throttle, once for all calls that were under way, and wins it back within half a minute', () => {
    const time = simulated();
    const bucket = new Bucket(1_000, time);
    for (let call = 0; call < 50; call += 1) bucket.throttled();
    expect(bucket.rate).toBe(500);
    time.pass(10_000);
    expect(bucket.rate).toBeCloseTo(700);
    time.pass(20_000);
    expect(bucket.rate).toBe(1_000);
  });

  test('never stops, however often it is throttled', () => {
    const time = simulated();
    const bucket = new Bucket(1_000, time);
    for (let second = 0; second < 100; second += 1) {
      bucket.throttled();
      time.pass(1_000);
    }
    expect(bucket.rate).toBeGreaterThanOrEqual(10);
  });

  test('without a limit holds nobody up', () => {
    const bucket = new Bucket(Number.POSITIVE_INFINITY, simulated());
    for (let call = 0; call < 1_000; call += 1) expect(bucket.take()).toBeUndefined();
  });

  test('beside somebody who uses most of the quota, less than one call in a hundred is throttled', async () => {
    const time = simulated();
    const bucket = new Bucket(1_000, time);
    // 1,600 of 2,000 are used by others: 400 are left, less than the half that we may use.
    const left = 400;
    let [calls, throttled, tokens, filledAt] = [0, 0, left, 0];
    while (time.now() < 600_000) {
      await bucket.take();
      const now = time.now();
      tokens = Math.min(left, tokens + ((now - filledAt) / 1_000) * left);
      filledAt = now;
      calls += 1;
      if (tokens >= 1) tokens -= 1;
      else {
        throttled += 1;
        bucket.throttled();
      }
    }
    expect(calls / 600).toBeGreaterThan(left * 0.7);
    expect(throttled / calls).toBeLessThan(0.01);
  });
});

describe('a pace', () => {
  const half = { readShare: 0.5, changeShare: 0.2, quotas: { 'aws.CreateKey': 50 } };

  test('gives each operation its share of its own quota, changes a smaller one, and takes quotas that were raised', () => {
    const pace = new Pace(half, simulated());
    expect(pace.rate('aws.DescribeKey')).toBe(QUOTAS['aws.DescribeKey'] / 2);
    expect(pace.rate('aws.EnableKey')).toBe(QUOTAS['aws.EnableKey'] / 5);
    expect(pace.rate('aws.CreateKey')).toBe(10);
  });

  test('makes a throttled call again, later and later, and gives up after a few', async () => {
    const time = simulated();
    const pace = new Pace(half, time, () => 1);
    let calls = 0;
    const throttled = () => {
      calls += 1;
      return Promise.reject(new KeystoreFault('throttled', 'Rate exceeded.'));
    };
    await expect(pace.run('aws.DescribeKey', throttled, NEVER)).rejects.toThrow('Rate exceeded.');
    expect(calls).toBe(5);
    expect(time.now()).toBeGreaterThan(400 + 800 + 1_600 + 3_200);
    expect(pace.counts).toEqual({ calls: 5, throttles: 5 });
  });

  test('does not repeat what failed in another way', async () => {
    const pace = new Pace(half, simulated());
    let calls = 0;
    const denied = () => {
      calls += 1;
      return Promise.reject(new KeystoreFault('denied', 'No.'));
    };
    await expect(pace.run('aws.DescribeKey', denied, NEVER)).rejects.toThrow('No.');
    expect(calls).toBe(1);
  });

  test('is put around the calls that have a quota, and leaves the others', async () => {
    const pace = new Pace(half, simulated());
    const calls = { host: 'here', look: (name: string) => Promise.resolve(`seen ${name}`), free: () => 1 };
    const wrapped = paced(calls, pace, { look: 'azure.read' });
    expect(await wrapped.look('a')).toBe('seen a');
    expect([wrapped.host, wrapped.free(), pace.counts.calls]).toEqual(['here', 1, 1]);
    expect(paced(calls, undefined, { look: 'azure.read' })).toBe(calls);
  });
});

describe('work that nobody waits for', () => {
  test('connects every keystore with the pace of its scope, which its calls share', async () => {
    const paces: (Pace | undefined)[] = [];
    const deployment = {
      config: { pace: { readShare: 0.5, changeShare: 0.5, quotas: {} } },
      driverFor: (_keystore: unknown, pace?: Pace) => {
        paces.push(pace);
        return Promise.reject(new Error('There is no keystore here.'));
      },
    } as unknown as Deployment;
    const settings = { aws_access_key_id: 'AKIA9', aws_region: 'us-east-1' };
    const keystores = [
      { id: 'a', type: 'aws_kms', settings },
      { id: 'b', type: 'aws_cloudhsm', settings },
      { id: 'c', type: 'aws_kms', settings: { ...settings, aws_region: 'eu-west-1' } },
    ] as unknown as Keystore[];
    for (const keystore of keystores)
      await atItsPace(deployment)
        .driverFor(keystore)
        .catch(() => undefined);
    const [one, beside, elsewhere] = paces;
    expect(one).toBeInstanceOf(Pace);
    expect(beside).toBe(one);
    expect(elsewhere).not.toBe(one);
    expect(one?.rate('aws.EnableKey')).toBe(2.5);
  });
});

describe('the quota scope of a keystore', () => {
  const of = (type: Parameters<typeof scopeOf>[0]['type'], settings: Record<string, string>, id = 'x') =>
    scopeOf({ id, type, settings });

  test('is the account and region of AWS, also for its CloudHSM, the vault of Azure, the project and location of Google', () => {
    const aws = { aws_access_key_id: 'AKIA1', aws_region: 'us-east-1' };
    expect(of('aws_kms', aws, 'a')).toBe(of('aws_cloudhsm', { ...aws, aws_custom_key_store_id: 'cks' }, 'b'));
    expect(of('aws_kms', aws)).not.toBe(of('aws_kms', { ...aws, aws_region: 'eu-west-1' }));
    expect(of('aws_kms', aws)).not.toBe(of('aws_kms', { ...aws, aws_access_key_id: 'AKIA2' }));
    const role = (name: string, account: string) => ({
      aws_role_arn: `arn:aws:iam::${account}:role/shearline/${name}`,
      aws_region: 'us-east-1',
    });
    expect(of('aws_kms', role('one', '111122223333'))).toBe(of('aws_kms', role('other', '111122223333')));
    expect(of('aws_kms', role('one', '111122223333'))).not.toBe(of('aws_kms', role('one', '444455556666')));
    expect(of('azure_key_vault', { azure_service_name: 'V' })).toBe(of('azure_key_vault', { azure_service_name: 'v' }));
    const google = { google_project_id: 'p', google_location: 'l' };
    expect(of('google_kms', { ...google, google_key_ring: '1' })).toBe(
      of('google_kms', { ...google, google_key_ring: '2' }),
    );
    expect(of('ibm_cloud_kms', { ibm_instance_id: 'i' })).not.toBe(of('ibm_cloud_kms', { ibm_instance_id: 'j' }));
    expect(of('pkcs11', {}, 'a')).not.toBe(of('pkcs11', {}, 'b'));
  });
});
