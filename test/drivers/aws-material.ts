import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { KeySpec } from '../../lib/drivers/driver.ts';
import { AWS_KEY_RULES } from '../../lib/drivers/aws-kms/kind.ts';

const CURVES: Readonly<Record<string, string>> = {
  '256': 'P-256',
  '384': 'P-384',
  '521': 'P-521',
  '256K': 'secp256k1',
};

/** Bytes as custody would lend them: raw, or PKCS #8 DER. */
export function makeMaterial(spec: Pick<KeySpec, 'algorithm' | 'size'>): Uint8Array {
  if (spec.algorithm === 'rsa') {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: Number(spec.size) });
    return privateKey.export({ type: 'pkcs8', format: 'der' });
  }
  if (spec.algorithm === 'ec') {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: CURVES[spec.size] ?? '' });
    return privateKey.export({ type: 'pkcs8', format: 'der' });
  }
  return randomBytes(Number(spec.size) / 8);
}

/** Every sort of key that AWS KMS takes imported material for. */
export const AWS_IMPORTS = AWS_KEY_RULES.map(({ algorithm, size }) => ({
  spec: { algorithm, size, material: 'imported', properties: {} } as const satisfies KeySpec,
  makeMaterial: () => makeMaterial({ algorithm, size }),
}));
