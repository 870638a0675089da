import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Canaries } from './faults/canaries.ts';

const folder = mkdtempSync(join(tmpdir(), 'shearline-canaries-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const secret = randomBytes(32);
const canaries = new Canaries();
canaries.add('the key', secret);

describe('a canary', () => {
  const sealedIn = (text: string) => Buffer.from(text).toString('base64');
  it.each([
    ['raw', Buffer.concat([Buffer.from('before'), secret, Buffer.from('after')])],
    ['in hex', `x${secret.toString('hex')}x`],
    ['in capital hex', secret.toString('hex').toUpperCase()],
    ['in base64', `"${secret.toString('base64')}"`],
    ['in base64url', secret.toString('base64url')],
    ['percent-encoded', encodeURIComponent(secret.toString('latin1'))],
    ['as numbers', JSON.stringify({ bytes: [...secret] })],
    ['as a printed array of bytes', JSON.stringify(Uint8Array.from(secret))],
    ['as a printed Buffer', JSON.stringify(secret)],
    ...[0, 1, 2].map((offset): [string, string] => [
      `in base64 after ${offset} other bytes`,
      Buffer.concat([Buffer.alloc(offset, 7), secret, Buffer.from('and more')]).toString('base64'),
    ]),
  ])('is found %s', (_form, content) => {
    expect(canaries.foundIn(content)).toEqual(['the key']);
  });

  it('is found in a file, however deep it lies, and the file is named', () => {
    mkdirSync(join(folder, 'deep'));
    writeFileSync(join(folder, 'deep', 'log'), `a line\n${secret.toString('hex')}\n`);
    writeFileSync(join(folder, 'other'), sealedIn('nothing'));
    expect(canaries.foundUnder(folder)).toEqual([`the key in ${join('deep', 'log')}`]);
  });

  it('is not found where it is not', () => {
    expect(canaries.foundIn(randomBytes(10_000))).toEqual([]);
    expect(canaries.foundIn(JSON.stringify([...randomBytes(1_000)]))).toEqual([]);
  });

  it('of a private key is told by its middle, not by how all of them begin', () => {
    const [one, other] = [randomBytes(200), randomBytes(200)];
    one.copy(other, 0, 0, 60);
    const keys = new Canaries();
    keys.add('a private key', one);
    expect(keys.foundIn(one)).toEqual(['a private key']);
    expect(keys.foundIn(other)).toEqual([]);
  });
});
