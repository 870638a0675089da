import type { Cloud, Instance } from './cloud.ts';
import { KmsError } from './error.ts';
import { keyOf } from './find.ts';
import type { Answer, Call, Operation } from './operation.ts';
import { collection } from './operation.ts';
import { shownTime } from './show.ts';

const RESERVED: ReadonlySet<string> = new Set([
  'allowed_ip',
  'key',
  'keys',
  'metadata',
  'policy',
  'policies',
  'registration',
  'registrations',
  'ring',
  'rings',
  'rotate',
  'wrap',
  'unwrap',
  'rewrap',
  'version',
  'versions',
]);
const UUID_4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

const PER_KEY = 5;
const PER_INSTANCE = 1000;
const ALIAS_TYPE = 'application/vnd.ibm.kms.key_alias+json';

/** Throws when these aliases cannot be added to a key that has `existing` ones. Source: Key Protect docs, "Creating key aliases". */
export function requireFreeAliases(
  cloud: Cloud,
  instance: Instance,
  aliases: readonly string[],
  existing: number,
  what: string,
): void {
  for (const alias of aliases) {
    if (!/^[\w-]{2,90}$/.test(alias) || UUID_4.test(alias) || RESERVED.has(alias)) {
      throw new KmsError(400, what, {
        code: 'KEY_ALIAS_INVALID_ERR',
        message: 'Alias must be 2 to 90 alphanumeric characters, dashes or underscores, and not a reserved name',
      });
    }
    const heldBack = (instance.releasing.get(alias) ?? 0) > cloud.now();
    if (instance.find(alias) !== undefined || heldBack) {
      throw new KmsError(409, what, {
        code: 'KEY_ALIAS_NOT_UNIQUE_ERR',
        message: 'One or more aliases are already associated with a key in the instance',
      });
    }
  }
  // IBM documents the limits; the code is the sandbox's guess.
  if (existing + aliases.length > PER_KEY || instance.aliasCount + aliases.length > PER_INSTANCE) {
    throw new KmsError(409, what, {
      code: 'KEY_ALIAS_QUOTA_ERR',
      message: `A key has up to ${PER_KEY} aliases, an instance up to ${PER_INSTANCE}`,
    });
  }
}

function createAlias(call: Call): Answer {
  const what = 'Key alias could not be created';
  const key = keyOf(call);
  const alias = call.path[1] ?? '';
  requireFreeAliases(call.cloud, call.instance, [alias], key.aliases.length, what);
  key.aliases.push(alias);
  call.cloud.saveKey(key);
  const creationDate = shownTime(call.cloud.now());
  const resource = { keyId: key.id, alias, creationDate, createdBy: call.caller.id };
  return { status: 201, body: collection(ALIAS_TYPE, [resource]) };
}

function deleteAlias(call: Call): Answer {
  const key = keyOf(call);
  const alias = call.path[1] ?? '';
  if (!key.aliases.includes(alias)) {
    throw new KmsError(404, 'Key alias could not be deleted', {
      code: 'KEY_ALIAS_NOT_FOUND_ERR',
      message: 'Key alias does not exist',
    });
  }
  key.aliases = key.aliases.filter((each) => each !== alias);
  call.instance.releasing.set(alias, call.cloud.now() + call.cloud.aliasReleaseMs);
  call.cloud.saveKey(key);
  return { status: 204 };
}

export const ALIAS_OPERATIONS: readonly Operation[] = [
  { name: 'CreateKeyAlias', method: 'POST', path: '/keys/{}/aliases/{}', role: 'Writer', answer: createAlias },
  { name: 'DeleteKeyAlias', method: 'DELETE', path: '/keys/{}/aliases/{}', role: 'Writer', answer: deleteAlias },
];
