import { createPrivateKey, createPublicKey } from 'node:crypto';
import type { Binding, KeyInKeystore, KeySpec, Step, StepContext } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { Attribute } from './cryptoki.ts';
import { CKA, CKK, CKM, CKO } from './cryptoki.ts';
import { CURVES, fingerprintOfMaterial, visibleFingerprint } from './fingerprint.ts';
import type { Pkcs11KeyRule, Pkcs11Use } from './kind.ts';
import {
  findObjects,
  holdersOf,
  idOf,
  labelAside,
  nameTaken,
  requireObjects,
  ruleOf,
  uriOf,
  USE_ATTRIBUTES,
} from './objects.ts';
import type { Session, Token } from './session.ts';
import { unwrapMaterial } from './wrapping.ts';

/**
 * The step `create`. An HSM has no keys without material, so an imported key gets its own here. CKA_ID says which key it is from the
 * moment it is made: what an earlier, lost create has made is found by it. A label that an older version has stays with that one until
 * `rename`: it serves until this one can.
 */
export function createStep(token: Token, tokenLabel: string): Step {
  return (key, context) =>
    token.use(context.signal, async (session) => {
      const found = findObjects(session, key);
      if (found.secret !== undefined) return prove(session, key, tokenLabel, context);
      const label = labelFor(session, key);
      // Left behind by a create that was cut short, or by somebody who deleted the private key alone.
      for (const object of found.publicKeys) session.destroy(object);
      if (key.spec.material === 'native') await generate(session, key, label);
      else {
        await context.withMaterial(async (material) => {
          requireRecorded(key, fingerprintOfMaterial(key.spec, material));
          await bring(session, key, label, material);
        });
      }
      return prove(session, key, tokenLabel, context);
    });
}

/** The step `import`: the key has its material from `create`; this proves that it is this version's. */
export function importStep(token: Token, tokenLabel: string): Step {
  return (key, context) => token.use(context.signal, (session) => prove(session, key, tokenLabel, context));
}

function labelFor(session: Session, key: KeyInKeystore): string {
  if (!key.current) return labelAside(key.label, key.version);
  const holders = holdersOf(session, key.label, key);
  if (holders.foreign) throw nameTaken(key.label);
  return holders.sameKey.length === 0 ? key.label : labelAside(key.label, key.version);
}

/** The binding of a key that is there. Of an imported one the HSM must show the very fingerprint of the material. */
async function prove(
  session: Session,
  key: KeyInKeystore,
  tokenLabel: string,
  { withMaterial }: StepContext,
): Promise<Binding> {
  const objects = requireObjects(session, key);
  const { fingerprint, enabled } = visibleFingerprint(session, key, objects);
  const binding = { idInKeystore: uriOf(tokenLabel, idOf(key)), fingerprint };
  if (key.spec.material === 'native') return binding;

  const expected = await withMaterial((material) => Promise.resolve(fingerprintOfMaterial(key.spec, material)));
  requireRecorded(key, expected);
  if (fingerprint === undefined && !enabled) {
    throw new KeystoreFault(
      'conflict',
      `${binding.idInKeystore} is disabled, and its material can be proved only by using it.`,
    );
  }
  if (fingerprint !== undefined && fingerprint !== expected) {
    throw new KeystoreFault('conflict', `${binding.idInKeystore} holds other material than this version of the key.`);
  }
  return binding;
}

function requireRecorded(key: KeyInKeystore, fingerprint: string): void {
  const recorded = key.binding?.fingerprint;
  if (recorded === undefined || recorded === fingerprint) return;
  throw new KeystoreFault('conflict', 'The material to import is not that which this version of the key had before.');
}

/** Every use is said, on or off: what a library takes for the default differs, and is more than is needed. */
function usesOf(uses: readonly Pkcs11Use[], attributes: readonly number[]): Attribute[] {
  const on = new Set(uses.map((use) => USE_ATTRIBUTES[use]));
  return attributes.map((type) => ({ type, value: on.has(type) }));
}

const SECRET_USES = [CKA.ENCRYPT, CKA.DECRYPT, CKA.SIGN, CKA.VERIFY, CKA.WRAP, CKA.UNWRAP, CKA.DERIVE];
const PRIVATE_USES = [CKA.DECRYPT, CKA.SIGN, CKA.UNWRAP, CKA.DERIVE];
const PUBLIC_USES = [CKA.ENCRYPT, CKA.VERIFY, CKA.WRAP];

function isPair(rule: Pkcs11KeyRule): boolean {
  return rule.publicUses.length > 0;
}

