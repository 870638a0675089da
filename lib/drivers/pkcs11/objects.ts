import type { KeyInKeystore } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { Handle } from './cryptoki.ts';
import { CKA, CKO } from './cryptoki.ts';
import type { Pkcs11KeyRule, Pkcs11Use } from './kind.ts';
import { pkcs11KeyRule } from './kind.ts';
import type { Session } from './session.ts';
import { classOf } from './session.ts';

const ID_LENGTH = 20;

/**
 * The CKA_ID of a version of a managed key: the 16 bytes of the key's id and 4 of the version, so that no two have the same. An HSM
 * fixes it when the object is made, and it is how we find it, whatever its label. All objects of a key pair have the same.
 */
export function idOf(key: Pick<KeyInKeystore, 'keyId' | 'version'>): Buffer {
  const keyId = Buffer.from(key.keyId.replaceAll('-', ''), 'hex');
  if (keyId.length !== ID_LENGTH - 4) throw new KeystoreFault('broken', `${key.keyId} is no id of a key.`);
  const version = Buffer.alloc(4);
  version.writeUInt32BE(key.version);
  return Buffer.concat([keyId, version]);
}

/** The key's id in the keystore, as a PKCS #11 URI (RFC 7512). It stays the same when the key is destroyed and made anew. */
export function uriOf(tokenLabel: string, id: Buffer): string {
  const bytes = id.toString('hex').toUpperCase().replaceAll(/../g, '%$&');
  return `pkcs11:token=${encodeURIComponent(tokenLabel)};id=${bytes}`;
}

/** The rule of a key that this type of keystore can hold. Throws `unsupported` for others. */
export function ruleOf(key: KeyInKeystore): Pkcs11KeyRule {
  const rule = pkcs11KeyRule(key.spec);
  if (rule !== undefined) return rule;
  throw new KeystoreFault(
    'unsupported',
    `A PKCS #11 keystore cannot hold ${key.spec.algorithm} ${key.spec.size} keys.`,
  );
}

export const USE_ATTRIBUTES: Record<Pkcs11Use, number> = {
  encrypt: CKA.ENCRYPT,
  decrypt: CKA.DECRYPT,
  sign: CKA.SIGN,
  verify: CKA.VERIFY,
};

/** The objects that a version of a key consists of. */
export interface KeyObjects {
  /** The secret or private key: without it, there is no key. */
  readonly secret: Handle | undefined;
  readonly publicKeys: readonly Handle[];
  readonly all: readonly Handle[];
}

/** Finds the objects of this version of this key. Throws `conflict` when it is there twice: which is meant cannot be known. */
export function findObjects(session: Session, key: Pick<KeyInKeystore, 'keyId' | 'version'>): KeyObjects {
  const all = session.find([
    { type: CKA.TOKEN, value: true },
    { type: CKA.ID, value: idOf(key) },
  ]);
  const secrets: Handle[] = [];
  const publicKeys: Handle[] = [];
  for (const object of all) {
    const objectClass = classOf(session, object);
    if (objectClass === CKO.SECRET_KEY || objectClass === CKO.PRIVATE_KEY) secrets.push(object);
    if (objectClass === CKO.PUBLIC_KEY) publicKeys.push(object);
  }
  const [secret, another] = secrets;
  if (another !== undefined) {
    throw new KeystoreFault(
      'conflict',
      `The HSM holds two keys with the CKA_ID ${idOf(key).toString('hex')}; delete the one that is not in use.`,
    );
  }
  return { secret, publicKeys, all };
}

/** The same for a step that changes a key. Throws `not_found` when there is none. */
export function requireObjects(
  session: Session,
  key: Pick<KeyInKeystore, 'keyId' | 'version'>,
): KeyObjects & { readonly secret: Handle } {
  const { secret, ...objects } = findObjects(session, key);
  if (secret !== undefined) return { secret, ...objects };
  throw new KeystoreFault('not_found', `The HSM has no key with the CKA_ID ${idOf(key).toString('hex')}.`);
}

/** To whom a label leads: PKCS #11 lets any number of keys have the same one. */
export interface Holders {
  readonly here: boolean;
  /** Objects of other versions of the same managed key, each with its version. */
  readonly sameKey: readonly { readonly object: Handle; readonly version: number }[];
  readonly foreign: boolean;
}

/** Who has this label. Certificates and data beside a key customarily share its label and do not count. */
export function holdersOf(session: Session, label: string, key: Pick<KeyInKeystore, 'keyId' | 'version'>): Holders {
  const own = idOf(key);
  const sameKey: { object: Handle; version: number }[] = [];
  let here = false;
  let foreign = false;
  const named = session.find([
    { type: CKA.TOKEN, value: true },
    { type: CKA.LABEL, value: label },
  ]);
  for (const object of named) {
    const objectClass = classOf(session, object);
    if (objectClass !== CKO.SECRET_KEY && objectClass !== CKO.PRIVATE_KEY && objectClass !== CKO.PUBLIC_KEY) continue;
    const id = session.read(object, CKA.ID) ?? Buffer.alloc(0);
    if (id.equals(own)) here = true;
    else if (id.length === ID_LENGTH && id.subarray(0, -4).equals(own.subarray(0, -4))) {
      sameKey.push({ object, version: id.readUInt32BE(ID_LENGTH - 4) });
    } else foreign = true;
  }
  return { here, sameKey, foreign };
}

/** The label of a version that the key's label does not lead to. `#` is in no label of a user's. */
export function labelAside(label: string, version: number): string {
  return `${label}#${version}`;
}

/** Gives all of these objects the label. */
export function giveLabel(session: Session, objects: readonly Handle[], label: string): void {
  for (const object of objects) session.set(object, [{ type: CKA.LABEL, value: label }]);
}

/** The name belongs to somebody else's key. */
export function nameTaken(label: string): KeystoreFault {
  return new KeystoreFault(
    'conflict',
    `Another key in the HSM, not one of Shearline's, has the label “${label}”; rename one of them.`,
  );
}
