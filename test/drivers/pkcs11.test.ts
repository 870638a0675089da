import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { KeyInKeystore, KeySpec, KeystoreDriver } from '../../lib/drivers/driver.ts';
import { CK_PARAMS_RSA_OAEP, CKA, CKF, CKG, CKK, CKM, CKO, openLibrary } from '../../lib/drivers/pkcs11/cryptoki.ts';
import { connectTo } from '../../lib/drivers/pkcs11/driver.ts';
import { faultFrom } from '../../lib/drivers/pkcs11/faults.ts';
import { PKCS11_KEY_RULES, pkcs11Kind, pkcs11KeyRule } from '../../lib/drivers/pkcs11/kind.ts';
import { idOf } from '../../lib/drivers/pkcs11/objects.ts';
import { planFor } from '../../lib/drift/plan.ts';
import { findSoftHsm } from '../../sandbox/pkcs11/softhsm.ts';
import { makeMaterial } from './aws-material.ts';
import { driverContract, faultOf, newKey, patience, present, run } from './contract.ts';
import type { Subject } from './contract.ts';
import type { HsmKeystore } from './pkcs11-softhsm.ts';
import { openHsmKeystore, TOKEN } from './pkcs11-softhsm.ts';

const found = findSoftHsm();
const why = 'why' in found ? found.why : undefined;
const reason = why === undefined ? '' : ` (skipped: ${why})`;

const imports = PKCS11_KEY_RULES.map(({ algorithm, size }) => ({
  spec: { algorithm, size, material: 'imported', properties: {} } as const satisfies KeySpec,
  makeMaterial: () => makeMaterial({ algorithm, size }),
}));

const subject: Subject = {
  kind: pkcs11Kind,
  open: () => Promise.resolve(openHsmKeystore()),
  spec: { algorithm: 'aes', size: '256', material: 'imported', properties: {} },
  imports,
  unsupported: {
    rotate: 'A new version is a new key.',
    cancel_deletion: 'A destroyed object cannot be called back.',
  },
  noEmptyKeys: 'An object in an HSM always has its value.',
  sameIdAnew: 'CKA_ID says which key it is, not which object.',
};

describe.skipIf(why !== undefined)(`pkcs11 on SoftHSM 2${reason}`, () => {
  driverContract('pkcs11', subject);
});

