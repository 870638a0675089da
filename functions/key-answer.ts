import { notFound } from '../lib/access/permissions.ts';
import type { OpenKey } from '../lib/keys/open.ts';
import { presentKey, readKeyContext } from '../lib/keys/view.ts';
import { readKey } from '../lib/records/reading.ts';
import { deployment } from './deployment.ts';
import { etagOf } from './http.ts';

/** The key as it is now, with its ETag: the answer to whatever was done to it. */
export async function answerWithKey(id: string, baseUrl: string, status: 200 | 201 = 200) {
  const { database } = deployment();
  const partition = await readKey(database, id);
  const { key } = partition;
  if (key === undefined) throw notFound();
  return answerAsRead({ key, partition, context: await readKeyContext(database, key) }, baseUrl, status);
}

/** The key as it was read just now. */
export function answerAsRead(
  { key, partition, context }: Pick<OpenKey, 'key' | 'partition' | 'context'>,
  baseUrl: string,
  status: 200 | 201 = 200,
) {
  const body = presentKey(partition, key, context, baseUrl);
  return {
    status,
    body,
    etag: etagOf(key.id, key.revision),
    location: status === 201 ? body.href : undefined,
  };
}
