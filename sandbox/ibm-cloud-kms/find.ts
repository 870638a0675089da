import { KmsError, noSuchKey } from './error.ts';
import type { IbmKey } from './key.ts';
import type { Call } from './operation.ts';

/** The key that the path names by id or alias, in the key ring that the call names, if any. Throws 404. */
export function keyOf({ cloud, instance, path, keyRing }: Call): IbmKey {
  cloud.tick();
  const key = instance.find(path[0] ?? '');
  if (key === undefined || (keyRing !== undefined && key.keyRingId !== keyRing)) throw noSuchKey();
  return key;
}

/** The same, but deleted keys are gone. Throws 410. */
export function livingKeyOf(call: Call, what: string): IbmKey {
  const key = keyOf(call);
  if (key.deletedAt === undefined) return key;
  throw new KmsError(410, what, {
    code: 'KEY_DELETED_ERR',
    message: 'Key has already been deleted. Please delete references to this key.',
  });
}

/** Throws when the ring that the call names does not exist. Answers its id. */
export function ringOf({ instance, keyRing }: Call, what: string): string {
  const id = keyRing ?? 'default';
  if (instance.keyRings.has(id)) return id;
  throw new KmsError(404, what, { code: 'KEY_RING_NOT_FOUND_ERR', message: 'Key ring does not exist' });
}

/** A number among the query's parameters. Throws 400 when it is out of range. */
export function numberFrom(
  query: URLSearchParams,
  name: string,
  { standard, minimum, maximum }: { readonly standard: number; readonly minimum: number; readonly maximum: number },
): number {
  const given = query.get(name);
  if (given === null) return standard;
  const value = Number(given);
  if (Number.isInteger(value) && value >= minimum && value <= maximum) return value;
  throw new KmsError(400, 'The request could not be served', {
    code: 'BAD_QUERY_PARAM_ERR',
    message: `${name} must be a whole number from ${minimum} to ${maximum}`,
  });
}
