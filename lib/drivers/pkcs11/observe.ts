import { setImmediate } from 'node:timers/promises';
import type { KeyInKeystore, KeystoreDriver, Seen } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import { CKA, CKO } from './cryptoki.ts';
import { visibleFingerprint } from './fingerprint.ts';
import type { KeyObjects } from './objects.ts';
import { findObjects, holdersOf, idOf, ruleOf, uriOf } from './objects.ts';
import type { Session, Token } from './session.ts';

type Present = Extract<Seen, { presence: 'present' }>;

/** Looks for the key by its CKA_ID. One that is enabled is used for a tiny operation, which tells its material and that it can be used. */
export function observeWith(token: Token, tokenLabel: string): KeystoreDriver['observe'] {
  return (key, signal) =>
    token.use(signal, (session): Seen => {
      const objects = findObjects(session, key);
      const { secret } = objects;
      if (secret === undefined) return { presence: 'absent' };
      return {
        presence: 'present',
        idInKeystore: uriOf(tokenLabel, idOf(key)),
        ...conditionOf(session, key, { ...objects, secret }),
        name: nameOf(session, key),
        pendingDeletionUntil: undefined,
      };
    });
}

function conditionOf(
  session: Session,
  key: KeyInKeystore,
  objects: KeyObjects & { readonly secret: Buffer },
): Pick<Present, 'state' | 'fingerprint' | 'remark' | 'mendedBy'> {
  try {
    const { fingerprint, enabled, off } = visibleFingerprint(session, key, objects);
    if (enabled) return { state: 'enabled', fingerprint, remark: undefined };
    if (off.length === ruleOf(key).uses.length) return { state: 'disabled', fingerprint, remark: undefined };
    const names = off.map((use) => `CKA_${use.toUpperCase()}`).join(', ');
    const remark = `Somebody has switched off some of the key's uses in the HSM, and not all: ${names}.`;
    return { state: 'unusable', fingerprint, remark, mendedBy: 'enable' };
  } catch (error) {
    // The HSM says of the key itself that it cannot be used. Whatever else went wrong tells nothing about it.
    if (!(error instanceof KeystoreFault) || (error.kind !== 'conflict' && error.kind !== 'unsupported')) throw error;
    return {
      state: 'unusable',
      fingerprint: undefined,
      remark: `The key is there, but cannot be used. ${error.message}`,
    };
  }
}

function nameOf(session: Session, key: KeyInKeystore): Present['name'] {
  if (!key.current) return 'not_applicable';
  const { here, sameKey, foreign } = holdersOf(session, key.label, key);
  // Two keys with the name: who looks for it can find either.
  if (foreign || sameKey.length > 0) return 'leads_elsewhere';
  return here ? 'leads_here' : 'missing';
}

/**
 * Every secret and private key of the token, on one page: objects have no order, and their handles are the session's only, so that there
 * is nothing to go on from.
 */
export function listWith(token: Token, tokenLabel: string): KeystoreDriver['list'] {
  return (_after, signal) =>
    token.use(signal, async (session) => {
      const objects = [CKO.SECRET_KEY, CKO.PRIVATE_KEY].flatMap((value) =>
        session.find([
          { type: CKA.TOKEN, value: true },
          { type: CKA.CLASS, value },
        ]),
      );
      const keys = [];
      for (const object of objects) {
        // Calls into the library are not awaited; without this, nothing else in the process would get on.
        await setImmediate();
        const name = session.read(object, CKA.LABEL)?.toString('utf8');
        const id = session.read(object, CKA.ID) ?? Buffer.alloc(0);
        keys.push({ idInKeystore: uriOf(tokenLabel, id), name, state: undefined, createdAt: undefined });
      }
      return { keys, next: undefined };
    });
}
