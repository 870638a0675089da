import { randomBytes, randomUUID } from 'node:crypto';
import * as z from 'zod/mini';
import { badBody, KmsError } from './error.ts';
import { keyOf, livingKeyOf } from './find.ts';
import { DAY, HOUR, RESTORABLE_FOR, STATE, stateAt } from './key.ts';
import type { IbmKey, State } from './key.ts';
import { MATERIAL, materialFrom } from './material.ts';
import type { Answer, Call, Operation } from './operation.ts';
import { collection, KEY_TYPE } from './operation.ts';
import { shownKey } from './show.ts';

export const NOT_PERFORMED = 'Action could not be performed on key';

function conflict(code: string, message: string): KmsError {
  return new KmsError(409, NOT_PERFORMED, { code, message });
}

/** The key of an action on root keys, in one of these states. */
export function rootKeyIn(call: Call, states: readonly State[]): IbmKey {
  const key = livingKeyOf(call, NOT_PERFORMED);
  if (key.extractable) {
    throw new KmsError(400, NOT_PERFORMED, {
      code: 'KEY_ROOT_REQ_ERR',
      message: 'Requested action can only be completed with a root key',
    });
  }
  if (!states.includes(stateAt(key, call.cloud.now()))) {
    throw conflict('KEY_ACTION_INVALID_STATE_ERR', 'Key is not in a valid state');
  }
  return key;
}

/** Enabling and restoring must keep their distance from any other action. */
function requireSettled({ cloud }: Call, key: IbmKey): void {
  if (key.lastActionAt === undefined || cloud.now() >= key.lastActionAt + cloud.settleMs) return;
  throw conflict('REQ_TOO_EARLY_ERR', 'The key was updated recently: Please wait and try again');
}

function moved({ cloud }: Call, key: IbmKey, state: State): void {
  const now = cloud.now();
  key.state = state;
  key.lastUpdateAt = now;
  key.lastActionAt = now;
  cloud.saveKey(key);
}

function disable(call: Call): Answer {
  moved(call, rootKeyIn(call, [STATE.active]), STATE.suspended);
  return { status: 204 };
}

function enable(call: Call): Answer {
  const key = rootKeyIn(call, [STATE.suspended]);
  requireSettled(call, key);
  moved(call, key, STATE.active);
  return { status: 204 };
}

function restore(call: Call): Answer {
  const { cloud, instance } = call;
  const key = keyOf(call);
  if (key.deletedAt === undefined) throw conflict('KEY_ACTION_INVALID_STATE_ERR', 'Key is not in a valid state');
  const now = cloud.now();
  if (now >= key.deletedAt + RESTORABLE_FOR) {
    throw new KmsError(400, NOT_PERFORMED, {
      code: 'KEY_RESTORE_EXPIRED',
      message: 'Key restoration has expired',
    });
  }
  if (key.expiresAt !== undefined && key.expiresAt <= now) {
    throw new KmsError(400, NOT_PERFORMED, {
      code: 'KEY_EXPIRED_ERR',
      message: 'The action could not be performed on the key because the key is expired',
    });
  }
  requireSettled(call, key);
  key.deletedAt = undefined;
  key.deletedBy = undefined;
  moved(call, key, STATE.active);
  return { status: 201, body: collection(KEY_TYPE, [shownKey(instance, key, now)]) };
}

function rotate(call: Call): Answer {
  const { cloud, instance } = call;
  const key = rootKeyIn(call, [STATE.active]);
  const parsed = z.safeParse(z.strictObject(MATERIAL), call.body ?? {});
  if (!parsed.success) throw badBody(NOT_PERFORMED, parsed.error.message);
  const material = materialFrom(cloud, instance, parsed.data, NOT_PERFORMED);
  if (key.imported && material === undefined) {
    throw new KmsError(400, NOT_PERFORMED, {
      code: 'KEY_PAYLOAD_REQ_ERR',
      message:
        "This root key was created with user-supplied key material. Key material is required to perform a 'rotate' action",
    });
  }
  if (!key.imported && material !== undefined) throw badBody(NOT_PERFORMED, 'the key was not imported');
  const now = cloud.now();
  if (key.lastRotateAt !== undefined && now < key.lastRotateAt + HOUR) {
    throw conflict(
      'KEY_ROTATION_NOT_PERMITTED',
      "This root key has been rotated within the last hour. Only one 'rotate' action per hour is permitted",
    );
  }
  key.materials.push({ id: randomUUID(), createdAt: now, bytes: material ?? randomBytes(32) });
  key.lastRotateAt = now;
  key.lastUpdateAt = now;
  cloud.saveKey(key);
  return { status: 204 };
}

function setKeyForDeletion(call: Call): Answer {
  const key = dualAuthKey(call);
  key.setForDeletion = { by: call.caller.id, until: call.cloud.now() + 7 * DAY };
  call.cloud.saveKey(key);
  return { status: 204 };
}

function unsetKeyForDeletion(call: Call): Answer {
  const key = dualAuthKey(call);
  key.setForDeletion = undefined;
  call.cloud.saveKey(key);
  return { status: 204 };
}

function dualAuthKey(call: Call): IbmKey {
  const key = livingKeyOf(call, NOT_PERFORMED);
  if (key.dualAuth) return key;
  throw conflict('NOT_DUAL_AUTH_ERR', 'The key is not dual auth enabled and cannot be set for deletion');
}

const action = (name: string, path: string, role: Operation['role'], answer: Operation['answer']): Operation => ({
  name,
  method: 'POST',
  path: `/keys/{}/${path}`,
  role,
  answer,
});

export const ACTION_OPERATIONS: readonly Operation[] = [
  action('DisableKey', 'actions/disable', 'Manager', disable),
  action('EnableKey', 'actions/enable', 'Manager', enable),
  action('RestoreKey', 'restore', 'Manager', restore),
  action('RotateKey', 'actions/rotate', 'Writer', rotate),
  action('SetKeyForDeletion', 'actions/setKeyForDeletion', 'Writer', setKeyForDeletion),
  action('UnsetKeyForDeletion', 'actions/unsetKeyForDeletion', 'Writer', unsetKeyForDeletion),
];