describe.skipIf(why !== undefined)(`pkcs11 on SoftHSM 2, apart from the contract${reason}`, () => {
  let keystore: HsmKeystore;
  let driver: KeystoreDriver;
  beforeAll(() => {
    keystore = openHsmKeystore();
    driver = keystore.connect();
  });
  afterAll(() => keystore.close());
  beforeEach(() => {
    keystore.mend();
  });

  const AES = { algorithm: 'aes', size: '256', material: 'native', properties: {} } as const satisfies KeySpec;
  const look = async (key: KeyInKeystore) => present(await driver.observe(key, patience()));
  const made = (spec: KeySpec = AES, changes: Partial<KeyInKeystore> = {}) =>
    run(driver, 'create', newKey(spec, new Date(), changes));
  const objectsOf = (key: KeyInKeystore) => keystore.operator.find([{ type: CKA.ID, value: idOf(key) }]);
  const secretOf = (key: KeyInKeystore): Buffer => {
    const secret = objectsOf(key).find((each) => keystore.operator.read(each, CKA.CLASS)[0] !== CKO.PUBLIC_KEY);
    if (secret === undefined) throw new Error('The key is not there.');
    return secret;
  };

  it.each(PKCS11_KEY_RULES.map((rule) => [`${rule.algorithm} ${rule.size}`, rule] as const))(
    'makes a native key of %s that shows its own fingerprint',
    async (_name, { algorithm, size }) => {
      const key = await made({ algorithm, size, material: 'native', properties: {} });
      expect(key.binding?.fingerprint).toMatch(/^[0-9a-f]{16}([0-9a-f]{48})?$/);
      expect(await look(key)).toMatchObject({ state: 'enabled', fingerprint: key.binding?.fingerprint });
    },
  );

  it('never lets the key out, and gives it no use beyond the rule', async () => {
    for (const spec of [AES, imported('rsa', '2048'), imported('hmac', '256')]) {
      const key = newKey(spec, new Date());
      const rule = pkcs11KeyRule(spec);
      await run(driver, 'create', key, spec.material === 'imported' ? makeMaterial(spec) : undefined);
      const secret = secretOf(key);
      expect(keystore.operator.isSet(secret, CKA.SENSITIVE)).toBe(true);
      expect(keystore.operator.isSet(secret, CKA.EXTRACTABLE)).toBe(false);
      for (const use of ['ENCRYPT', 'DECRYPT', 'SIGN', 'VERIFY', 'WRAP', 'UNWRAP', 'DERIVE'] as const) {
        const isPrivate = keystore.operator.read(secret, CKA.CLASS)[0] === CKO.PRIVATE_KEY;
        if (isPrivate && ['ENCRYPT', 'VERIFY', 'WRAP'].includes(use)) continue;
        const granted = rule?.uses.some((each) => each.toUpperCase() === use);
        expect(keystore.operator.isSet(secret, CKA[use]), `${spec.algorithm} ${use}`).toBe(granted);
      }
    }
  });

  it('leaves nothing in the HSM but the key: its wrapping keys are the session’s', async () => {
    const before = keystore.operator.find([]).length;
    await run(driver, 'create', newKey(imported('aes', '256'), new Date()), makeMaterial(AES));
    expect(keystore.operator.find([]).length).toBe(before + 1);
    await run(
      driver,
      'create',
      newKey(imported('ec', '256'), new Date()),
      makeMaterial({ algorithm: 'ec', size: '256' }),
    );
    expect(keystore.operator.find([]).length).toBe(before + 3);
  });

  it('takes what an earlier version is called only when it is renamed, and sets that one aside', async () => {
    const first = await made();
    const old = { ...first, current: false };
    const second = await made(AES, { keyId: first.keyId, version: 2, label: first.label });
    expect(second.binding?.idInKeystore).not.toBe(first.binding?.idInKeystore);
    expect((await look(first)).name).toBe('leads_here');
    expect((await look(second)).name).toBe('leads_elsewhere');
    await run(driver, 'rename', second);
    expect((await look(second)).name).toBe('leads_here');
    expect((await look(old)).name).toBe('not_applicable');
    expect(keystore.operator.read(secretOf(first), CKA.LABEL).toString()).toBe(`${first.label}#1`);

    const label = `${first.label}-new`;
    await run(driver, 'rename', { ...second, label });
    await run(driver, 'rename', { ...old, label });
    expect(keystore.operator.read(secretOf(first), CKA.LABEL).toString()).toBe(`${label}#1`);
    expect(await look({ ...second, label })).toMatchObject({ name: 'leads_here', state: 'enabled' });
  });

  it('shows a name that a foreign key has too, and does not count a certificate', async () => {
    const key = await made();
    const label = Buffer.from(key.label);
    keystore.cryptoki.C_CreateObject(await session(), [
      { type: CKA.CLASS, value: 0 },
      { type: CKA.TOKEN, value: true },
      { type: CKA.LABEL, value: label },
    ]);
    expect((await look(key)).name).toBe('leads_here');
    await keystore.takeName(key.label);
    expect((await look(key)).name).toBe('leads_elsewhere');
  });

  it('shows a key of which only some uses are off as unusable, and mends it', async () => {
    const key = await made();
    keystore.operator.set(secretOf(key), [{ type: CKA.DECRYPT, value: false }]);
    const seen = await look(key);
    expect(seen).toMatchObject({ state: 'unusable', mendedBy: 'enable' });
    expect(seen.remark).toContain('CKA_DECRYPT');
    expect(planFor(wanted('enabled', key), seen)).toEqual({ outcome: 'steps', steps: ['enable'] });
    expect(planFor(wanted('disabled', key), seen)).toEqual({ outcome: 'steps', steps: ['disable'] });
    await run(driver, 'enable', key);
    expect((await look(key)).state).toBe('enabled');
  });

  it('does not enable other material that was put in the place of a disabled key', async () => {
    const key = await made();
    await run(driver, 'disable', key);
    await keystore.changeMaterial?.(key.binding?.idInKeystore ?? '');
    await run(driver, 'disable', key);
    expect(await faultOf(run(driver, 'enable', key))).toMatchObject({ kind: 'conflict' });
    expect((await look(key)).state).toBe('disabled');
  });

  it('is not deceived by a public key that is not the private key’s', async () => {
    const spec: KeySpec = { algorithm: 'ec', size: '256', material: 'native', properties: {} };
    const key = await made(spec);
    const other = await made(spec);
    const publicOf = (each: KeyInKeystore) => objectsOf(each).find((object) => !object.equals(secretOf(each)));
    const [ours, foreign] = [publicOf(key), publicOf(other)];
    if (ours === undefined || foreign === undefined) throw new Error('There are no public keys.');
    const point = keystore.operator.read(foreign, CKA.EC_POINT);
    keystore.operator.destroy(ours);
    keystore.cryptoki.C_CreateObject(await session(), [
      { type: CKA.CLASS, value: CKO.PUBLIC_KEY },
      { type: CKA.KEY_TYPE, value: CKK.CKK_EC },
      { type: CKA.TOKEN, value: true },
      { type: CKA.ID, value: idOf(key) },
      { type: CKA.EC_PARAMS, value: Buffer.from('06082a8648ce3d030107', 'hex') },
      { type: CKA.EC_POINT, value: point },
    ]);
    const seen = await look(key);
    expect(seen.fingerprint).toBeDefined();
    expect([key.binding?.fingerprint, other.binding?.fingerprint]).not.toContain(seen.fingerprint);
  });

  it('refuses to choose between two keys with one id', async () => {
    const key = await made();
    await keystore.operator.makeAes([{ type: CKA.ID, value: idOf(key) }]);
    expect(await faultOf(look(key))).toMatchObject({ kind: 'conflict' });
    await run(driver, 'schedule_deletion', key).catch(() => undefined);
    expect(objectsOf(key).length).toBe(2);
  });

  it('clears away the public key that an import left alone', async () => {
    const spec = imported('ec', '256');
    const material = makeMaterial(spec);
    const key = newKey(spec, new Date());
    keystore.strike('create', 'no_answer', 1);
    expect(await faultOf(run(driver, 'create', key, material))).toMatchObject({ kind: 'unreachable' });
    expect(objectsOf(key).length).toBe(1);
    expect(await driver.observe(key, patience())).toEqual({ presence: 'absent' });
    await run(driver, 'create', key, material);
    expect(objectsOf(key).length).toBe(2);
    expect((await look(key)).state).toBe('enabled');
  });

  it('goes on in a new session when its own was lost', async () => {
    const key = await made();
    keystore.cryptoki.C_CloseAllSessions(slot());
    expect((await look(key)).state).toBe('enabled');
  });

  it('does one thing after the other, and gives up the wait with the signal', async () => {
    const keys = await Promise.all(Array.from({ length: 8 }, () => made()));
    const slow = made({ algorithm: 'rsa', size: '2048', material: 'native', properties: {} });
    const given = driver.observe(keys[0] ?? newKey(AES, new Date()), AbortSignal.timeout(1));
    expect(await faultOf(given)).toMatchObject({ kind: 'unreachable' });
    await slow;
    expect(new Set((await Promise.all(keys.map(look))).map(({ state }) => state))).toEqual(new Set(['enabled']));
  });

  it('does not believe a wrong PIN because another is logged in, and sends it once', async () => {
    await made();
    const wrong = connectTo(() => keystore.cryptoki, {
      ...keystore.connection,
      credentials: { pkcs11_user_pin: 'not-this-one' },
    });
    keystore.calls.clear();
    const fault = await faultOf(wrong.observe(newKey(AES, new Date()), patience()));
    expect(fault).toMatchObject({ kind: 'denied', providerCode: 'CKR_PIN_INCORRECT' });
    expect(JSON.stringify(fault) + fault.message).not.toContain('not-this-one');
    expect(await wrong.health(patience())).toMatchObject({ status: 'configuration_error' });
    expect(keystore.calls.get('C_Login')).toBe(1);
    expect((await look(await made())).state).toBe('enabled');
  });

  it('names a token that is not there, and settings that are missing', async () => {
    const elsewhere = connectTo(() => keystore.cryptoki, {
      ...keystore.connection,
      settings: { pkcs11_token_label: 'no-such-token' },
    });
    expect(await elsewhere.health(patience())).toEqual({
      status: 'configuration_error',
      message: 'The HSM has no token with the label “no-such-token”.',
    });
    const none = () => connectTo(() => keystore.cryptoki, { ...keystore.connection, settings: {} });
    expect(none).toThrow('pkcs11_token_label');
    expect(() => connectTo(() => keystore.cryptoki, { ...keystore.connection, credentials: {} })).toThrow('pin');
  });

  it('says that a library cannot be loaded', () => {
    expect(() => openLibrary('/no/such/library.so')).toThrow('/no/such/library.so cannot be loaded');
  });

  it('has the numbers of the standard', () => {
    const js = createRequire(import.meta.url)('pkcs11js') as Record<string, number>;
    const tables = { CKA, CKO, CKM, CKG } as const;
    for (const [prefix, table] of Object.entries(tables)) {
      for (const [name, value] of Object.entries(table)) {
        const standard = js[`${prefix}_${name}`];
        if (standard !== undefined) expect(value, name).toBe(standard);
      }
    }
    for (const [name, value] of Object.entries(CKK)) expect(value, name).toBe(js[name]);
    expect(CK_PARAMS_RSA_OAEP).toBe(js['CK_PARAMS_RSA_OAEP']);
  });

  const slot = () => {
    const { cryptoki } = keystore;
    const found = cryptoki.C_GetSlotList(true).find((each) => cryptoki.C_GetTokenInfo(each).label.trimEnd() === TOKEN);
    if (found === undefined) throw new Error('The token is not there.');
    return found;
  };
  const session = () => Promise.resolve(keystore.cryptoki.C_OpenSession(slot(), CKF.SERIAL_SESSION | CKF.RW_SESSION));
});

