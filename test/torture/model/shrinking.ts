/**
 * The smallest part of a sequence that is found to do it still: takes away longer and shorter stretches, as long as there is time. `does`
 * answers whether what is left does it.
 */
export async function smallest<T>(
  whole: readonly T[],
  does: (part: readonly T[]) => Promise<boolean>,
  milliseconds: number,
): Promise<readonly T[]> {
  const until = performance.now() + milliseconds;
  let found = whole;
  for (let length = Math.ceil(found.length / 2); length >= 1; length = length === 1 ? 0 : Math.ceil(length / 2)) {
    // From the end: what comes after it happened is of no use.
    for (let from = found.length - length; from > -length; from -= length) {
      if (performance.now() > until) return found;
      const part = [...found.slice(0, Math.max(0, from)), ...found.slice(from + length)];
      if (await does(part)) found = part;
    }
  }
  return found;
}
