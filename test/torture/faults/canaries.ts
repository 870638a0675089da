import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Characters; no form of a secret of 16 bytes is shorter. */
const BEGINNING = 16;

/**
 * Secrets that must be found nowhere: the bytes of keys and credentials, in every form in which they could slip into a log, a record or an
 * answer.
 */
export class Canaries {
  /** By how they begin, so that what is looked through costs the same whatever the number of secrets. */
  readonly #forms = new Map<string, Map<string, string>>();
  readonly #known = new Set<string>();

  /** How many secrets are looked for. */
  get count(): number {
    return this.#known.size;
  }

  add(what: string, secret: Uint8Array): void {
    const bytes = Buffer.from(secret);
    const id = bytes.toString('base64');
    if (this.#known.has(id) || bytes.length < 16) return;
    this.#known.add(id);
    // Of long secrets (private keys in DER) the middle: their beginning says only what they are, and is in every such key.
    const telling = bytes.length > 64 ? bytes.subarray(bytes.length - 48, bytes.length - 16) : bytes;
    for (const form of formsOf(telling)) {
      const beginning = form.slice(0, BEGINNING);
      const alike = this.#forms.get(beginning);
      if (alike === undefined) this.#forms.set(beginning, new Map([[form, what]]));
      else alike.set(form, what);
    }
  }

  /** What is in these bytes that should not be; each secret named once. */
  foundIn(content: Uint8Array | string): readonly string[] {
    const text = Buffer.from(content).toString('latin1');
    const found = new Set<string>();
    for (let start = 0; start + BEGINNING <= text.length; start += 1) {
      const alike = this.#forms.get(text.slice(start, start + BEGINNING));
      if (alike === undefined) continue;
      for (const [form, what] of alike) if (text.startsWith(form, start)) found.add(what);
    }
    return [...found];
  }

  /** Every file under a folder that holds one, and which. */
  foundUnder(folder: string): readonly string[] {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' }).flatMap((name) => {
      const path = join(folder, name);
      return statSync(path).isFile() ? this.foundIn(readFileSync(path)).map((what) => `${what} in ${name}`) : [];
    });
  }
}

/** Raw, hex, base64 wherever it begins within three bytes, percent-encoded, and as an array of numbers. */
function formsOf(bytes: Buffer): readonly string[] {
  const hex = bytes.toString('hex');
  const base64 = [0, 1, 2].map((offset) => {
    const shifted = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
    // The characters at both ends depend on what stands beside them.
    return shifted.slice(offset === 0 ? 0 : 4, -4);
  });
  return [
    bytes.toString('latin1'),
    hex,
    hex.toUpperCase(),
    ...base64,
    ...base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
    encodeURIComponent(bytes.toString('latin1')),
    [...bytes].join(','),
    [...bytes].map((byte, position) => `"${position}":${byte}`).join(','),
  ];
}
