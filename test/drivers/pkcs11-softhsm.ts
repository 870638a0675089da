import {
  constants,
  createCipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  verify,
} from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { KeySpec, KeystoreDriver } from '../../lib/drivers/driver.ts';
import type { Attribute, Cryptoki, Handle } from '../../lib/drivers/pkcs11/cryptoki.ts';
import { CKA, CKF, CKK, CKM, CKO, CKU_USER, openLibrary } from '../../lib/drivers/pkcs11/cryptoki.ts';
import { connectTo } from '../../lib/drivers/pkcs11/driver.ts';
import { idOf } from '../../lib/drivers/pkcs11/objects.ts';
import type { Connection } from '../../lib/drivers/registry.ts';
import type { SoftHsm } from '../../sandbox/pkcs11/softhsm.ts';
import { makeSoftHsm } from '../../sandbox/pkcs11/softhsm.ts';
import type { Keystore } from './contract.ts';

export const TOKEN = 'shearline-test';
/** Another HSM for all that the driver knows. */
export const OTHER_TOKEN = 'shearline-test-2';

/** A SoftHSM token, seen by the driver through calls that can be made to fail, and by an operator beside it. */
export interface HsmKeystore extends Keystore {
  readonly hsm: SoftHsm;
  /** The library as the driver has it. */
  readonly cryptoki: Cryptoki;
  readonly connection: Connection;
  readonly operator: Operator;
  /** How often the driver has called each function. */
  readonly calls: Map<string, number>;
}

/** Somebody else with the PIN of the token. */
export interface Operator {
  find(template: Attribute[]): Handle[];
  read(object: Handle, type: number): Buffer;
  isSet(object: Handle, type: number): boolean;
  set(object: Handle, attributes: Attribute[]): void;
  destroy(object: Handle): void;
  makeAes(attributes: Attribute[]): Promise<Handle>;
  encrypt(key: Handle, mechanism: number | AnyMechanism, input: Buffer): Buffer;
  decrypt(key: Handle, mechanism: AnyMechanism, input: Buffer): Buffer;
  sign(key: Handle, mechanism: number, input: Buffer): Buffer;
  /** Throws, as the library does, for a signature that is not by this key. */
  verify(publicKey: Handle, mechanism: number, input: Buffer, signature: Buffer): void;
}

/** A mechanism as pkcs11js takes it. */
export interface AnyMechanism {
  readonly mechanism: number;
  readonly parameter?: Readonly<Record<string, unknown>>;
}

/** Calls of the library that the driver does not make. */
interface WholeLibrary {
  C_EncryptInit(session: Handle, mechanism: AnyMechanism, key: Handle): void;
  C_DecryptInit(session: Handle, mechanism: AnyMechanism, key: Handle): void;
  C_Decrypt(session: Handle, input: Buffer, output: Buffer): Buffer;
  C_VerifyInit(session: Handle, mechanism: AnyMechanism, key: Handle): void;
  C_Verify(session: Handle, input: Buffer, signature: Buffer): void;
}

type Failure = { readonly code: string; readonly after: boolean; left: number };

const CODES = {
  throttled: { code: 'CKR_SESSION_COUNT', after: false },
  denied: { code: 'CKR_FUNCTION_REJECTED', after: false },
  answer_lost: { code: 'CKR_DEVICE_ERROR', after: true },
  no_answer: { code: 'CKR_DEVICE_ERROR', after: false },
} as const;

const FUNCTIONS = {
  look: ['C_FindObjects'],
  list: ['C_FindObjects'],
  create: ['C_UnwrapKey', 'C_GenerateKeyAsync', 'C_GenerateKeyPairAsync'],
} as const;

/** The library reads where its tokens are when it is initialised: once in a process. */
let tokens: Readonly<Record<string, SoftHsm>> | undefined;

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function makeTokens(): Record<string, SoftHsm> {
  const folder = mkdtempSync(join(tmpdir(), 'shearline-hsm-'));
  folders.push(folder);
  const labels = [TOKEN, OTHER_TOKEN];
  const made = Object.fromEntries(labels.map((tokenLabel) => [tokenLabel, makeSoftHsm({ folder, tokenLabel })]));
  Object.assign(process.env, made[TOKEN]?.environment);
  return made;
}