function imported(algorithm: KeySpec['algorithm'], size: string): KeySpec {
  return { algorithm, size, material: 'imported', properties: {} };
}

function wanted(what: 'enabled' | 'disabled', { spec, binding, current }: KeyInKeystore) {
  return { wanted: what, binding, spec, current, open: undefined, outgrown: false, rotating: false };
}

describe('the rules of pkcs11 keystores', () => {
  const spec = (algorithm: KeySpec['algorithm'], size: string): KeySpec => imported(algorithm, size);

  it('holds what its table says, of either material', () => {
    for (const { algorithm, size, materials } of PKCS11_KEY_RULES) {
      expect(materials).toEqual(pkcs11Kind.materials);
      expect(pkcs11Kind.refuses(spec(algorithm, size))).toBeUndefined();
    }
  });

  it.each([
    ['des', '192', 'choose one of AES, HMAC, RSA, elliptic curve'],
    ['dilithium', '3', 'cannot hold Dilithium keys'],
    ['aes', '512', 'of size 128, 192, 256 only, not 512'],
    ['rsa', '1024', 'change the size'],
    ['ec', '25519', 'of size 256, 384, 521, 256K only'],
  ] as const)('refuses %s %s, saying what to change', (algorithm, size, says) => {
    expect(pkcs11Kind.refuses(spec(algorithm, size))).toContain(says);
  });

  it('is documented row by row', () => {
    const page = readFileSync(new URL('../../docs/keystores/pkcs11.md', import.meta.url), 'utf8');
    const rows = PKCS11_KEY_RULES.map(({ algorithm, size, materials, uses, publicUses }) =>
      [algorithm, size, materials.join(', '), uses.join(', '), publicUses.join(', ') || '–'].join(' | '),
    );
    const shown = page.replaceAll(/ +/g, ' ').match(/^\| (?:aes|des|dilithium|ec|hmac|rsa) \|.*$/gm);
    expect(shown).toEqual(rows.map((row) => `| ${row} |`));
  });

  it('needs native code in one file, which nothing but its driver imports', () => {
    const lib = new URL('../../lib/', import.meta.url);
    const sources = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    const having = (text: string | RegExp) =>
      sources.filter((file) => readFileSync(new URL(file, lib), 'utf8').match(text) !== null).toSorted();
    expect(having(/\('pkcs11js'\)|from 'pkcs11js'/)).toEqual(['drivers/pkcs11/cryptoki.ts']);
    expect(having(/from '.*pkcs11\/driver\.ts'/)).toEqual([]);
  });

  it('takes labels in which a version can be set aside, and no others', () => {
    for (const label of ['a', 'Payments/2026 v1._-', 'x'.repeat(120)])
      expect(pkcs11Kind.refusesLabel(label)).toBeUndefined();
    for (const label of ['', 'x'.repeat(121), 'a#1', 'ä', 'a\n']) expect(pkcs11Kind.refusesLabel(label)).toBeDefined();
  });

  it('has ids that no two versions share', () => {
    const ids = new Set<string>();
    for (let n = 0; n < 200; n += 1) {
      const keyId = randomUUID();
      for (const version of [1, 2, 256, 65_536]) ids.add(idOf({ keyId, version }).toString('hex'));
    }
    expect(ids.size).toBe(800);
    expect(() => idOf({ keyId: 'no uuid', version: 1 })).toThrow();
  });
});

describe('faults of an HSM’s library', () => {
  const thrown = (message: string) => faultFrom(new Error(message), 'C_Sign');

  it.each([
    ['CKR_PIN_LOCKED', 'denied'],
    ['CKR_SESSION_COUNT', 'throttled'],
    ['CKR_DEVICE_ERROR', 'unreachable'],
    ['CKR_OBJECT_HANDLE_INVALID', 'unavailable'],
    ['CKR_ATTRIBUTE_READ_ONLY', 'conflict'],
    ['CKR_MECHANISM_INVALID', 'unsupported'],
    ['CKR_GENERAL_ERROR', 'broken'],
    ['CKR_VENDOR_DEFINED', 'broken'],
  ])('takes %s for %s', (code, kind) => {
    expect(thrown(code)).toMatchObject({ kind, providerCode: code, message: `The HSM answered C_Sign with ${code}.` });
  });

  it('repeats nothing of an error that it does not know', () => {
    expect(thrown('segment 1234 of the PIN').message).toBe("The HSM's library failed in C_Sign.");
  });
});
