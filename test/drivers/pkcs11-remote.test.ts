import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { KeyInKeystore, KeySpec, KeystoreDriver, Step } from '../../lib/drivers/driver.ts';
import { connectTo } from '../../lib/drivers/pkcs11/driver.ts';
import { PKCS11_STEPS, pkcs11Kind } from '../../lib/drivers/pkcs11/kind.ts';
import { connect } from '../../lib/drivers/pkcs11/remote.ts';
import { serve } from '../../lib/drivers/pkcs11/serve.ts';
import { asKeystoreFault } from '../../lib/drift/look.ts';
import { findSoftHsm } from '../../sandbox/pkcs11/softhsm.ts';
import { makeMaterial } from './aws-material.ts';
import { driverContract, faultOf, newKey, patience, run } from './contract.ts';
import type { Subject } from './contract.ts';
import type { LambdaStandIn } from './pkcs11-function.ts';
import { startLambda } from './pkcs11-function.ts';
import { openHsmKeystore, TOKEN } from './pkcs11-softhsm.ts';

const found = findSoftHsm();
const why = 'why' in found ? found.why : undefined;

const connection = { keystoreId: 'keystore-1', settings: { pkcs11_token_label: TOKEN }, credentials: {} };
const AES = { algorithm: 'aes', size: '256', material: 'imported', properties: {} } as const satisfies KeySpec;
const EC = { algorithm: 'ec', size: '384', material: 'imported', properties: {} } as const satisfies KeySpec;

/** A custody that has each key's material before a step asks for it. */
class Custody {
  readonly #materials = new Map<string, Uint8Array>();

