import { constants, createPublicKey, privateDecrypt, publicEncrypt } from 'node:crypto';
import * as z from 'zod/mini';
import { signDigest, verifyDigest } from '../aws-kms/digest-signature.ts';
import type { DigestScheme } from '../aws-kms/digest-signature.ts';
import { badParameter, forbidden } from './error.ts';
import { findKey, findVersion } from './keys.ts';
import { privateKeyOf } from './material.ts';
import { parsed } from './operation.ts';
import type { Call, Operation } from './operation.ts';
import { pointSignature, sequenceSignature } from './signature-form.ts';
import type { KeyVersion } from './world.ts';

const base64url = z.string().check(z.regex(/^[A-Za-z0-9_-]*={0,2}$/));
const withValue = z.object({ alg: z.string(), value: base64url });
const withSignature = z.object({ alg: z.string(), digest: base64url, value: base64url });

interface Encryption {
  readonly padding: number;
  readonly oaepHash?: string;
}

const encryptions: Readonly<Record<string, Encryption>> = {
  RSA1_5: { padding: constants.RSA_PKCS1_PADDING },
  'RSA-OAEP': { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' },
  'RSA-OAEP-256': { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
};

const scheme = (bits: number, padding: DigestScheme['padding']): DigestScheme => ({
  hash: `sha${bits}`,
  bytes: bits / 8,
  padding,
});

/** By algorithm; those of elliptic curves with the curve that they are for. */
const signatures: Readonly<Record<string, DigestScheme & { readonly curve?: string }>> = {
  RS256: scheme(256, 'pkcs1'),
  RS384: scheme(384, 'pkcs1'),
  RS512: scheme(512, 'pkcs1'),
  PS256: scheme(256, 'pss'),
  PS384: scheme(384, 'pss'),
  PS512: scheme(512, 'pss'),
  ES256: { ...scheme(256, 'ecdsa'), curve: 'P-256' },
  ES256K: { ...scheme(256, 'ecdsa'), curve: 'P-256K' },
  ES384: { ...scheme(384, 'ecdsa'), curve: 'P-384' },
  ES512: { ...scheme(512, 'ecdsa'), curve: 'P-521' },
};

/** What a key is used for. Everything is real: what comes out proves which material went in. */
export const cryptographicOperations: Readonly<Record<string, Operation>> = {
  Encrypt: encrypting('encrypt'),
  WrapKey: encrypting('wrapKey'),
  Decrypt: decrypting('decrypt'),
  UnwrapKey: decrypting('unwrapKey'),
  Sign: {
    permission: 'sign',
    run(call) {
      const { alg, value } = parsed(withValue, call.body);
      const { version, kid } = usable(call, 'sign');
      const how = schemeFor(alg, version);
      const signature = signDigest(privateKeyOf(version.material), how, digestOf(value, how));
      const shown = how.padding === 'ecdsa' ? pointSignature(signature, version.publicMembers.x ?? '') : signature;
      return { kid, value: shown.toString('base64url') };
    },
  },
  Verify: {
    permission: 'verify',
    run(call) {
      const { alg, digest, value } = parsed(withSignature, call.body);
      const { version } = usable(call, 'verify');
      const how = schemeFor(alg, version);
      const given = Buffer.from(value, 'base64url');
      const signature = how.padding === 'ecdsa' ? sequenceSignature(given) : given;
      const key = createPublicKey(privateKeyOf(version.material));
      return { value: verifyDigest(key, how, digestOf(digest, how), signature) };
    },
  },
};

function encrypting(operation: 'encrypt' | 'wrapKey'): Operation {
  return {
    permission: operation,
    run(call) {
      const { alg, value } = parsed(withValue, call.body);
      const { version, kid } = usable(call, operation);
      const key = createPublicKey(privateKeyOf(version.material));
      const encrypted = publicEncrypt({ key, ...encryptionFor(alg, version) }, Buffer.from(value, 'base64url'));
      return { kid, value: encrypted.toString('base64url') };
    },
  };
}

function decrypting(operation: 'decrypt' | 'unwrapKey'): Operation {
  return {
    permission: operation,
    run(call) {
      const { alg, value } = parsed(withValue, call.body);
      const { version, kid } = usable(call, operation);
      const how = { key: privateKeyOf(version.material), ...encryptionFor(alg, version) };
      try {
        return { kid, value: privateDecrypt(how, Buffer.from(value, 'base64url')).toString('base64url') };
      } catch {
        throw badParameter('The parameter is incorrect.');
      }
    },
  };
}

/** Expired keys, and keys whose time has not come, still decrypt, unwrap and verify. */
const alwaysInTime = ['decrypt', 'unwrapKey', 'verify'];

function usable(call: Call, operation: string): { version: KeyVersion; kid: string } {
  const key = findKey(call);
  const version = findVersion(call, key);
  if (!version.enabled) {
    throw forbidden('KeyDisabled', `Operation ${operation} is not allowed on a disabled key.`);
  }
  if (!alwaysInTime.includes(operation)) {
    if (version.expires !== undefined && version.expires <= call.now) {
      throw forbidden('KeyExpired', `Operation ${operation} is not allowed on an expired key.`);
    }
    if (version.notBefore !== undefined && version.notBefore > call.now) {
      throw forbidden('KeyNotYetValid', `Operation ${operation} is not allowed on a key that is not yet valid.`);
    }
  }
  if (!version.operations.includes(operation)) {
    throw forbidden('KeyOperationForbidden', `Operation ${operation} is not permitted on this key.`);
  }
  return { version, kid: call.vault.url(`/keys/${key.name}/${version.version}`) };
}

function encryptionFor(alg: string, { publicMembers }: KeyVersion): Encryption {
  const found = Object.hasOwn(encryptions, alg) ? encryptions[alg] : undefined;
  if (found === undefined || publicMembers.n === undefined) throw wrongAlgorithm(alg);
  return found;
}

function schemeFor(alg: string, { publicMembers }: KeyVersion): DigestScheme {
  const found = Object.hasOwn(signatures, alg) ? signatures[alg] : undefined;
  if (found === undefined || found.curve !== publicMembers.crv) throw wrongAlgorithm(alg);
  return found;
}

const wrongAlgorithm = (alg: string) =>
  badParameter(`Key and signing key properties are not compatible with algorithm ${alg}.`);

function digestOf(value: string, { bytes }: DigestScheme): Buffer {
  const digest = Buffer.from(value, 'base64url');
  if (digest.length !== bytes) throw badParameter(`Invalid length of 'value': ${digest.length} bytes.`);
  return digest;
}
