import type { Step } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { Pkcs11KeyRule } from './kind.ts';
import { visibleFingerprint } from './fingerprint.ts';
import type { KeyObjects } from './objects.ts';
import { findObjects, requireObjects, ruleOf, USE_ATTRIBUTES } from './objects.ts';
import type { Session, Token } from './session.ts';

/**
 * The step `enable`: switches on every use. A disabled key may not show whose material it holds; if it turns out to be other material
 * than the recorded one, it is switched off again and the step is a `conflict`.
 */
export function enableStep(token: Token): Step {
  return (key, { signal }) =>
    token.use(signal, (session) => {
      const objects = requireObjects(session, key);
      const rule = ruleOf(key);
      if (visibleFingerprint(session, key, objects).enabled) return undefined;
      switchUses(session, objects, rule, true);
      const { fingerprint } = visibleFingerprint(session, key, objects);
      const recorded = key.binding?.fingerprint;
      if (recorded !== undefined && fingerprint !== undefined && fingerprint !== recorded) {
        switchUses(session, objects, rule, false);
        throw new KeystoreFault(
          'conflict',
          'The key in the HSM has other material than was recorded; it was left disabled.',
        );
      }
      return undefined;
    });
}

/** The step `disable`: switches off every use, of the secret or private key first. */
export function disableStep(token: Token): Step {
  return (key, { signal }) =>
    token.use(signal, (session) => {
      switchUses(session, requireObjects(session, key), ruleOf(key), false);
      return undefined;
    });
}

function switchUses(
  session: Session,
  { secret, publicKeys }: KeyObjects & { readonly secret: Buffer },
  rule: Pkcs11KeyRule,
  value: boolean,
): void {
  session.set(
    secret,
    rule.uses.map((use) => ({ type: USE_ATTRIBUTES[use], value })),
  );
  for (const object of publicKeys) {
    session.set(
      object,
      rule.publicUses.map((use) => ({ type: USE_ATTRIBUTES[use], value })),
    );
  }
}

/**
 * The step `schedule_deletion`: destroys the key, at once and for ever; the standard has no waiting period. The private key goes first.
 * A key that is gone already is done with.
 */
export function destroyStep(token: Token): Step {
  return (key, { signal }) =>
    token.use(signal, (session) => {
      const { secret, all } = key.binding === undefined ? requireObjects(session, key) : findObjects(session, key);
      if (secret !== undefined) session.destroy(secret);
      for (const object of all) if (object !== secret) session.destroy(object);
      return undefined;
    });
}
