import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { connect } from '../../lib/drivers/aws-kms/driver.ts';
import { assumedRole } from '../../lib/drivers/aws-kms/role.ts';
import type { Connection } from '../../lib/drivers/registry.ts';
import { scopeOf } from '../../lib/pace/scope.ts';
import { createKeystore } from '../../lib/wire/keystores.ts';
import { startAwsKmsSandbox } from '../../sandbox/aws-kms/server.ts';
import type { AwsKmsSandbox } from '../../sandbox/aws-kms/server.ts';
import { startAwsStsSandbox } from '../../sandbox/aws-sts/server.ts';
import type { AwsStsSandbox } from '../../sandbox/aws-sts/server.ts';
import { sandboxClock } from '../../sandbox/clock.ts';
import { faultOf, newKey, patience, present, run } from './contract.ts';

const REGION = 'eu-central-1';
const SHEARLINE = { accountId: '111122223333', accessKeyId: 'AKIASHEARLINE0000000', secretAccessKey: 'of-shearline' };
const OTHERS = '444455556666';
const ROLE = `arn:aws:iam::${OTHERS}:role/shearline/keystore`;
const ROLE_ELSEWHERE = ROLE.replace(OTHERS, '777788889999');
const VAULT = '0f6f1e1a-3c5b-4b1e-9d36-2f8e1c7a4b10';
const SPEC = { algorithm: 'aes', size: '256', material: 'native', properties: {} } as const;

let kms: AwsKmsSandbox;
let sts: AwsStsSandbox;
const clock = sandboxClock();
beforeAll(async () => {
  const accounts = [SHEARLINE];
  kms = await startAwsKmsSandbox({ clock, accounts });
  sts = await startAwsStsSandbox({
    clock,
    accounts,
    roles: [ROLE, ROLE_ELSEWHERE].map((arn) => ({ arn, trusts: [SHEARLINE.accessKeyId], externalId: VAULT })),
  });
});
afterAll(() => Promise.all([kms.close(), sts.close()]));
beforeEach(() => {
  vi.stubEnv('AWS_ENDPOINT_URL_KMS', kms.endpoint);
  vi.stubEnv('AWS_ENDPOINT_URL_STS', sts.endpoint);
  // The function's own role.
  vi.stubEnv('AWS_ACCESS_KEY_ID', SHEARLINE.accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', SHEARLINE.secretAccessKey);
});

const connection = (changes: Partial<Connection> = {}): Connection => ({
  keystoreId: '7a9b1c2d-3e4f-4a5b-8c6d-7e8f9a0b1c2d',
  settings: { aws_region: REGION, aws_role_arn: ROLE },
  credentials: {},
  externalId: VAULT,
  ...changes,
});

describe('an AWS keystore with a role', () => {
  it('has its keys in the role’s account, by the function’s own role and no access key', async () => {
    const driver = connect(connection());
    const key = await run(driver, 'create', newKey(SPEC, clock.now()));
    expect(key.binding?.idInKeystore).toMatch(`arn:aws:kms:${REGION}:${OTHERS}:key/`);
    expect(present(await driver.observe(key, patience())).state).toBe('enabled');
    expect(await driver.health(patience())).toMatchObject({ status: 'ok' });
    expect(sts.sessions.at(-1)).toEqual({ arn: ROLE, name: 'shearline-7a9b1c2d-3e4f-4a5b-8c6d-7e8f9a0b1c2d' });
  });

  it('assumes it with the access key that the keystore has, where it has one', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIANOBODY0000000000');
    const credentials = {
      aws_access_key_id: SHEARLINE.accessKeyId,
      aws_secret_access_key: SHEARLINE.secretAccessKey,
    };
    expect(await connect(connection({ credentials })).health(patience())).toMatchObject({ status: 'ok' });
  });

  it('assumes it once for many calls, and again before the hour is over', async () => {
    let now = clock.now().getTime();
    const assumed = assumedRole(
      { roleArn: ROLE, externalId: VAULT, keystoreId: 'k', region: REGION, as: SHEARLINE },
      () => now,
    );
    const before = sts.sessions.length;
    const [first, second] = await Promise.all([assumed(), assumed()]);
    expect(second).toEqual(first);
    now += 54 * 60_000;
    expect(await assumed()).toEqual(first);
    expect(sts.sessions.length).toBe(before + 1);
    now += 2 * 60_000;
    expect(await assumed()).not.toEqual(first);
    expect(sts.sessions.length).toBe(before + 2);
  });

  it('goes on when the credentials have ended', async () => {
    const driver = connect(connection());
    const key = await run(driver, 'create', newKey(SPEC, clock.now()));
    const credentials = await assumedRole({
      roleArn: ROLE,
      externalId: VAULT,
      keystoreId: 'k',
      region: REGION,
      as: SHEARLINE,
    })();
    clock.advance(3_601_000);
    const late = new KMSClient({ region: REGION, endpoint: kms.endpoint, credentials });
    await expect(late.send(new CreateKeyCommand({}))).rejects.toMatchObject({ name: 'ExpiredTokenException' });
    late.destroy();
    expect(present(await connect(connection()).observe(key, patience())).state).toBe('enabled');
  });

  it.each([
    ['of another vault', { externalId: '99999999-3c5b-4b1e-9d36-2f8e1c7a4b10' }],
    ['that does not exist', { settings: { aws_region: REGION, aws_role_arn: `${ROLE}-2` } }],
  ])('is a configuration error with a role %s, which says what the trust policy must have', async (_which, changes) => {
    const given = connection(changes);
    expect(await connect(given).health(patience())).toMatchObject({
      status: 'configuration_error',
      message: expect.stringContaining(`external id ${given.externalId ?? ''}`) as string,
    });
    const fault = await faultOf(connect(given).observe(newKey(SPEC, clock.now()), patience()));
    expect(fault).toMatchObject({ kind: 'denied', retryable: true });
  });

  it('does not take keys for absent when its role is of another account now', async () => {
    const key = await run(connect(connection()), 'create', newKey(SPEC, clock.now()));
    const elsewhere = connection({
      settings: { aws_region: REGION, aws_role_arn: ROLE_ELSEWHERE },
    });
    expect(await faultOf(connect(elsewhere).observe(key, patience()))).toMatchObject({
      kind: 'conflict',
      message: expect.stringContaining('is not in the account 777788889999') as string,
    });
  });

  it('shares its quota with the other keystores of that account', () => {
    const settings = { aws_region: REGION, aws_role_arn: ROLE };
    expect(scopeOf({ id: 'a', type: 'aws_kms', settings })).toBe(`aws/${OTHERS}/${REGION}`);
    const other = { ...settings, aws_role_arn: `${ROLE}-of-another-team` };
    expect(scopeOf({ id: 'b', type: 'aws_cloudhsm', settings: other })).toBe(`aws/${OTHERS}/${REGION}`);
  });

  it.each([
    ['arn:aws:iam::444455556666:role/admin', false],
    ['arn:aws:iam::444455556666:user/shearline/keystore', false],
    ['arn:aws:iam::444455556666:role/shearline/*', false],
    [ROLE, true],
    ['', true],
  ])('is connected with the role %j: %s', (aws_role_arn, taken) => {
    const body = { type: 'aws_kms', vault: { id: VAULT }, name: 'aws', aws_region: 'us_east_1', aws_role_arn };
    expect(createKeystore().safeParse(body).success).toBe(taken);
  });
});
