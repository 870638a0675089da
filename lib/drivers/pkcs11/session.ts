import { createHash } from 'node:crypto';
import { KeystoreFault } from '../driver.ts';
import type { Attribute, Cryptoki, Handle, Mechanism } from './cryptoki.ts';
import { CKA, CKF, CKU_USER } from './cryptoki.ts';
import { abandoned, faultFrom } from './faults.ts';

/** One keystore: a token of the HSM, and the PIN to log in to it with. */
export interface Token {
  /**
   * Works in a session that is logged in. One piece of work at a time in the whole process: a library's login is the process's, not
   * the session's. Work that finds its session lost is begun anew, so it must be safe to run twice.
   */
  use<T>(signal: AbortSignal, work: (session: Session) => Promise<T> | T): Promise<T>;
}

interface Login {
  readonly slot: Handle;
  readonly session: Handle;
  readonly pin: string;
  readonly mechanisms: ReadonlySet<number>;
  /** Objects of this session that are made once for it. */
  readonly kept: Map<string, unknown>;
}

/** What this process has open in one library. */
class Library {
  readonly logins = new Map<string, Login>();
  /** Logins that the HSM has accepted. */
  readonly proved = new Set<string>();
  /** Logins that were refused, and when. */
  readonly refused = new Map<string, number>();
  #turn: Promise<unknown> = Promise.resolve();

  async inTurn<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#turn = before.then(() => promise);
    try {
      await orAbort(before, signal);
      return await work();
    } finally {
      resolve(undefined);
    }
  }
}

const libraries = new WeakMap<Cryptoki, Library>();

/** An HSM locks its user out after some wrong PINs: one that was refused is not sent again for this long, in milliseconds. */
const REFUSED_FOR = 3_600_000;

/** The session is gone, and with it nothing but the session. */
const LOST: ReadonlySet<string | undefined> = new Set([
  'CKR_SESSION_CLOSED',
  'CKR_SESSION_HANDLE_INVALID',
  'CKR_USER_NOT_LOGGED_IN',
]);

const ATTEMPTS = 4;

/** What an HSM says whose connection is better made anew before the next piece of work. */
const DOUBTFUL: ReadonlySet<string | undefined> = new Set([
  ...LOST,
  'CKR_DEVICE_ERROR',
  'CKR_DEVICE_REMOVED',
  'CKR_FUNCTION_FAILED',
  'CKR_GENERAL_ERROR',
  'CKR_OPERATION_ACTIVE',
  'CKR_TOKEN_NOT_PRESENT',
]);

/** The token of this label. Asks the library for nothing before it is used. */
export function tokenOf(open: () => Cryptoki, label: string, pin: string): Token {
  return {
    async use(signal, work) {
      if (signal.aborted) throw abandoned();
      const cryptoki = open();
      const library = libraries.get(cryptoki) ?? new Library();
      libraries.set(cryptoki, library);
      return library.inTurn(signal, async () => {
        for (let attempt = 1; ; attempt += 1) {
          try {
            const login = loginOf(cryptoki, library, label, pin);
            return await work(new Session(cryptoki, login, signal));
          } catch (error) {
            const code = error instanceof KeystoreFault ? error.providerCode : undefined;
            if (DOUBTFUL.has(code)) library.logins.delete(label);
            if (!LOST.has(code) || attempt === ATTEMPTS) throw error;
          }
        }
      });
    },
  };
}

function loginOf(cryptoki: Cryptoki, library: Library, label: string, pin: string): Login {
  const digest = createHash('sha256').update(pin).digest('base64');
  const present = library.logins.get(label);
  if (present?.pin === digest) return present;

  const attempt = `${label}\n${digest}`;
  if (Date.now() - (library.refused.get(attempt) ?? -Infinity) < REFUSED_FOR) {
    throw new KeystoreFault(
      'denied',
      `The HSM has refused this PIN for the token “${label}”; it is not sent again for an hour, so that the HSM does not lock its user.`,
    );
  }
  try {
    const slot = slotOf(cryptoki, label);
    if (present !== undefined) cryptoki.C_CloseAllSessions(slot);
    library.logins.delete(label);
    const session = logIn(cryptoki, slot, pin, library.proved.has(attempt));
    library.proved.add(attempt);
    const mechanisms = new Set(cryptoki.C_GetMechanismList(slot));
    const login: Login = { slot, session, pin: digest, mechanisms, kept: new Map() };
    library.logins.set(label, login);
    return login;
  } catch (error) {
    const fault = faultFrom(error, 'C_Login');
    if (fault.providerCode?.startsWith('CKR_PIN_') === true) library.refused.set(attempt, Date.now());
    throw fault;
  }
}

