import { describe, expect, it } from 'vitest';
import { settlingUntil } from '../../lib/drift/settling.ts';
import type { KeyInstance, OpenWork } from '../../lib/keys/key.ts';

const NOW = new Date('2026-11-22T12:00:00Z');
const after = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);
const instance = (of: { touched?: number; open?: Partial<OpenWork> }) =>
  ({
    touchedAt: of.touched === undefined ? undefined : after(of.touched),
    open:
      of.open === undefined
        ? undefined
        : { cause: 'sync', details: false, since: NOW, attempts: 1, dueAt: after(60), givenUp: false, ...of.open },
  }) as KeyInstance;

describe('a key that an event is about is left alone', () => {
  it.each([
    ['not at all where nobody has written to it', {}, undefined],
    ['until it has settled since our last write', { touched: -10 }, after(20)],
    ['not at all once it has settled', { touched: -30 }, undefined],
    ['while its first attempt is under way, and looked at again after a settling time', { open: {} }, after(30)],
    ['no longer than that attempt may last', { open: { dueAt: after(5) } }, after(5)],
    ['not at all once that attempt has run out', { open: { dueAt: after(-1) } }, undefined],
    ['not at all between attempts', { open: { attempts: 2 } }, undefined],
    ['not at all where work was given up', { open: { givenUp: true } }, undefined],
  ] as const)('%s', (_when, of, expected) => {
    expect(settlingUntil(instance(of), NOW, 30)).toEqual(expected);
  });
});
