import type { Answer, Call } from './call.ts';
import { keyRingOf, newId, timestamp } from './call.ts';
import { exists, notFound } from './error.ts';
import { pageOf } from './paging.ts';
import type { KeyRing } from './world.ts';

/** A region, multi-region or `global`, by its form. */
const LOCATION = /^(?:global|eur[3-6]|nam[3-9]|asia1|us|europe|asia|[a-z]+-[a-z]+[1-9])$/;

/** Whether there is such a location; throws NOT_FOUND if not. */
export function requireLocation(name: string): string {
  const id = name.slice(name.indexOf('/locations/') + '/locations/'.length).split('/', 1)[0] ?? '';
  if (!LOCATION.test(id)) throw notFound('Location', id);
  return id;
}

export function getLocation({ name }: Call): Answer {
  const locationId = requireLocation(name);
  return { name, locationId, labels: { 'cloud.googleapis.com/region': locationId } };
}

const shownKeyRing = ({ name, createdAt }: KeyRing): Answer => ({ name, createTime: timestamp(createdAt) });

export function createKeyRing(call: Call): Answer {
  requireLocation(call.name);
  const name = `${call.name}/keyRings/${newId(call, 'keyRingId')}`;
  if (call.cloud.keyRings.has(name)) throw exists('KeyRing', name);
  const ring = { name, createdAt: call.now };
  call.cloud.addKeyRing(ring);
  return shownKeyRing(ring);
}

export const getKeyRing = (call: Call): Answer => shownKeyRing(keyRingOf(call, call.name));

export function listKeyRings(call: Call): Answer {
  requireLocation(call.name);
  const rings = [...call.cloud.keyRings.values()]
    .filter(({ name }) => name.startsWith(`${call.name}/keyRings/`))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return pageOf(call, rings, 'keyRings', shownKeyRing);
}
