import { KmsError } from './error.ts';
import type { Operation } from './operation.ts';
import { collection } from './operation.ts';
import { shownTime } from './show.ts';

export const KEY_RING_OPERATIONS: readonly Operation[] = [
  {
    name: 'ListKeyRings',
    method: 'GET',
    path: '/key_rings',
    role: 'Reader',
    answer: ({ instance }) => ({
      status: 200,
      body: collection(
        'application/vnd.ibm.kms.key_ring+json',
        [...instance.keyRings].map(([id, { createdAt, createdBy }]) => ({
          id,
          ...(id === 'default' ? {} : { creationDate: shownTime(createdAt), createdBy }),
        })),
      ),
    }),
  },
  {
    name: 'CreateKeyRing',
    method: 'POST',
    path: '/key_rings/{}',
    role: 'Manager',
    answer: ({ cloud, instance, caller, path }) => {
      const id = path[0] ?? '';
      const what = 'Key ring could not be created';
      if (!/^[A-Za-z0-9-]{2,100}$/.test(id)) {
        throw new KmsError(400, what, {
          code: 'KEY_RING_ID_ERR',
          message: 'A key ring id has 2 to 100 alphanumeric characters and dashes',
        });
      }
      if (instance.keyRings.has(id)) {
        throw new KmsError(409, what, {
          code: 'KEY_RING_EXISTS_ERR',
          message: 'A key ring with this id already exists',
        });
      }
      cloud.addKeyRing(instance, id, caller.id);
      return { status: 201 };
    },
  },
];
