import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Keystore } from '../../lib/keystores/keystore.ts';
import { createKeystore, newKeystore, tryConnection } from '../../lib/keystores/write.ts';
import { createTemplate } from '../../lib/templates/write.ts';
import { createVault } from '../../lib/vaults/write.ts';
import { CUSTODY_ACCOUNT, CUSTODY_REGION } from '../../sandbox/aws-accounts.ts';
import type { SoftHsm } from '../../sandbox/pkcs11/softhsm.ts';
import { findSoftHsm, makeSoftHsm } from '../../sandbox/pkcs11/softhsm.ts';
import type { Place, TestDeployment } from '../deployment.ts';
import { startDeployment } from '../deployment.ts';
import type { LambdaStandIn } from '../drivers/pkcs11-function.ts';
import { startLambda } from '../drivers/pkcs11-function.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const NEVER = new AbortController().signal;

const found = findSoftHsm();
const why = 'why' in found ? found.why : undefined;

/** The image's own files in a folder: its bundle, by the Dockerfile's own command, and the native module beside it. */
function buildImage(folder: string): void {
  const dockerfile = readFileSync(join(PROJECT, 'deploy/pkcs11/Dockerfile'), 'utf8');
  const [, args = ''] = /^RUN npx esbuild (.*)$/m.exec(dockerfile) ?? [];
  const out = args.split(' ').map((arg) => arg.replace(/^--outfile=out\//, `--outfile=${folder}/`));
  execFileSync(join(PROJECT, 'node_modules/.bin/esbuild'), [...out, '--log-level=warning'], { cwd: PROJECT });
  const module = join(folder, 'node_modules/pkcs11js');
  mkdirSync(join(module, 'build/Release'), { recursive: true });
  for (const file of ['package.json', 'index.js', 'build/Release/pkcs11.node']) {
    cpSync(join(PROJECT, 'node_modules/pkcs11js', file), join(module, file));
  }
}

const RUNTIME = `
const { handler } = require(process.argv[1]);
let work = Promise.resolve();
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  work = work.then(() => handler(JSON.parse(line), { getRemainingTimeInMillis: () => 20000 }))
    .then((answer) => console.log('ANSWER ' + JSON.stringify(answer)));
});`;

/** The bundle in a process of its own, as in the image: one invocation at a time. */
class FunctionProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting: ((answer: unknown) => void)[] = [];

  constructor(folder: string, environment: NodeJS.ProcessEnv) {
    this.#child = spawn(process.execPath, ['-e', RUNTIME, join(folder, 'pkcs11.js')], {
      cwd: folder,
      env: { PATH: process.env['PATH'], ...environment },
    });
    this.#child.stderr.pipe(process.stderr);
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      if (line.startsWith('ANSWER ')) this.#waiting.shift()?.(JSON.parse(line.slice(7)));
    });
  }

  invoke(event: unknown): Promise<unknown> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#child.stdin.write(`${JSON.stringify(event)}\n`);
    });
  }

  stop(): void {
    this.#child.kill();
  }
}