/** While anybody in the process is logged in, a library asks for no PIN: one that was never proved is proved after all were logged out. */
function logIn(cryptoki: Cryptoki, slot: Handle, pin: string, proved: boolean): Handle {
  const flags = CKF.SERIAL_SESSION | CKF.RW_SESSION;
  const session = cryptoki.C_OpenSession(slot, flags);
  try {
    cryptoki.C_Login(session, CKU_USER, pin);
    return session;
  } catch (error) {
    if (!(error instanceof Error) || error.message !== 'CKR_USER_ALREADY_LOGGED_IN') throw error;
    if (proved) return session;
  }
  cryptoki.C_CloseAllSessions(slot);
  const anew = cryptoki.C_OpenSession(slot, flags);
  cryptoki.C_Login(anew, CKU_USER, pin);
  return anew;
}

function slotOf(cryptoki: Cryptoki, label: string): Handle {
  const slots = cryptoki.C_GetSlotList(true);
  const [found, another] = slots.filter((slot) => {
    try {
      return cryptoki.C_GetTokenInfo(slot).label.trimEnd() === label;
    } catch {
      // One token that does not answer must not hide the others.
      return false;
    }
  });
  if (another !== undefined) {
    throw new KeystoreFault(
      'conflict',
      `The HSM has two tokens with the label “${label}”; give them labels of their own.`,
    );
  }
  if (found !== undefined) return found;
  throw slots.length === 0
    ? new KeystoreFault('unavailable', "The HSM's library sees no token now.")
    : new KeystoreFault('not_found', `The HSM has no token with the label “${label}”.`);
}

/** One piece of work in a token. Every call ends in the answer or in a `KeystoreFault`, and none is made once the signal has aborted. */
export class Session {
  readonly mechanisms: ReadonlySet<number>;
  readonly #cryptoki: Cryptoki;
  readonly #login: Login;
  readonly #signal: AbortSignal;

  constructor(cryptoki: Cryptoki, login: Login, signal: AbortSignal) {
    this.mechanisms = login.mechanisms;
    this.#cryptoki = cryptoki;
    this.#login = login;
    this.#signal = signal;
  }

  /** Makes something once for the login that this session belongs to: it ends with it. */
  async once<T>(name: string, make: () => Promise<T>): Promise<T> {
    const { kept } = this.#login;
    if (!kept.has(name)) kept.set(name, await make());
    return kept.get(name) as T;
  }

