import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';
import type { UseQueryResult } from '@tanstack/react-query';
import type { Answer, QueryValue } from './client.ts';
import { send } from './client.ts';

/** One resource with its ETag. */
export function useOne<Body>(
  key: readonly unknown[],
  read: (signal: AbortSignal) => Promise<Answer<Body>>,
  options: { readonly enabled?: boolean; readonly refetchInterval?: number | false } = {},
): UseQueryResult<Answer<Body>> {
  return useQuery({ queryKey: key, queryFn: ({ signal }) => read(signal), ...options });
}

/** A page of a list; the page before stays until the next one is there. */
export function usePage<Body extends { readonly total_count: number }>(
  key: readonly unknown[],
  read: (signal: AbortSignal) => Promise<Answer<Body>>,
  options: { readonly enabled?: boolean } = {},
): UseQueryResult<Body> {
  return useQuery({
    queryKey: key,
    queryFn: async ({ signal }) => (await read(signal)).body,
    placeholderData: keepPreviousData,
    ...options,
  });
}

/** For `ListTable`. */
export function asked<Body extends { readonly total_count: number }, Row>(
  page: UseQueryResult<Body>,
  rows: (body: Body) => readonly Row[],
) {
  return {
    rows: page.data === undefined ? undefined : rows(page.data),
    total: page.data?.total_count ?? 0,
    loading: page.isPending && page.fetchStatus !== 'idle',
    updating: page.isFetching && page.isPlaceholderData,
    error: page.error,
    again: () => void page.refetch(),
  };
}

/** After a change: whatever is shown is read again. */
export function useReadAgain(): () => Promise<void> {
  const queries = useQueryClient();
  return () => queries.invalidateQueries();
}

export const readVaults = (signal?: AbortSignal) =>
  send('GET', '/vaults', { query: { limit: 1000, sort: 'name' }, ...(signal === undefined ? {} : { signal }) });

/** All vaults that the caller may see, by name; rarely more than a few. */
export function useVaults() {
  const page = useQuery({
    queryKey: ['vaults', 'all'],
    queryFn: async ({ signal }) => (await readVaults(signal)).body.vaults,
  });
  return page.data ?? [];
}

/** The keystores of some vaults (all of them without), by name. */
export function useKeystores(query: Readonly<Record<string, QueryValue>> = {}, enabled = true) {
  return useQuery({
    queryKey: ['keystores', 'all', query],
    enabled,
    queryFn: async ({ signal }) =>
      (await send('GET', '/keystores', { query: { limit: 1000, sort: 'name', ...query }, signal })).body.keystores,
  });
}

/** The templates of some vaults (all of them without), by name. */
export function useTemplates(query: Readonly<Record<string, QueryValue>> = {}, enabled = true) {
  return useQuery({
    queryKey: ['templates', 'all', query],
    enabled,
    queryFn: async ({ signal }) =>
      (await send('GET', '/templates', { query: { limit: 1000, sort: 'name', ...query }, signal })).body.templates,
  });
}

/** What each keystore type can hold and do: as fixed as the deployment. */
export function useKeystoreTypes() {
  const answer = useQuery({
    queryKey: ['keystore_types'],
    staleTime: Infinity,
    queryFn: async ({ signal }) => (await send('GET', '/keystore_types', { signal })).body.keystore_types,
  });
  return answer.data ?? [];
}
