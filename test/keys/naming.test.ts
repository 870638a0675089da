import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fault } from '../../lib/fault.ts';
import { customPlaceholders, isRotatable, parseScheme, renderLabel, schemeText } from '../../lib/keys/naming.ts';
import type { SchemePart } from '../../lib/keys/naming.ts';

const RESERVED =
  'SEQUENCENUMBER seqno sqn sequenceNumber SEQNO SQN hierarchy h hier keyType kt institutionId iid'.split(' ');
const SYSTEM =
  'lastActiveYear lastActiveYear/yyyy lastActiveYear/4 lastActiveYear/yy lastActiveYear/2 lay lay/yyyy lay/4 lay/yy lay/2 lastActiveMonth lam yy yyyy mm'.split(
    ' ',
  );
const MOMENTS = { createdAt: new Date('2026-03-05T10:00:00Z'), activeAt: new Date('2031-11-30T23:59:59Z') };

const partsOf = (scheme: string): readonly SchemePart[] => {
  const parsed = parseScheme(scheme);
  if ('wrong' in parsed) throw new Error(parsed.wrong);
  return parsed;
};
const wrongIn = (scheme: string): string | undefined => {
  const parsed = parseScheme(scheme);
  return 'wrong' in parsed ? parsed.wrong : undefined;
};

const text = fc.stringMatching(/^[^<>]{1,30}$/);
const placeholder = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(...SYSTEM) },
  { weight: 2, arbitrary: fc.stringMatching(/^[^<>]{1,20}$/).filter((name) => !RESERVED.includes(name)) },
);

describe('a naming scheme', () => {
  it('falls into its parts, and its parts make the scheme again', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            text,
            placeholder.map((name) => `<${name}>`),
          ),
          { maxLength: 12 },
        ),
        (pieces) => {
          const scheme = pieces.join('');
          const parts = partsOf(scheme);
          expect(schemeText(parts)).toBe(scheme);
          expect(partsOf(schemeText(parts))).toEqual(parts);
        },
      ),
    );
  });

  it('of any text at all is read or refused, never broken', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 80 }), fc.string({ maxLength: 10 }), (one, two) => {
        for (const scheme of [one, `<${two}>`, `${one}<${two}`, `${one}>${two}`]) {
          const parsed = parseScheme(scheme);
          if (!('wrong' in parsed)) expect(schemeText(parsed)).toBe(scheme);
        }
      }),
    );
  });

  it('tells fixed text, custom and system placeholders apart', () => {
    expect(partsOf('app-<stage>/<yy><lam>')).toEqual([
      { kind: 'text', text: 'app-' },
      { kind: 'custom', name: 'stage' },
      { kind: 'text', text: '/' },
      { kind: 'system', name: 'yy', value: 'year_short' },
      { kind: 'system', name: 'lam', value: 'active_month' },
    ]);
  });

  it.each(RESERVED)('may not use the reserved placeholder <%s>', (name) => {
    expect(wrongIn(`a<${name}>b`)).toBe(`uses the reserved placeholder “<${name}>”`);
  });

  it.each([
    ['<>', 'does not have 1 to 20 characters'],
    [`<${'x'.repeat(21)}>`, 'does not have 1 to 20 characters'],
    ['a<b', 'without a “>” after it'],
    ['a>b', 'without a “<” before it'],
    ['<a>>', 'without a “<” before it'],
    ['<a<b>>', 'does not have 1 to 20 characters'],
  ])('%s is none', (scheme, why) => {
    expect(wrongIn(scheme)).toContain(why);
  });

  it('asks for each custom placeholder once, in order', () => {
    expect(customPlaceholders(partsOf('<b><a>-<yy><b>'))).toEqual(['b', 'a']);
  });
});

describe('a label made by a scheme', () => {
  it.each([
    ['<lastActiveYear>', '2031'],
    ['<lastActiveYear/yyyy>', '2031'],
    ['<lastActiveYear/4>', '2031'],
    ['<lastActiveYear/yy>', '31'],
    ['<lastActiveYear/2>', '31'],
    ['<lay>', '2031'],
    ['<lay/yyyy>', '2031'],
    ['<lay/4>', '2031'],
    ['<lay/yy>', '31'],
    ['<lay/2>', '31'],
    ['<lastActiveMonth>', '11'],
    ['<lam>', '11'],
    ['<yyyy>', '2026'],
    ['<yy>', '26'],
    ['<mm>', '03'],
  ])('of %s is %s', (scheme, label) => {
    expect(renderLabel(scheme, [], MOMENTS)).toBe(label);
  });

  it('has the given values in place of its custom placeholders, wherever they stand', () => {
    const tags = [
      { name: 'app', value: 'billing' },
      { name: 'stage', value: '<x>' },
    ];
    expect(renderLabel('<app>.<stage>.<app>-<mm>', tags, MOMENTS)).toBe('billing.<x>.billing-03');
  });

  it('is refused with everything that is wrong with its values, at once', () => {
    const given = [
      { name: 'short', value: 'x' },
      { name: 'unknown', value: 'value' },
      { name: 'also-unknown', value: 'value' },
    ];
    try {
      renderLabel('<missing>-<short>-<yy>', given, MOMENTS);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(Fault);
      const { code, details } = error as Fault;
      expect(code).toBe('invalid_field');
      expect(details.map(({ target }) => target?.name)).toEqual([
        'label_tags',
        'label_tags',
        'label_tags[1].name',
        'label_tags[2].name',
      ]);
      expect(details.map(({ message }) => /“([^”]*)”/.exec(message)?.[1])).toEqual([
        'missing',
        'short',
        'unknown',
        'also-unknown',
      ]);
    }
  });

  it('takes no value for a system placeholder from the caller', () => {
    expect(() => renderLabel('<yyyy>', [{ name: 'yyyy', value: '1999' }], MOMENTS)).toThrow('no placeholder');
  });
});

describe('a key can be rotated', () => {
  it.each([
    [undefined, true],
    ['app-<stage>', true],
    ['app-<stage>-<yy>', false],
    ['<lam>', false],
  ])('when its scheme is %s: %s', (namingScheme, expected) => {
    expect(isRotatable({ state: 'active', namingScheme })).toBe(expected);
    expect(isRotatable({ state: 'deactivated', namingScheme })).toBe(false);
  });
});