/** Attributes of the secret or private key: it never leaves the HSM, not even wrapped. */
function secretTemplate(key: KeyInKeystore, label: string): Attribute[] {
  const rule = ruleOf(key);
  return [
    { type: CKA.CLASS, value: isPair(rule) ? CKO.PRIVATE_KEY : CKO.SECRET_KEY },
    { type: CKA.KEY_TYPE, value: CKK[rule.keyType] },
    { type: CKA.TOKEN, value: true },
    { type: CKA.PRIVATE, value: true },
    { type: CKA.SENSITIVE, value: true },
    { type: CKA.EXTRACTABLE, value: false },
    { type: CKA.ID, value: idOf(key) },
    { type: CKA.LABEL, value: label },
    ...usesOf(rule.uses, isPair(rule) ? PRIVATE_USES : SECRET_USES),
  ];
}

function publicTemplate(key: KeyInKeystore, label: string): Attribute[] {
  const rule = ruleOf(key);
  return [
    { type: CKA.CLASS, value: CKO.PUBLIC_KEY },
    { type: CKA.KEY_TYPE, value: CKK[rule.keyType] },
    { type: CKA.TOKEN, value: true },
    { type: CKA.ID, value: idOf(key) },
    { type: CKA.LABEL, value: label },
    ...usesOf(rule.publicUses, PUBLIC_USES),
  ];
}

async function generate(session: Session, key: KeyInKeystore, label: string): Promise<void> {
  const secret = secretTemplate(key, label);
  const bits = Number(key.spec.size);
  switch (ruleOf(key).keyType) {
    case 'CKK_AES':
      await session.generate(CKM.AES_KEY_GEN, [...secret, { type: CKA.VALUE_LEN, value: bits / 8 }]);
      return;
    case 'CKK_GENERIC_SECRET':
      await session.generate(CKM.GENERIC_SECRET_KEY_GEN, [...secret, { type: CKA.VALUE_LEN, value: bits / 8 }]);
      return;
    case 'CKK_RSA': {
      const size: Attribute[] = [
        { type: CKA.MODULUS_BITS, value: bits },
        { type: CKA.PUBLIC_EXPONENT, value: Buffer.of(1, 0, 1) },
      ];
      await session.generatePair(CKM.RSA_PKCS_KEY_PAIR_GEN, [...publicTemplate(key, label), ...size], secret);
      return;
    }
    case 'CKK_EC': {
      const curve: Attribute[] = [{ type: CKA.EC_PARAMS, value: curveOf(key.spec).oid }];
      await session.generatePair(CKM.EC_KEY_PAIR_GEN, [...publicTemplate(key, label), ...curve], secret);
    }
  }
}

/** The public key goes first: without the private one there is no key, and what is left over is cleared away by the next try. */
async function bring(session: Session, key: KeyInKeystore, label: string, material: Uint8Array): Promise<void> {
  const open = isPair(ruleOf(key))
    ? session.make([...publicTemplate(key, label), ...publicParts(key.spec, material)])
    : undefined;
  try {
    await unwrapMaterial(session, material, secretTemplate(key, label));
  } catch (error) {
    if (open !== undefined && !(error instanceof KeystoreFault && error.kind === 'unreachable')) session.destroy(open);
    throw error;
  }
}

/** What a public key object carries, from the private key in PKCS #8. */
function publicParts(spec: KeySpec, material: Uint8Array): Attribute[] {
  const der = Buffer.from(material.buffer, material.byteOffset, material.byteLength);
  const jwk = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })).export({ format: 'jwk' });
  const part = (value: string | undefined) => Buffer.from(value ?? '', 'base64url');
  if (spec.algorithm === 'rsa') {
    return [
      { type: CKA.MODULUS, value: part(jwk.n) },
      { type: CKA.PUBLIC_EXPONENT, value: part(jwk.e) },
    ];
  }
  const point = Buffer.concat([Buffer.of(4), part(jwk.x), part(jwk.y)]);
  const length = point.length < 128 ? Buffer.of(4, point.length) : Buffer.of(4, 0x81, point.length);
  return [
    { type: CKA.EC_PARAMS, value: curveOf(spec).oid },
    { type: CKA.EC_POINT, value: Buffer.concat([length, point]) },
  ];
}

function curveOf(spec: KeySpec): { readonly oid: Buffer } {
  const curve = CURVES[spec.size];
  if (curve === undefined) throw new KeystoreFault('unsupported', `There is no curve ${spec.size}.`);
  return curve;
}
