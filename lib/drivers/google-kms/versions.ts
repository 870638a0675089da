/**
 * Which CryptoKeyVersion stands for which version of the managed key. CryptoKeyVersions carry no labels of their own and get their
 * numbers from Google, so it is written on the CryptoKey, before a version is made: a create or import whose answer was lost is found
 * again by it. A number that is written here and whose CryptoKeyVersion does not exist (any more) is one that we want there.
 */
export type Claims = ReadonlyMap<number, number>;

/** The longest value of a label. */
const LONGEST = 63;

/** Runs of `<first>-<last>-<number of the first>`, joined by `_`: in nearly every key one run, `1-<version>-1`. */
const RUN = /^(\d{1,9})-(\d{1,9})-(\d{1,9})$/;

/** Reads the label's value; what is not understood (somebody changed it) claims nothing. */
export function readClaims(value: string | undefined): Claims {
  const claims = new Map<number, number>();
  for (const run of (value ?? '').split('_')) {
    const [, first, last, number] = (RUN.exec(run) ?? []).map(Number);
    if (first === undefined || last === undefined || number === undefined || last - first > 10_000) continue;
    for (let version = first; version <= last; version += 1) claims.set(version, number + version - first);
  }
  return claims;
}

/** The label's value. Of more runs than fit, which takes many mishaps, the oldest are forgotten: those versions are long bound. */
export function writeClaims(claims: Claims): string {
  const runs: { first: number; last: number; number: number }[] = [];
  for (const [version, number] of [...claims].toSorted(([a], [b]) => a - b)) {
    const run = runs.at(-1);
    if (run !== undefined && version === run.last + 1 && number === run.number + version - run.first)
      run.last = version;
    else runs.push({ first: version, last: version, number });
  }
  const texts = runs.map(({ first, last, number }) => `${first}-${last}-${number}`);
  while (texts.join('_').length > LONGEST) texts.shift();
  return texts.join('_');
}

/**
 * The claims with this one added or changed. Another version that was to get this number will get a later one: no two versions of a key
 * ever share material.
 */
export function withClaim(claims: Claims, version: number, number: number): Claims {
  const next = new Map([...claims, [version, number]]);
  for (const [other, claimed] of next) {
    if (other !== version && claimed === number) next.set(other, Math.max(...next.values()) + 1);
  }
  return next;
}

/** The claims without that of this version. */
export function withoutClaim(claims: Claims, version: number): Claims {
  return new Map([...claims].filter(([each]) => each !== version));
}
