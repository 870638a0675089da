import { useCallback, useMemo } from 'react';
import { useSearchParams } from 'react-router';
import type { QueryValue } from '../api/client.ts';

export const PAGE_SIZES = [20, 50, 100, 200] as const;

/** Which part of a list is shown: all of it is in the address, so that it can be shared and gone back to. */
export interface ListState {
  readonly limit: number;
  readonly offset: number;
  readonly sort: string | undefined;
  /** The values of a filter, as the contract writes them; none when it is not set. */
  get(name: string): readonly string[];
  /** Changes filters, sort or page; undefined and an empty list take one away. Filters lead back to the first page. */
  set(patch: Readonly<Record<string, string | readonly string[] | undefined>>): void;
  readonly all: URLSearchParams;
}

export function useListState(): ListState {
  const [parameters, setParameters] = useSearchParams();
  const set = useCallback(
    (patch: Readonly<Record<string, string | readonly string[] | undefined>>) => {
      setParameters(
        (before) => {
          const next = new URLSearchParams(before);
          if (!('offset' in patch)) next.delete('offset');
          for (const [name, value] of Object.entries(patch)) {
            next.delete(name);
            const joined = typeof value === 'string' ? value : (value?.join(',') ?? '');
            if (joined !== '') next.set(name, joined);
          }
          return next;
        },
        { replace: true },
      );
    },
    [setParameters],
  );
  return useMemo(
    () => ({
      limit: PAGE_SIZES.find((size) => String(size) === parameters.get('limit')) ?? PAGE_SIZES[0],
      offset: Math.max(0, Math.trunc(Number(parameters.get('offset'))) || 0),
      sort: parameters.get('sort') ?? undefined,
      get: (name: string) => (parameters.get(name) ?? '').split(',').filter((value) => value !== ''),
      set,
      all: parameters,
    }),
    [parameters, set],
  );
}

/** What of the address a list is asked with. */
export function queryFrom(state: ListState, names: readonly string[]): Readonly<Record<string, QueryValue>> {
  const query: Record<string, QueryValue> = { limit: state.limit, offset: state.offset, sort: state.sort?.split(',') };
  for (const name of names) query[name] = state.all.get(name) ?? undefined;
  return query;
}
