import { createPrivateKey, createPublicKey, generateKeyPair } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import * as z from 'zod/mini';
import { badParameter } from './error.ts';
import { curveNames, keyTypes } from './world.ts';
import type { CurveName, KeyType, PublicMembers } from './world.ts';

const makeKeyPair = promisify(generateKeyPair);

/** Azure's names of curves, and Node's in a JWK. */
const jwkCurves: Record<CurveName, string> = {
  'P-256': 'P-256',
  'P-384': 'P-384',
  'P-521': 'P-521',
  'P-256K': 'secp256k1',
};

export const privateKeyOf = (material: Buffer): KeyObject =>
  createPrivateKey({ key: material, format: 'der', type: 'pkcs8' });

export const isHsm = (kty: KeyType): boolean => kty.endsWith('-HSM');

/** Makes material for a key of this type. */
export async function generateMaterial(kty: KeyType, bits: number, curve: CurveName): Promise<Buffer> {
  const { privateKey } = kty.startsWith('RSA')
    ? await makeKeyPair('rsa', { modulusLength: bits })
    : await makeKeyPair('ec', { namedCurve: jwkCurves[curve] });
  return privateKey.export({ type: 'pkcs8', format: 'der' });
}

/** What Azure shows of material under this key type. Throws for material of another sort. */
export function publicMembersOf(material: Buffer, kty: KeyType): PublicMembers {
  const { n, e, x, y, crv } = createPublicKey(privateKeyOf(material)).export({ format: 'jwk' });
  if (kty.startsWith('RSA')) {
    if (n === undefined || e === undefined) throw badParameter('The key material is not of an RSA key.');
    return { kty, n, e };
  }
  const curve = curveNames.find((name) => jwkCurves[name] === crv);
  if (x === undefined || y === undefined || curve === undefined) {
    throw badParameter('The key material is not of an elliptic curve key.');
  }
  return { kty, crv: curve, x, y };
}

const member = z.optional(z.string());

/** The key of an import: a JWK with its private members, or with `key_hsm`, a key transfer blob. */
export const importedKey = z.object({
  kty: z.enum(keyTypes),
  key_ops: z.optional(z.array(z.string())),
  crv: z.optional(z.enum(curveNames)),
  key_hsm: member,
  n: member,
  e: member,
  d: member,
  p: member,
  q: member,
  dp: member,
  dq: member,
  qi: member,
  x: member,
  y: member,
});
export type ImportedKey = z.output<typeof importedKey>;

/** The material of a JWK that has its private members. */
export function materialOfJwk(key: ImportedKey): Buffer {
  const { n, e, d, p, q, dp, dq, qi, x, y, crv } = key;
  const jwk = key.kty.startsWith('RSA')
    ? { kty: 'RSA', n, e, d, p, q, dp, dq, qi }
    : { kty: 'EC', crv: crv === undefined ? undefined : jwkCurves[crv], d, x, y };
  if (Object.values(jwk).some((value) => value === undefined)) {
    throw badParameter('The JSON web key of an import must have all members of its private key.');
  }
  try {
    return createPrivateKey({ key: jwk as Record<string, string>, format: 'jwk' }).export({
      type: 'pkcs8',
      format: 'der',
    });
  } catch {
    throw badParameter('The JSON web key is not a valid private key.');
  }
}
