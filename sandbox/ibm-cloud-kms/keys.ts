import { randomBytes, randomUUID } from 'node:crypto';
import * as z from 'zod/mini';
import { requireFreeAliases } from './aliases.ts';
import { badBody, KmsError, noSuchKey } from './error.ts';
import { keyOf, livingKeyOf, numberFrom, ringOf } from './find.ts';
import { currentMaterial, PURGE_ALLOWED_AFTER, STATE, stateAt } from './key.ts';
import type { IbmKey } from './key.ts';
import { MATERIAL, materialFrom } from './material.ts';
import type { Answer, Call, Operation } from './operation.ts';
import { collection, KEY_TYPE } from './operation.ts';
import { shownKey, shownVersion } from './show.ts';

const NOT_CREATED = 'Key could not be created';
const NOT_DELETED = 'Key could not be deleted';

const wanted = z.strictObject({
  type: z.literal(KEY_TYPE),
  name: z.string().check(z.minLength(2), z.maxLength(90)),
  description: z.optional(z.string().check(z.minLength(2), z.maxLength(240))),
  aliases: z.optional(z.array(z.string()).check(z.maxLength(5))),
  tags: z.optional(z.array(z.string().check(z.maxLength(30))).check(z.maxLength(30))),
  expirationDate: z.optional(z.string()),
  extractable: z.optional(z.boolean()),
  ...MATERIAL,
});
const createBody = z.strictObject({
  metadata: z.object({ collectionType: z.literal(KEY_TYPE), collectionTotal: z.literal(1) }),
  resources: z.tuple([wanted]),
});

function createKey(call: Call): Answer {
  const { cloud, instance, caller } = call;
  const parsed = z.safeParse(createBody, call.body);
  if (!parsed.success) {
    throw badBody(
      NOT_CREATED,
      parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '),
    );
  }
  const [body] = parsed.data.resources;
  const keyRingId = ringOf(call, NOT_CREATED);
  const aliases = [...new Set(body.aliases)];
  requireFreeAliases(cloud, instance, aliases, 0, NOT_CREATED);
  const extractable = body.extractable ?? true;
  const material = materialFrom(cloud, instance, body, NOT_CREATED);
  const now = cloud.now();
  const key: IbmKey = {
    sequence: cloud.nextSequence(),
    instanceId: instance.id,
    id: randomUUID(),
    name: body.name,
    description: body.description ?? '',
    tags: body.tags ?? [],
    extractable,
    imported: material !== undefined,
    createdAt: now,
    createdBy: caller.id,
    expiresAt: body.expirationDate === undefined ? undefined : Date.parse(body.expirationDate),
    keyRingId,
    state: STATE.active,
    aliases,
    materials: [{ id: randomUUID(), createdAt: now, bytes: material ?? randomBytes(32) }],
    lastUpdateAt: now,
    lastRotateAt: undefined,
    lastActionAt: undefined,
    deletedAt: undefined,
    deletedBy: undefined,
    dualAuth: false,
    setForDeletion: undefined,
    registrations: [],
  };
  cloud.addKey(key);
  const shown = call.minimal ? { type: KEY_TYPE, id: key.id } : shownKey(instance, key, now);
  return { status: 201, body: collection(KEY_TYPE, [shown]) };
}

/** What a list is about: the keys of the ring, if one is named, in the states asked for. Key Protect leaves out deleted ones. */
function listed(call: Call): IbmKey[] {
  const { cloud, instance, query } = call;
  cloud.tick();
  if (call.keyRing !== undefined) ringOf(call, 'Keys could not be retrieved');
  const states = (query.get('state') ?? '0,1,2,3').split(',').map(Number);
  const extractable = query.get('extractable');
  return [...instance.keys.values()]
    .filter((key) => call.keyRing === undefined || key.keyRingId === call.keyRing)
    .filter((key) => states.includes(stateAt(key, cloud.now())))
    .filter((key) => extractable === null || String(key.extractable) === extractable)
    .sort((one, other) => one.sequence - other.sequence);
}

