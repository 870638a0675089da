import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import * as z from 'zod/mini';
import { NOT_PERFORMED, rootKeyIn } from './actions.ts';
import { badBody, KmsError } from './error.ts';
import { currentMaterial, STATE } from './key.ts';
import type { KeyMaterial } from './key.ts';
import type { Answer, Call, Operation } from './operation.ts';
import { shownVersion } from './show.ts';

const input = z.strictObject({
  plaintext: z.optional(z.string()),
  ciphertext: z.optional(z.string()),
  aad: z.optional(z.array(z.string().check(z.maxLength(255))).check(z.maxLength(126))),
});
type Input = z.infer<typeof input>;

function inputOf(call: Call): Input {
  const parsed = z.safeParse(input, call.body ?? {});
  if (!parsed.success) throw badBody(NOT_PERFORMED, parsed.error.message);
  return parsed.data;
}

const cipherOf = (material: KeyMaterial) => `aes-${material.bytes.length * 8}-gcm` as 'aes-256-gcm';
const bound = (aad: readonly string[] | undefined) => Buffer.from(aad === undefined ? '' : JSON.stringify(aad));

/** What wraps is kept in the ciphertext, as in IBM's: base64 of JSON with the IV and the version that wrapped. */
function seal(material: KeyMaterial, plaintext: Buffer, aad: Input['aad']): string {
  const iv = randomBytes(12);
  const cipher = createCipheriv(cipherOf(material), material.bytes, iv).setAAD(bound(aad));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  const envelope = {
    ciphertext: ciphertext.toString('base64'),
    iv: iv.toString('base64'),
    version: '4.0.0',
    handle: material.id,
  };
  return Buffer.from(JSON.stringify(envelope)).toString('base64');
}

const envelopeShape = z.object({ ciphertext: z.string(), iv: z.string(), handle: z.string() });

function open(materials: readonly KeyMaterial[], wrapped: string, aad: Input['aad']): [Buffer, KeyMaterial] {
  try {
    const envelope = z.parse(envelopeShape, JSON.parse(Buffer.from(wrapped, 'base64').toString('utf8')));
    const material = materials.find(({ id }) => id === envelope.handle);
    if (material === undefined) throw new Error('wrapped by another key');
    const bytes = Buffer.from(envelope.ciphertext, 'base64');
    const decipher = createDecipheriv(cipherOf(material), material.bytes, Buffer.from(envelope.iv, 'base64'));
    decipher.setAAD(bound(aad)).setAuthTag(bytes.subarray(-16));
    return [Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]), material];
  } catch {
    throw new KmsError(422, 'Unwrap with key could not be performed', {
      code: 'UNPROCESSABLE_CIPHERTEXT_ERR',
      message: 'The provided ciphertext is invalid or corrupted',
    });
  }
}

function wrap(call: Call): Answer {
  const key = rootKeyIn(call, [STATE.active]);
  const { plaintext, aad } = inputOf(call);
  const dek = plaintext === undefined ? randomBytes(32) : Buffer.from(plaintext, 'base64');
  const material = currentMaterial(key);
  return {
    status: 200,
    body: {
      ...(plaintext === undefined ? { plaintext: dek.toString('base64') } : {}),
      ciphertext: seal(material, dek, aad),
      keyVersion: shownVersion(material),
    },
  };
}

/** Answers a newly wrapped one too when an older version had wrapped it. */
function unwrap(call: Call): Answer {
  const key = rootKeyIn(call, [STATE.active, STATE.deactivated]);
  const { ciphertext, aad } = inputOf(call);
  const [plaintext, by] = open(key.materials, ciphertext ?? '', aad);
  const material = currentMaterial(key);
  return {
    status: 200,
    body: {
      plaintext: plaintext.toString('base64'),
      ...(by === material
        ? {}
        : { ciphertext: seal(material, plaintext, aad), rewrappedKeyVersion: shownVersion(material) }),
      keyVersion: shownVersion(by),
    },
  };
}

function rewrap(call: Call): Answer {
  const key = rootKeyIn(call, [STATE.active]);
  const { ciphertext, aad } = inputOf(call);
  const [plaintext, by] = open(key.materials, ciphertext ?? '', aad);
  const material = currentMaterial(key);
  return {
    status: 200,
    body: {
      ciphertext: seal(material, plaintext, aad),
      keyVersion: shownVersion(by),
      rewrappedKeyVersion: shownVersion(material),
    },
  };
}

export const WRAPPING_OPERATIONS: readonly Operation[] = [
  { name: 'WrapKey', method: 'POST', path: '/keys/{}/actions/wrap', role: 'Reader', answer: wrap },
  { name: 'UnwrapKey', method: 'POST', path: '/keys/{}/actions/unwrap', role: 'Reader', answer: unwrap },
  { name: 'RewrapKey', method: 'POST', path: '/keys/{}/actions/rewrap', role: 'Reader', answer: rewrap },
];
