import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describe as describeKey } from '../../lib/doctor/custody-key.ts';
import { skew } from '../../lib/doctor/issuer.ts';
import { describe as describeTable } from '../../lib/doctor/table.ts';
import type { Finding } from '../../lib/doctor/finding.ts';
import type { WireDiagnosis } from '../../lib/wire/doctor.ts';
import { expectStatus } from '../../sandbox/api-client.ts';
import type { ApiClient } from '../../sandbox/api-client.ts';
import { startSqs } from '../../sandbox/sqs/server.ts';
import { LOCAL_QUEUES } from '../../sandbox/sqs/queues.ts';
import { difference, startApi } from './api.ts';
import type { TestApi } from './api.ts';
import { makeWorld } from './world.ts';

let api: TestApi;
let sqs: Awaited<ReturnType<typeof startSqs>>;
let client: ApiClient;

beforeAll(async () => {
  sqs = await startSqs({ port: 0, queues: LOCAL_QUEUES });
  const [queue] = LOCAL_QUEUES;
  api = await startApi({
    AWS_ENDPOINT_URL_SQS: sqs.endpoint,
    DOCTOR_QUEUES: `${queue?.name ?? ''} shearline-dev-no-such`,
  });
  client = api.client(await api.token(['vault_administrator', 'key_custodian_creator', 'key_custodian_deployer']));
  await makeWorld(client, 'doctor');
});
afterAll(async () => {
  await Promise.all([api.close(), sqs.close()]);
});

async function examined(): Promise<WireDiagnosis> {
  return (await expectStatus(client, 200, { method: 'GET', path: '/doctor' })).body as WireDiagnosis;
}
const found = ({ findings }: WireDiagnosis, subject: Finding['subject'], check: string, name?: string) =>
  findings.find(
    (each) => each.subject === subject && each.check === check && (name === undefined || each.name === name),
  );

describe('the doctor', () => {
  it('finds the table, its indexes, the custody key, the issuer, the clock, the queues and every keystore in order', async () => {
    const report = await examined();
    expect(found(report, 'table', 'state')).toMatchObject({ verdict: 'ok' });
    expect(found(report, 'table', 'indexes')).toMatchObject({ verdict: 'ok' });
    expect(found(report, 'custody_key', 'state')).toMatchObject({ verdict: 'ok' });
    expect(found(report, 'custody_key', 'use')).toMatchObject({ verdict: 'ok', message: 'It wraps and unwraps.' });
    expect(found(report, 'issuer', 'keys')).toMatchObject({ verdict: 'ok' });
    expect(found(report, 'clock', 'difference to the issuer')).toMatchObject({ verdict: 'ok' });
    expect(found(report, 'queue', 'messages')).toMatchObject({ verdict: 'ok', message: '0 waiting, 0 in work.' });
    for (const check of ['connection', 'list keys', 'look at a key']) {
      expect(found(report, 'keystore', check, 'doctor-keystore'), check).toMatchObject({ verdict: 'ok' });
    }
    expect(found(report, 'open_work', 'waiting')).toMatchObject({ message: 'Nothing waits.' });
  });

  it('names a queue that is missing, and goes on', async () => {
    const missing = found(await examined(), 'queue', 'messages', 'shearline-dev-no-such');
    expect(missing).toMatchObject({ verdict: 'failed' });
    expect(missing?.advice).toContain('sqs:GetQueueUrl');
  });

  it('knows every queue of the deployment', () => {
    const project = join(import.meta.dirname, '..', '..');
    const read = (file: string) => readFileSync(join(project, file), 'utf8');
    const resources = readdirSync(join(project, 'deploy'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.yml'))
      .map((file) => read(join('deploy', file)));
    const queues = resources.flatMap((text) => [...text.matchAll(/^ +QueueName: (\S+)$/gm)].map((match) => match[1]));
    const known = /^ {2}queues: >-\n((?: {4}\S+\n)+)/m.exec(read('serverless.yml'))?.[1]?.trim().split(/\s+/) ?? [];
    expect(known.toSorted()).toEqual(queues.toSorted());
  });

  it('warns of settings that are for sandboxes', async () => {
    const { findings } = await examined();
    const warned = findings.filter(({ subject }) => subject === 'configuration').map(({ check }) => check);
    expect(warned).toEqual(['DYNAMODB_ENDPOINT', 'OIDC_ISSUER', 'DESTROY_COOL_DOWN_HOURS', 'RATE_LIMIT_PER_MINUTE']);
  });

  it('changes nothing anywhere', async () => {
    const [items, keys] = [await api.items(), api.kms.operator.keys()];
    await examined();
    expect(difference(items, await api.items())).toEqual([]);
    expect(api.kms.operator.keys()).toEqual(keys);
  });

  it('says of a keystore that denies which page lists what to grant', async () => {
    api.kms.faults.add({ kind: 'denied', operation: 'DescribeKey' });
    const report = await examined();
    api.kms.faults.clear();
    expect(report.verdict).toBe('failed');
    expect(found(report, 'keystore', 'list keys', 'doctor-keystore')).toMatchObject({ verdict: 'ok' });
    const denied = found(report, 'keystore', 'look at a key', 'doctor-keystore');
    expect(denied).toMatchObject({ verdict: 'failed' });
    expect(denied?.advice).toContain('docs/keystores/aws-kms.md');
    expect(found(report, 'custody_key', 'state')).toMatchObject({ verdict: 'failed' });
  });

  it('is for vault administrators and managers of all vaults', async () => {
    for (const [roles, status] of [
      [['manager'], 200],
      [['key_custodian_creator'], 403],
      [['vault_administrator@6f1c1a2e-9b1d-4c58-8a43-0d4a9f4f5a10'], 403],
    ] as const) {
      const answer = await api.client(await api.token(roles)).send({ method: 'GET', path: '/doctor' });
      expect(answer.status, roles[0]).toBe(status);
    }
  });
});

describe('what the doctor concludes', () => {
  it('a custody key that waits for its deletion is the worst there is, with what to do', () => {
    const said = describeKey('alias/custody', {
      KeyId: 'k',
      KeyState: 'PendingDeletion',
      DeletionDate: new Date('2026-12-24T00:00:00Z'),
    });
    expect(said).toMatchObject({ verdict: 'failed' });
    expect(said.message).toContain('2026-12-24');
    expect(said.advice).toContain('cancel-key-deletion');
    expect(describeKey('alias/custody', undefined).verdict).toBe('failed');
  });

  it('a table of AWS without deletion protection, encryption or an index is told of', () => {
    const said = describeTable('t', { TableStatus: 'ACTIVE' }, false);
    expect(said.filter(({ verdict }) => verdict !== 'ok').map(({ check }) => check)).toEqual([
      'indexes',
      'encryption',
      'deletion protection',
    ]);
  });

  it('a clock that is a minute off is borne, a second more is not', () => {
    const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, seconds));
    expect(skew(at(60), at(0)).verdict).toBe('ok');
    expect(skew(at(61), at(0))).toMatchObject({
      verdict: 'failed',
      message: '61 s ahead: good tokens may be refused.',
    });
    expect(skew(at(0), at(61)).message).toContain('behind');
  });
});
