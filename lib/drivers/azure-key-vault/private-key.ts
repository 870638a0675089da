import type { JsonWebKey } from '@azure/keyvault-keys';
import { createPublicKey } from 'node:crypto';
import type { AzureKeyRule } from './kind.ts';
import { privateKeyOf } from './public-key.ts';

/**
 * The material (PKCS #8 DER) as the JWK that a software key is imported by. Its private members are views into the material and no copies,
 * so that they are gone when their lender zeroes it.
 */
export function jwkOf(material: Uint8Array, rule: AzureKeyRule): JsonWebKey {
  const publicPart = createPublicKey(privateKeyOf(material)).export({ format: 'jwk' });
  const inner = privateKeyInfo(material);
  if (rule.curve === undefined) {
    const [, n, e, d, p, q, dp, dq, qi] = inner.integers();
    return {
      kty: 'RSA',
      n: given(n),
      e: given(e),
      d: given(d),
      p: given(p),
      q: given(q),
      dp: given(dp),
      dq: given(dq),
      qi: given(qi),
    };
  }
  inner.next(INTEGER);
  const d = inner.next(OCTET_STRING);
  return { kty: 'EC', crv: rule.curve, x: decoded(publicPart.x), y: decoded(publicPart.y), d };
}

const INTEGER = 0x02;
const OCTET_STRING = 0x04;
const SEQUENCE = 0x30;

/** Reads DER, front to back. What it answers are views. */
class Der {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The content of the next element, which must have this tag. */
  next(tag: number): Uint8Array {
    if (this.#byte() !== tag) throw malformed();
    let length = this.#byte();
    if (length > 0x84) throw malformed();
    if (length >= 0x80) {
      let more = length - 0x80;
      for (length = 0; more > 0; more -= 1) length = length * 256 + this.#byte();
    }
    const content = this.#bytes.subarray(this.#at, this.#at + length);
    if (content.length !== length) throw malformed();
    this.#at += length;
    return content;
  }

  /** Every element as an integer without the zero that only marks it as positive. */
  integers(): Uint8Array[] {
    const all: Uint8Array[] = [];
    while (this.#at < this.#bytes.length) {
      const content = this.next(INTEGER);
      all.push(content.length > 1 && content[0] === 0 ? content.subarray(1) : content);
    }
    return all;
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw malformed();
    this.#at += 1;
    return byte;
  }
}

/** The algorithm's own structure in a PrivateKeyInfo (RFC 5208): RSAPrivateKey (RFC 8017) or ECPrivateKey (RFC 5915). */
function privateKeyInfo(material: Uint8Array): Der {
  const info = new Der(new Der(material).next(SEQUENCE));
  info.next(INTEGER);
  info.next(SEQUENCE);
  return new Der(new Der(info.next(OCTET_STRING)).next(SEQUENCE));
}

function given(bytes: Uint8Array | undefined): Uint8Array {
  if (bytes === undefined) throw malformed();
  return bytes;
}

function decoded(text: string | undefined): Uint8Array {
  if (text === undefined) throw malformed();
  return Buffer.from(text, 'base64url');
}

/** Says nothing of the bytes. */
function malformed(): Error {
  return new Error('The key material is no PKCS #8 private key.');
}
