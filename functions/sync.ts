import { notFound } from '../lib/access/permissions.ts';
import { sync } from '../lib/drift/sync.ts';
import { Fault } from '../lib/fault.ts';
import type { KeyInstance } from '../lib/keys/key.ts';
import { openKey } from '../lib/keys/open.ts';
import { presentStatuses, readKeyContext } from '../lib/keys/view.ts';
import { readKey } from '../lib/records/reading.ts';
import { attempted, audited, deployment } from './deployment.ts';
import { etagOf, serve } from './http.ts';

/** The instances in the keystores that the user confirmed; all of them when none are named. */
function confirmed(
  instances: readonly KeyInstance[],
  body: { readonly keystores: readonly { readonly id: string }[] } | undefined,
): readonly KeyInstance[] {
  if (body === undefined) return instances;
  const wrong = body.keystores.flatMap(({ id }, position) =>
    instances.some(({ keystoreId }) => keystoreId === id)
      ? []
      : [
          {
            message: `The key is in no keystore with the id ${id}.`,
            target: { type: 'field' as const, name: `keystores[${position}].id` },
          },
        ],
  );
  if (wrong.length > 0) throw new Fault('invalid_field', wrong);
  return instances.filter(({ keystoreId }) => body.keystores.some(({ id }) => id === keystoreId));
}

async function answer(id: string, baseUrl: string) {
  const { database } = deployment();
  const partition = await readKey(database, id);
  const { key } = partition;
  if (key === undefined) throw notFound();
  const context = await readKeyContext(database, key);
  const body = { status_in_keystores: presentStatuses(partition, key, context, baseUrl) };
  return { body, etag: etagOf(key.id, key.revision) };
}

export const handler = serve(
  {
    SyncManagedKey: (call) =>
      attempted(
        call,
        async (attempt, within) => {
          const { key, partition } = await openKey(deployment(), call, 'align_key');
          await sync(within, attempt, key, confirmed(partition.instances, call.body), call.signal);
          return answer(key.id, call.baseUrl);
        },
        (id) => answer(id, call.baseUrl),
      ),
  },
  audited,
);