describe.skipIf(why !== undefined)(
  `the PKCS #11 function as it is deployed${why === undefined ? '' : ` (skipped: ${why})`}`,
  () => {
    let folder: string;
    let hsm: SoftHsm;
    let deployment: TestDeployment;
    let image: FunctionProcess;
    let lambda: LambdaStandIn;
    let place: Place;

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'shearline-image-'));
      hsm = makeSoftHsm({ folder: join(folder, 'hsm'), tokenLabel: 'deployed' });
      buildImage(folder);
      deployment = await startDeployment();
      image = new FunctionProcess(folder, {
        ...hsm.environment,
        TABLE_NAME: deployment.config.table,
        DYNAMODB_ENDPOINT: deployment.config.dynamodbEndpoint,
        CUSTODY_KEY_ID: deployment.config.custodyKeyId,
        OIDC_ISSUER: 'https://issuer.example',
        OIDC_AUDIENCE: 'shearline',
        AWS_ENDPOINT_URL_KMS: deployment.kms.endpoint,
        AWS_REGION: CUSTODY_REGION,
        AWS_ACCESS_KEY_ID: CUSTODY_ACCOUNT.accessKeyId,
        AWS_SECRET_ACCESS_KEY: CUSTODY_ACCOUNT.secretAccessKey,
      });
      lambda = await startLambda((event) => image.invoke(event));
      place = await placeOf(deployment, keystoreOf());
    });
    afterAll(async () => {
      await lambda.close();
      image.stop();
      await deployment.close();
      rmSync(folder, { recursive: true, force: true });
    });

    const keystoreOf = (pin = hsm.userPin) => ({
      type: 'pkcs11' as const,
      name: 'HSM',
      description: '',
      groups: ['Production'],
      tlsProxy: undefined,
      settings: { pkcs11_token_label: 'deployed' },
      secrets: { pkcs11_user_pin: pin },
    });

    it('tries a connection whose PIN has no record, and tells a wrong one', async () => {
      const health = (pin?: string) => {
        const given = keystoreOf(pin);
        const keystore = newKeystore(deployment, 'ada', { vaultId: place.vaultId, ...given });
        return tryConnection(deployment, keystore, given.secrets, NEVER);
      };
      expect(await health()).toMatchObject({ status: 'ok', message: 'The token “deployed” answers.' });
      expect(await health('a-wrong-pin-0815')).toMatchObject({ status: 'configuration_error' });
      expect(lambda.bodies.join()).not.toMatch(/a-wrong-pin-0815|sandbox-user-pin/);
    });

    it('brings a key’s material from custody into the HSM, and looks after it there', async () => {
      const [keystore] = place.keystores;
      if (keystore === undefined) throw new Error('There is no keystore.');
      const key = await deployment.create(place, 'payments');
      const observed = () => deployment.observed(key.id, keystore);
      expect(await observed()).toMatchObject({ status: 'active', keystoreSyncFlag: 'ok' });
      const { binding } = await deployment.instance(key.id, keystore);
      expect(binding).toEqual({
        idInKeystore: expect.stringMatching(/^pkcs11:token=deployed;id=(%[0-9A-F]{2}){20}$/) as string,
        fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
      });

      await deployment.command('deactivate', key.id);
      expect(await observed()).toMatchObject({ status: 'not_active', keystoreSyncFlag: 'ok' });
      await deployment.command('activate', key.id);
      expect(await observed()).toMatchObject({ status: 'active', keystoreSyncFlag: 'ok' });
      await deployment.command('deactivate', key.id);
      await deployment.command('destroy', key.id);
      expect(await observed()).toMatchObject({ status: 'not_present', keystoreSyncFlag: 'ok' });
    });

    it('lends no material for a key that is not to be in the keystore', async () => {
      const key = await deployment.create(place, 'elsewhere');
      const step = lambda.bodies
        .map((body) => JSON.parse(body) as Record<string, unknown>)
        .find(({ call }) => call === 'step');
      const other = { ...(step?.['key'] as object), keyId: key.id, version: 7 };
      const answer = await image.invoke({ ...step, key: other });
      expect(answer).toMatchObject({ fault: { kind: 'conflict' } });
      expect(await image.invoke({ ...step, keystoreId: randomUUID() })).toMatchObject({ fault: { kind: 'not_found' } });
    });
  },
);

async function placeOf(
  deployment: TestDeployment,
  given: Omit<Parameters<typeof newKeystore>[2], 'vaultId'>,
): Promise<Place> {
  const vault = await createVault(deployment, deployment.attempt('CreateVault'), { name: 'HSMs' });
  const keystore: Keystore = newKeystore(deployment, 'ada', { vaultId: vault.id, ...given });
  await createKeystore(deployment, deployment.attempt('CreateKeystore'), keystore, given.secrets, NEVER);
  const template = await createTemplate(deployment, deployment.attempt('CreateKeyTemplate'), {
    vaultId: vault.id,
    name: 'aes',
    description: '',
    type: 'user_defined',
    state: 'unarchived',
    namingScheme: undefined,
    key: {
      algorithm: 'aes',
      size: '256',
      activationDate: '',
      expirationDate: '',
      state: 'active',
      deactivateOnRotation: false,
      material: 'imported',
    },
    keystores: [{ type: 'pkcs11', group: 'Production', namingScheme: undefined, properties: {} }],
  });
  return { vaultId: vault.id, keystores: [keystore], template };
}
