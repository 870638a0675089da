/** The page part of a list that is read from a place on: nobody counts what may be long. Clients page until `next` is gone. */
export function nextPage(
  url: string,
  limit: number,
  next: string | undefined,
): { readonly limit: number; readonly first: { href: string }; readonly next?: { href: string } } {
  const at = (after: string | undefined) => {
    const to = new URL(url);
    to.searchParams.set('limit', String(limit));
    if (after === undefined) to.searchParams.delete('after');
    else to.searchParams.set('after', after);
    return { href: to.href };
  };
  return { limit, first: at(undefined), ...(next === undefined ? {} : { next: at(next) }) };
}
