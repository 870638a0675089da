import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SETTINGS } from '../../console/keystores/fields.ts';
import { KEYSTORE_FIELDS } from '../../lib/wire/keystores.ts';
import { PROJECT } from '../../sandbox/project.ts';

const FOLDER = join(PROJECT, 'console');
const pages = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.tsx'));

describe('the source of the console', () => {
  it('asks for just the settings that each keystore type has', () => {
    const asked = Object.fromEntries(
      Object.entries(SETTINGS).map(([type, fields]) => [
        type,
        {
          settings: fields.flatMap(({ name, kind }) => (kind.endsWith('secret') ? [] : [name])).sort(),
          secrets: fields.flatMap(({ name, kind }) => (kind.endsWith('secret') ? [name] : [])).sort(),
        },
      ]),
    );
    const had = Object.fromEntries(
      Object.entries(KEYSTORE_FIELDS).map(([type, { settings, secrets }]) => [
        type,
        { settings: [...settings].sort(), secrets: [...secrets].sort() },
      ]),
    );
    // A keystore of type cca cannot be connected, so nothing is asked for.
    expect(asked).toEqual({ ...had, cca: { settings: [], secrets: [] } });
  });

  it('has every word in the text catalogue', () => {
    expect(pages.length).toBeGreaterThan(30);
    const found = pages.flatMap((name) =>
      [
        ...readFileSync(join(FOLDER, name), 'utf8').matchAll(
          />\s*([A-Za-z][a-z]+ [^<>{};=()?]*[a-z])\s*<|\b(?:label|labelText|title|placeholder|aria-label|helperText)="([A-Z][^"]+)"/g,
        ),
      ].map(([match]) => `${name}: ${match}`),
    );
    expect(found).toEqual([]);
  });

  it('takes of lib only what is pure, and of the functions nothing', () => {
    const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter(
      (name) => /\.tsx?$/.test(name) && !name.startsWith('dist'),
    );
    const taken = files.flatMap((name) =>
      [
        ...readFileSync(join(FOLDER, name), 'utf8').matchAll(
          /^import (?!type )[^;]*?from '(?:\.\.\/)+((?:lib|functions|sandbox)\/[^']+)'/gm,
        ),
      ].map(([, from]) => from ?? ''),
    );
    expect([...new Set(taken)].sort()).toEqual([
      'lib/access/permissions.ts',
      'lib/drivers/kinds.ts',
      'lib/keys/naming.ts',
      'lib/keys/period.ts',
    ]);
  });
});