  /** The driver as a caller has it, with what the suite lends put into custody on the way. */
  before(driver: KeystoreDriver): KeystoreDriver {
    const keeping =
      (step: Step): Step =>
      async (key, context) => {
        const keep = (material: Uint8Array) =>
          Promise.resolve(this.#materials.set(key.keyId, Uint8Array.from(material)));
        await context.withMaterial(keep).catch(() => undefined);
        return step(key, { ...context, withMaterial: () => Promise.reject(new Error('Nothing is lent here.')) });
      };
    const steps = Object.entries(driver.steps).map(([name, step]) => [name, keeping(step)] as const);
    return { ...driver, steps: Object.fromEntries(steps) };
  }

  async lend<T>({ keyId }: Pick<KeyInKeystore, 'keyId'>, use: (material: Uint8Array) => Promise<T>): Promise<T> {
    const material = this.#materials.get(keyId);
    if (material === undefined) throw new Error('No material is kept.');
    return use(Uint8Array.from(material));
  }
}

const subject: Subject = {
  kind: pkcs11Kind,
  async open() {
    const keystore = openHsmKeystore();
    const custody = new Custody();
    const lambda = await startLambda((event) =>
      serve(
        event,
        {
          driverOf: () => Promise.resolve(connectTo(() => keystore.cryptoki, keystore.connection)),
          lend: (key, _keystoreId, use) => custody.lend(key, use),
          faultOf: asKeystoreFault,
        },
        patience(),
      ),
    );
    return {
      ...keystore,
      connect: () => custody.before(connect(connection)),
      async close() {
        await lambda.close();
        await keystore.close();
      },
    };
  },
  spec: AES,
  imports: [AES, EC].map((spec) => ({ spec, makeMaterial: () => makeMaterial(spec) })),
  unsupported: {
    rotate: 'A new version is a new key.',
    cancel_deletion: 'A destroyed object cannot be called back.',
  },
  noEmptyKeys: 'An object in an HSM always has its value.',
  sameIdAnew: 'CKA_ID says which key it is, not which object.',
};

describe.skipIf(why !== undefined)(`pkcs11 from afar${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  driverContract('pkcs11 through a function of its own', subject);
});

describe('pkcs11 from afar', () => {
  let lambda: LambdaStandIn;
  const driver = connect(connection);
  const key = newKey(AES, new Date());
  const look = () => driver.observe(key, patience());
  beforeAll(async () => {
    lambda = await startLambda(() => Promise.resolve({ seen: { presence: 'absent' } }));
  });
  afterAll(() => lambda.close());
  beforeEach(() => {
    lambda.answer = undefined;
    lambda.bodies.length = 0;
  });

  it('has the steps that the driver has', () => {
    expect(Object.keys(driver.steps)).toEqual(PKCS11_STEPS);
  });

  it('understands an answer, its request signed as AWS signs', async () => {
    expect(await look()).toEqual({ presence: 'absent' });
  });

  it.each([
    [404, 'ResourceNotFoundException', 'unsupported'],
    [403, 'AccessDeniedException', 'denied'],
    [429, 'TooManyRequestsException:http://internal.amazon.com/', 'throttled'],
    [500, 'ServiceException', 'broken'],
    [502, 'ENILimitReachedException', 'unavailable'],
  ])('takes Lambda’s %i %s for %s', async (status, code, kind) => {
    lambda.answer = { status, headers: { 'x-amzn-errortype': code } };
    expect(await faultOf(look())).toMatchObject({ kind, providerCode: code.split(':')[0] });
  });

  it('does not know what was done by a function that was ended, and repeats none of its words', async () => {
    lambda.answer = {
      status: 200,
      headers: { 'x-amz-function-error': 'Unhandled' },
      body: '{"errorMessage":"Task timed out with secret"}',
    };
    const fault = await faultOf(look());
    expect(fault.kind).toBe('unreachable');
    expect(fault.message).not.toContain('secret');
  });

  it.each(['no json', '{"seen":{"presence":"perhaps"}}', 'null', '{"binding":{}}'])(
    'does not believe an answer like %s',
    async (body) => {
      lambda.answer = { status: 200, body };
      expect(await faultOf(look())).toMatchObject({ kind: 'broken' });
    },
  );

  it('passes a fault on as it was', async () => {
    const fault = { kind: 'denied', message: 'The HSM says no.', providerCode: 'CKR_PIN_EXPIRED' };
    lambda.answer = { status: 200, body: JSON.stringify({ fault }) };
    expect(await faultOf(run(driver, 'disable', key))).toMatchObject(fault);
    expect(await driver.health(patience())).toEqual({ status: 'configuration_error', message: fault.message });
  });

  it('sends neither PIN nor material; the credentials of a keystore without a record only sealed', async () => {
    const pin = 'a-pin-that-nobody-may-see';
    const credentials = { pkcs11_user_pin: pin };
    const sealed = connect({ ...connection, credentials, seal: () => Promise.resolve(Buffer.from('ciphertext')) });
    await sealed.health(patience());
    await connect({ ...connection, credentials }).health(patience());
    await faultOf(run(sealed, 'import', key, Buffer.from('the-material-of-the-key-32-bytes')));
    const [tried, recorded, step, ...more] = lambda.bodies;
    expect(more).toEqual([]);
    expect(JSON.parse(tried ?? '')).toEqual({
      call: 'health',
      keystoreId: 'keystore-1',
      unrecorded: { settings: connection.settings, sealed: Buffer.from('ciphertext').toString('base64') },
    });
    expect(JSON.parse(recorded ?? '')).toEqual({ call: 'health', keystoreId: 'keystore-1' });
    expect(step).not.toMatch(/the-material/);
    expect(lambda.bodies.join()).not.toContain(pin);
  });

  it('says what is missing where there is neither library nor function', async () => {
    const { PKCS11_FUNCTION: name } = process.env;
    delete process.env['PKCS11_FUNCTION'];
    try {
      expect(await driver.health(patience())).toMatchObject({ status: 'configuration_error' });
      expect(await faultOf(look())).toMatchObject({ kind: 'unsupported' });
    } finally {
      process.env['PKCS11_FUNCTION'] = name;
    }
  });

  it('is unreachable when nobody listens', async () => {
    const { AWS_ENDPOINT_URL_LAMBDA: endpoint } = process.env;
    process.env['AWS_ENDPOINT_URL_LAMBDA'] = 'http://127.0.0.1:1';
    try {
      expect(await faultOf(look())).toMatchObject({ kind: 'unreachable' });
      expect(await driver.health(patience())).toMatchObject({ status: 'not_responding' });
    } finally {
      process.env['AWS_ENDPOINT_URL_LAMBDA'] = endpoint;
    }
  });
});

describe('the PKCS #11 function', () => {
  const serving = {
    driverOf: () => Promise.reject(new Error('an inner matter')),
    lend: () => Promise.reject(new Error('not asked for')),
    faultOf: asKeystoreFault,
  };

  it.each([
    undefined,
    null,
    {},
    { call: 'step', keystoreId: 'k', step: 'rotate' },
    { call: 'observe', keystoreId: 'k' },
  ])('answers an event that is no request (%j) with a fault', async (event) => {
    expect(await serve(event, serving, patience())).toMatchObject({ fault: { kind: 'broken' } });
  });

  it('answers what goes wrong inside with a fault that tells nothing of it', async () => {
    const given = await serve({ call: 'list', keystoreId: 'k' }, serving, patience());
    expect(given).toMatchObject({ fault: { kind: 'broken' } });
    expect(JSON.stringify(given)).not.toContain('inner matter');
  });
});