function listKeys(call: Call): Answer {
  const limit = numberFrom(call.query, 'limit', { standard: 200, minimum: 1, maximum: 5000 });
  const offset = numberFrom(call.query, 'offset', { standard: 0, minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
  const page = listed(call).slice(offset, offset + limit);
  const now = call.cloud.now();
  return {
    status: 200,
    body: collection(
      KEY_TYPE,
      page.map((key) => shownKey(call.instance, key, now)),
    ),
  };
}

function countKeys(call: Call): Answer {
  return { status: 200, headers: { 'key-total': String(listed(call).length) } };
}

/** The only way to see material at all, and only a standard key's. */
function getKey(call: Call): Answer {
  const key = livingKeyOf(call, 'Key could not be retrieved');
  const shown = shownKey(call.instance, key, call.cloud.now());
  const payload = key.extractable ? { payload: currentMaterial(key).bytes.toString('base64') } : {};
  return { status: 200, body: collection(KEY_TYPE, [{ ...shown, ...payload }]) };
}

function getKeyMetadata(call: Call): Answer {
  return { status: 200, body: collection(KEY_TYPE, [shownKey(call.instance, keyOf(call), call.cloud.now())]) };
}

function patchKey(call: Call): Answer {
  const what = 'Key could not be updated';
  const key = livingKeyOf(call, what);
  const parsed = z.safeParse(z.strictObject({ keyRingID: z.string() }), call.body);
  if (!parsed.success) throw badBody(what, 'keyRingID is all that can be updated');
  ringOf({ ...call, keyRing: parsed.data.keyRingID }, what);
  key.keyRingId = parsed.data.keyRingID;
  key.lastUpdateAt = call.cloud.now();
  call.cloud.saveKey(key);
  return { status: 200, body: collection(KEY_TYPE, [shownKey(call.instance, key, call.cloud.now())]) };
}

function deleteKey(call: Call): Answer {
  const { cloud, instance, caller } = call;
  const key = livingKeyOf(call, NOT_DELETED);
  if (key.registrations.some(({ preventKeyDeletion }) => preventKeyDeletion)) {
    throw new KmsError(409, NOT_DELETED, {
      code: 'PREV_KEY_DEL_ERR',
      message:
        "The key cannot be deleted because it's protecting a cloud resource that has a retention policy. Before you delete this key, contact an account owner to remove the retention policy on each resource that is associated with the key.",
    });
  }
  if (key.registrations.length > 0 && call.query.get('force') !== 'true') {
    throw new KmsError(409, NOT_DELETED, {
      code: 'PROTECTED_RESOURCE_ERR',
      message: 'Key is protecting one or more cloud resources',
    });
  }
  requireAuthorizations(call, key);
  const now = cloud.now();
  key.state = STATE.destroyed;
  key.deletedAt = now;
  key.deletedBy = caller.id;
  key.setForDeletion = undefined;
  key.lastUpdateAt = now;
  key.lastActionAt = now;
  cloud.saveKey(key);
  if (call.minimal) return { status: 204 };
  return { status: 200, body: collection(KEY_TYPE, [shownKey(instance, key, now)]) };
}

/** Two people must agree to the deletion of a key with a dual authorization policy. */
function requireAuthorizations({ cloud, caller }: Call, key: IbmKey): void {
  const first = key.setForDeletion;
  if (!key.dualAuth || (first !== undefined && first.until > cloud.now() && first.by !== caller.id)) return;
  throw new KmsError(409, NOT_DELETED, {
    code: 'AUTHORIZATIONS_NOT_MET',
    message: 'Number of authorizations required to delete is not met',
  });
}

function purgeKey(call: Call): Answer {
  const { cloud } = call;
  const what = 'Key could not be purged';
  const key = keyOf(call);
  if (key.deletedAt === undefined) {
    throw new KmsError(409, what, {
      code: 'KEY_ACTION_INVALID_STATE_ERR',
      message: 'Key is not in a valid state',
    });
  }
  if (cloud.now() < key.deletedAt + PURGE_ALLOWED_AFTER) {
    throw new KmsError(409, what, {
      code: 'REQ_TOO_EARLY_ERR',
      message: 'The key was updated recently: Please wait and try again',
    });
  }
  cloud.purgeKey(key);
  return { status: 204 };
}

function listVersions(call: Call): Answer {
  const key = keyOf(call);
  if (key.deletedAt !== undefined && call.query.get('allKeyStates') !== 'true') throw noSuchKey();
  const limit = numberFrom(call.query, 'limit', { standard: 200, minimum: 1, maximum: 5000 });
  const offset = numberFrom(call.query, 'offset', { standard: 0, minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
  const versions = key.materials
    .toReversed()
    .slice(offset, offset + limit)
    .map(shownVersion);
  return { status: 200, body: collection('application/vnd.ibm.kms.key.version+json', versions, key.materials.length) };
}

export const KEY_OPERATIONS: readonly Operation[] = [
  { name: 'CreateKey', method: 'POST', path: '/keys', role: 'Writer', answer: createKey },
  { name: 'GetKeys', method: 'GET', path: '/keys', role: 'Reader', answer: listKeys },
  { name: 'GetKeyCollectionMetadata', method: 'HEAD', path: '/keys', role: 'Reader', answer: countKeys },
  { name: 'GetKey', method: 'GET', path: '/keys/{}', role: 'Writer', answer: getKey },
  { name: 'GetKeyMetadata', method: 'GET', path: '/keys/{}/metadata', role: 'Reader', answer: getKeyMetadata },
  { name: 'PatchKey', method: 'PATCH', path: '/keys/{}', role: 'Manager', answer: patchKey },
  { name: 'DeleteKey', method: 'DELETE', path: '/keys/{}', role: 'Manager', answer: deleteKey },
  { name: 'PurgeKey', method: 'DELETE', path: '/keys/{}/purge', role: 'Manager', answer: purgeKey },
  { name: 'GetKeyVersions', method: 'GET', path: '/keys/{}/versions', role: 'Reader', answer: listVersions },
];
