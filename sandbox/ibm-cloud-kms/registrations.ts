import type { IbmKey, Registration } from './key.ts';
import { currentMaterial } from './key.ts';
import { keyOf, numberFrom } from './find.ts';
import type { Answer, Call, Operation } from './operation.ts';
import { collection } from './operation.ts';
import { shownTime, shownVersion } from './show.ts';

function shown(key: IbmKey, registration: Registration): Record<string, unknown> {
  return {
    keyId: key.id,
    resourceCrn: registration.resourceCrn,
    createdBy: 'service',
    creationDate: shownTime(registration.createdAt),
    lastUpdated: shownTime(registration.createdAt),
    ...(registration.description === '' ? {} : { description: registration.description }),
    preventKeyDeletion: registration.preventKeyDeletion,
    keyVersion: shownVersion(currentMaterial(key)),
    keyName: key.name,
  };
}

function paged(call: Call, keys: readonly IbmKey[]): Answer {
  const limit = numberFrom(call.query, 'limit', { standard: 200, minimum: 1, maximum: 5000 });
  const offset = numberFrom(call.query, 'offset', { standard: 0, minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
  const prevents = call.query.get('preventKeyDeletion');
  const all = keys
    .flatMap((key) => key.registrations.map((registration) => [key, registration] as const))
    .filter(([, { preventKeyDeletion }]) => prevents === null || String(preventKeyDeletion) === prevents);
  return {
    status: 200,
    body: collection(
      'application/vnd.ibm.kms.registration+json',
      all.slice(offset, offset + limit).map(([key, registration]) => shown(key, registration)),
      call.query.get('totalCount') === 'true' ? all.length : undefined,
    ),
  };
}

export const REGISTRATION_OPERATIONS: readonly Operation[] = [
  {
    name: 'GetRegistrationsAllKeys',
    method: 'GET',
    path: '/keys/registrations',
    role: 'Reader',
    answer: (call) => paged(call, [...call.instance.keys.values()]),
  },
  {
    name: 'GetRegistrations',
    method: 'GET',
    path: '/keys/{}/registrations',
    role: 'Reader',
    answer: (call) => paged(call, [keyOf(call)]),
  },
];