  /** Every object that has all of these attributes. */
  find(template: readonly Attribute[]): Handle[] {
    this.#call('C_FindObjectsInit', (cryptoki, session) => {
      cryptoki.C_FindObjectsInit(session, [...template]);
    });
    const found: Handle[] = [];
    try {
      for (;;) {
        const some = this.#call('C_FindObjects', (cryptoki, session) => cryptoki.C_FindObjects(session, 100));
        found.push(...some);
        if (some.length < 100) return found;
      }
    } finally {
      // Ended at all costs, also when the signal has aborted: the session can search for nothing else before.
      this.#finish();
    }
  }

  #finish(): void {
    try {
      this.#cryptoki.C_FindObjectsFinal(this.#login.session);
    } catch {
      // The next search would be told CKR_OPERATION_ACTIVE, and that makes a new session.
    }
  }

  /** An attribute's bytes; undefined where this object has no such attribute, or does not show it. */
  read(object: Handle, type: number): Buffer | undefined {
    try {
      const [attribute] = this.#call('C_GetAttributeValue', (cryptoki, session) =>
        cryptoki.C_GetAttributeValue(session, object, [{ type }]),
      );
      return attribute?.value;
    } catch (error) {
      const code = error instanceof KeystoreFault ? error.providerCode : undefined;
      if (code === 'CKR_ATTRIBUTE_TYPE_INVALID' || code === 'CKR_ATTRIBUTE_SENSITIVE') return undefined;
      throw error;
    }
  }

  /** A number of the standard's, such as the class. */
  readNumber(object: Handle, type: number): number | undefined {
    const value = this.read(object, type);
    return value === undefined || value.length === 0 ? undefined : value.readUIntLE(0, Math.min(value.length, 6));
  }

  isSet(object: Handle, type: number): boolean {
    return this.read(object, type)?.[0] === 1;
  }

  set(object: Handle, attributes: readonly Attribute[]): void {
    this.#call('C_SetAttributeValue', (cryptoki, session) => {
      cryptoki.C_SetAttributeValue(session, object, [...attributes]);
    });
  }

  make(template: readonly Attribute[]): Handle {
    return this.#call('C_CreateObject', (cryptoki, session) => cryptoki.C_CreateObject(session, [...template]));
  }

  destroy(object: Handle): void {
    try {
      this.#call('C_DestroyObject', (cryptoki, session) => {
        cryptoki.C_DestroyObject(session, object);
      });
    } catch (error) {
      if (!(error instanceof KeystoreFault) || error.providerCode !== 'CKR_OBJECT_HANDLE_INVALID') throw error;
    }
  }

  generate(mechanism: number, template: readonly Attribute[]): Promise<Handle> {
    return this.#callLong('C_GenerateKey', (cryptoki, session) =>
      cryptoki.C_GenerateKeyAsync(session, { mechanism }, [...template]),
    );
  }

  generatePair(
    mechanism: number,
    publicTemplate: readonly Attribute[],
    privateTemplate: readonly Attribute[],
  ): Promise<{ publicKey: Handle; privateKey: Handle }> {
    return this.#callLong('C_GenerateKeyPair', (cryptoki, session) =>
      cryptoki.C_GenerateKeyPairAsync(session, { mechanism }, [...publicTemplate], [...privateTemplate]),
    );
  }

  unwrap(mechanism: Mechanism, under: Handle, wrapped: Uint8Array, template: readonly Attribute[]): Handle {
    return this.#call('C_UnwrapKey', (cryptoki, session) =>
      cryptoki.C_UnwrapKey(session, mechanism, under, wrapped, [...template]),
    );
  }

  encrypt(mechanism: number, key: Handle, input: Buffer): Buffer {
    return this.#call('C_Encrypt', (cryptoki, session) => {
      cryptoki.C_EncryptInit(session, { mechanism }, key);
      return cryptoki.C_Encrypt(session, input, Buffer.alloc(input.length + 64));
    });
  }

  sign(mechanism: number, key: Handle, input: Buffer): Buffer {
    return this.#call('C_Sign', (cryptoki, session) => {
      cryptoki.C_SignInit(session, { mechanism }, key);
      return cryptoki.C_Sign(session, input, Buffer.alloc(1024));
    });
  }

  #call<T>(name: string, ask: (cryptoki: Cryptoki, session: Handle) => T): T {
    if (this.#signal.aborted) throw abandoned();
    try {
      return ask(this.#cryptoki, this.#login.session);
    } catch (error) {
      throw faultFrom(error, name);
    }
  }

  async #callLong<T>(name: string, ask: (cryptoki: Cryptoki, session: Handle) => Promise<T>): Promise<T> {
    if (this.#signal.aborted) throw abandoned();
    try {
      return await ask(this.#cryptoki, this.#login.session);
    } catch (error) {
      throw faultFrom(error, name);
    }
  }
}

/** The class of a key object (`CKO.SECRET_KEY`, …). */
export function classOf(session: Session, object: Handle): number | undefined {
  return session.readNumber(object, CKA.CLASS);
}

async function orAbort(wait: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const giveUp = () => {
    reject(abandoned());
  };
  signal.addEventListener('abort', giveUp, { once: true });
  void wait.then(() => {
    resolve(undefined);
  });
  try {
    await promise;
    if (signal.aborted) throw abandoned();
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}