/** A keystore on a token of this process's. `wrap` puts something between a test and the driver. */
export function openHsmKeystore(
  wrap: (driver: KeystoreDriver, connection: Connection) => KeystoreDriver = (driver) => driver,
  tokenLabel: string = TOKEN,
): HsmKeystore {
  const hsm = (tokens ??= makeTokens())[tokenLabel];
  if (hsm === undefined) throw new Error(`There is no token ${tokenLabel}.`);
  const library = openLibrary(hsm.library);
  const failures = new Map<string, Failure>();
  const calls = new Map<string, number>();
  const cryptoki = failing(library, failures, calls);
  const connection: Connection = {
    keystoreId: 'keystore-1',
    settings: { pkcs11_token_label: tokenLabel },
    credentials: { pkcs11_user_pin: hsm.userPin },
  };
  const operator = operatorOf(library, hsm);
  const idFrom = (idInKeystore: string) => {
    const escaped = idInKeystore.slice(idInKeystore.indexOf(';id=') + 4);
    return Buffer.from(escaped.replaceAll('%', ''), 'hex');
  };
  const secretOf = (idInKeystore: string) => {
    const found = operator.find([{ type: CKA.ID, value: idFrom(idInKeystore) }]);
    const secret = found.find((each) => operator.read(each, CKA.CLASS)[0] !== CKO.PUBLIC_KEY);
    if (secret === undefined) throw new Error('The key is not there.');
    return secret;
  };
  return {
    hsm,
    cryptoki,
    connection,
    operator,
    calls,
    connect: () =>
      wrap(
        connectTo(() => cryptoki, connection),
        connection,
      ),
    now: () => new Date(),
    strike(during, how, times = Infinity) {
      const failure: Failure = { ...CODES[how], left: times };
      for (const name of FUNCTIONS[during]) failures.set(name, failure);
    },
    mend() {
      failures.clear();
      calls.clear();
    },
    async takeName(label) {
      await operator.makeAes([{ type: CKA.LABEL, value: label }]);
    },
    countOf(keyId) {
      const prefix = idOf({ keyId, version: 1 }).subarray(0, 16);
      const found = operator
        .find([])
        .filter((each) => [CKO.SECRET_KEY, CKO.PRIVATE_KEY].some((type) => operator.read(each, CKA.CLASS)[0] === type));
      return Promise.resolve(found.filter((each) => operator.read(each, CKA.ID).subarray(0, 16).equals(prefix)).length);
    },
    letDeletionsEnd: () => undefined,
    // An HSM's key is its material: who takes that away has deleted the key.
    loseMaterial: undefined,
    async changeMaterial(id) {
      const before = secretOf(id);
      const label = operator.read(before, CKA.LABEL).toString();
      operator.destroy(before);
      await operator.makeAes([
        { type: CKA.ID, value: idFrom(id) },
        { type: CKA.LABEL, value: label },
        { type: CKA.ENCRYPT, value: true },
        { type: CKA.DECRYPT, value: true },
      ]);
    },
    provesMaterial(id, spec, material) {
      proves(operator, secretOf(id), spec, material);
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}

/** The library with failures put between: as it would answer, instead of its answer or after what it did. */
function failing(library: Cryptoki, failures: Map<string, Failure>, calls: Map<string, number>): Cryptoki {
  return new Proxy(library, {
    get(target, name) {
      const real: unknown = Reflect.get(target, name);
      if (typeof real !== 'function' || typeof name !== 'string') return real;
      return (...args: unknown[]): unknown => {
        calls.set(name, (calls.get(name) ?? 0) + 1);
        const failure = failures.get(name);
        const ask = () => Reflect.apply(real, target, args) as unknown;
        // What is made for the session alone is not the key.
        const forSession = args
          .flat()
          .some((each) => isAttribute(each) && each.type === CKA.TOKEN && each.value === false);
        if (failure === undefined || failure.left === 0 || forSession) return ask();
        failure.left -= 1;
        const error = new Error(failure.code);
        if (!failure.after) throw error;
        const answer = ask();
        if (!(answer instanceof Promise)) throw error;
        return answer.then(() => {
          throw error;
        });
      };
    },
  });
}

function isAttribute(value: unknown): value is Attribute {
  return typeof value === 'object' && value !== null && 'type' in value && 'value' in value;
}

/** The operator shares the process's login: SoftHSM, like every library, has one for all sessions of a token. */
function operatorOf(library: Cryptoki, hsm: SoftHsm): Operator {
  const whole = library as unknown as WholeLibrary;
  const inSession = <T>(work: (session: Handle) => T): T => {
    const slot = library
      .C_GetSlotList(true)
      .find((each) => library.C_GetTokenInfo(each).label.trimEnd() === hsm.tokenLabel);
    if (slot === undefined) throw new Error('The token is not there.');
    const session = library.C_OpenSession(slot, CKF.SERIAL_SESSION | CKF.RW_SESSION);
    try {
      library.C_Login(session, CKU_USER, hsm.userPin);
    } catch (error) {
      if (!(error instanceof Error) || error.message !== 'CKR_USER_ALREADY_LOGGED_IN') throw error;
    }
    return work(session);
  };
  const find = (template: Attribute[]) =>
    inSession((session) => {
      library.C_FindObjectsInit(session, [{ type: CKA.TOKEN, value: true }, ...template]);
      const found = library.C_FindObjects(session, 10_000);
      library.C_FindObjectsFinal(session);
      return found;
    });
  const read = (object: Handle, type: number) =>
    inSession((session) => library.C_GetAttributeValue(session, object, [{ type }])[0]?.value ?? Buffer.alloc(0));
  return {
    find,
    read,
    isSet: (object, type) => read(object, type)[0] === 1,
    set: (object, attributes) => {
      inSession((session) => {
        library.C_SetAttributeValue(session, object, attributes);
      });
    },
    destroy: (object) => {
      inSession((session) => {
        library.C_DestroyObject(session, object);
      });
    },
    makeAes: (attributes) =>
      inSession((session) =>
        library.C_GenerateKeyAsync(session, { mechanism: CKM.AES_KEY_GEN }, [
          { type: CKA.CLASS, value: CKO.SECRET_KEY },
          { type: CKA.KEY_TYPE, value: CKK.CKK_AES },
          { type: CKA.TOKEN, value: true },
          { type: CKA.PRIVATE, value: true },
          { type: CKA.VALUE_LEN, value: 32 },
          ...attributes,
        ]),
      ),
    encrypt: (key, mechanism, input) =>
      inSession((session) => {
        whole.C_EncryptInit(session, typeof mechanism === 'number' ? { mechanism } : mechanism, key);
        return library.C_Encrypt(session, input, Buffer.alloc(512));
      }),
    decrypt: (key, mechanism, input) =>
      inSession((session) => {
        whole.C_DecryptInit(session, mechanism, key);
        return whole.C_Decrypt(session, input, Buffer.alloc(512));
      }),
    sign: (key, mechanism, input) =>
      inSession((session) => {
        library.C_SignInit(session, { mechanism }, key);
        return library.C_Sign(session, input, Buffer.alloc(1024));
      }),
    verify: (publicKey, mechanism, input, signature) => {
      inSession((session) => {
        whole.C_VerifyInit(session, { mechanism }, publicKey);
        whole.C_Verify(session, input, signature);
      });
    },
  };
}

const MESSAGE = Buffer.from('what only this material can make');
const MACS: Record<string, number> = {
  '224': CKM.SHA224_HMAC,
  '256': CKM.SHA256_HMAC,
  '384': CKM.SHA384_HMAC,
  '512': CKM.SHA512_HMAC,
};
/** CKM_SHA256_RSA_PKCS, which the driver does not need. */
const SHA256_RSA_PKCS = 0x40;

/** Throws unless the key makes what only this material makes. */
function proves(operator: Operator, key: Handle, spec: KeySpec, material: Uint8Array): void {
  const publicKey = () =>
    createPublicKey(createPrivateKey({ key: Buffer.from(material), format: 'der', type: 'pkcs8' }));
  switch (spec.algorithm) {
    case 'aes': {
      const block = Buffer.alloc(32, 'block');
      const cipher = createCipheriv(`aes-${spec.size}-ecb`, material, null);
      same(operator.encrypt(key, CKM.AES_ECB, block), cipher.update(block));
      return;
    }
    case 'hmac':
      same(
        operator.sign(key, MACS[spec.size] ?? 0, MESSAGE),
        createHmac(`sha${spec.size}`, material).update(MESSAGE).digest(),
      );
      return;
    case 'rsa': {
      const signature = operator.sign(key, SHA256_RSA_PKCS, MESSAGE);
      const padding = constants.RSA_PKCS1_PADDING;
      if (!verify('sha256', MESSAGE, { key: publicKey(), padding }, signature))
        throw new Error('Other material signed.');
      return;
    }
    case 'ec': {
      const signature = operator.sign(key, CKM.ECDSA, createHash('sha256').update(MESSAGE).digest());
      if (!verify('sha256', MESSAGE, { key: publicKey(), dsaEncoding: 'ieee-p1363' }, signature)) {
        throw new Error('Other material signed.');
      }
      return;
    }
    case 'des':
    case 'dilithium':
      throw new Error(`There are no ${spec.algorithm} keys.`);
  }
}

function same(actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) !== 0) throw new Error('The material is another.');
}
