import { randomBytes } from 'node:crypto';
import * as z from 'zod/mini';
import type { Cloud } from './cloud.ts';
import { invalidState, limitExceeded, unsupported } from './error.ts';
import { rotationEvent } from './events.ts';
import { checkState, stateOf } from './key-state.ts';
import { currentMaterial, keyState, newMaterial, rotates, wireTime } from './key.ts';
import type { KeyMaterial, KmsKey } from './key.ts';
import { findKey } from './key-reference.ts';
import { mutation, query } from './operation.ts';
import type { Call, Operations } from './operation.ts';
import { pageOfList } from './paging.ts';
import { integer, keyReference, limit, marker } from './schema.ts';
import type { World } from './world.ts';

const day = 86_400_000;
const onDemandLimit = 25;

/** New material under the same key id. */
export const rotationOperations: Operations = {
  RotateKeyOnDemand: mutation(z.object({ KeyId: keyReference }), ({ KeyId }, call) => {
    const key = rotatable(call, KeyId);
    checkState(call, key);
    if (key.onDemandRotations >= onDemandLimit) {
      throw limitExceeded(`${key.arn} has reached the maximum number of on-demand rotations.`);
    }
    const waiting = key.materials.find((material) => material.state === 'PENDING_ROTATION' && material.bytes);
    if (key.origin === 'EXTERNAL' && !waiting) {
      throw invalidState(`${key.arn} has no imported key material that is pending rotation.`);
    }
    key.onDemandRotations += 1;
    rotate(call.cloud, call.world, key, 'ON_DEMAND', waiting ?? generated(key), call.now);
    return { KeyId: key.keyId };
  }),

  EnableKeyRotation: mutation(
    z.object({ KeyId: keyReference, RotationPeriodInDays: z.optional(integer(90, 2560)) }),
    (input, call) => {
      const key = automaticallyRotatable(call, input.KeyId);
      checkState(call, key);
      const periodDays = input.RotationPeriodInDays ?? 365;
      key.rotation = { periodDays, nextAt: call.now + periodDays * day };
      call.cloud.saveKey(call.world, key);
      call.cloud.scheduleKey(call.world, key);
      return undefined;
    },
  ),

  DisableKeyRotation: mutation(z.object({ KeyId: keyReference }), ({ KeyId }, call) => {
    const key = automaticallyRotatable(call, KeyId);
    checkState(call, key);
    key.rotation = undefined;
    call.cloud.saveKey(call.world, key);
    return undefined;
  }),

  GetKeyRotationStatus: query(z.object({ KeyId: keyReference }), ({ KeyId }, call) => {
    const key = rotatable(call, KeyId);
    // While a key is pending deletion its rotation shows as off, and comes back when the deletion is cancelled.
    const rotation = stateOf(call, key) === 'PendingDeletion' ? undefined : key.rotation;
    return {
      KeyId: key.keyId,
      KeyRotationEnabled: rotation !== undefined,
      ...(rotation && { RotationPeriodInDays: rotation.periodDays, NextRotationDate: wireTime(rotation.nextAt) }),
    };
  }),

  ListKeyRotations: query(
    z.object({
      KeyId: keyReference,
      IncludeKeyMaterial: z.optional(z.enum(['ALL_KEY_MATERIAL', 'ROTATIONS_ONLY'])),
      Limit: limit(1000),
      Marker: marker,
    }),
    (input, call) => {
      const key = rotatable(call, input.KeyId);
      const all = input.IncludeKeyMaterial === 'ALL_KEY_MATERIAL';
      const listed = key.materials.filter((material) => all || material.rotatedAt !== undefined);
      return pageOfList(
        listed.map((material) => shown(key, material)),
        'Rotations',
        input,
        100,
      );
    },
  ),
};

function rotatable(call: Call, reference: string): KmsKey {
  const key = findKey(call, reference);
  if (key.keySpec !== 'SYMMETRIC_DEFAULT') {
    throw unsupported(`${key.arn} key spec is ${key.keySpec} which is not valid for this operation.`);
  }
  if (!rotates(key)) throw unsupported(`${key.arn} origin is ${key.origin} which is not valid for this operation.`);
  return key;
}

function automaticallyRotatable(call: Call, reference: string): KmsKey {
  const key = rotatable(call, reference);
  if (key.origin === 'EXTERNAL')
    throw unsupported(`${key.arn} origin is EXTERNAL which is not valid for this operation.`);
  return key;
}

const generated = (key: KmsKey): KeyMaterial => newMaterial(key.keyId, randomBytes(32), 'PENDING_ROTATION');

/** Makes that material the current one; what was current still decrypts. */
export function rotate(
  cloud: Cloud,
  world: World,
  key: KmsKey,
  type: 'AUTOMATIC' | 'ON_DEMAND',
  next: KeyMaterial,
  now: number,
): void {
  const previous = currentMaterial(key);
  if (previous) previous.state = 'NON_CURRENT';
  next.state = 'CURRENT';
  next.rotatedAt = now;
  next.rotationType = type;
  if (!key.materials.includes(next)) key.materials.push(next);
  cloud.saveKey(world, key);
  cloud.emit(rotationEvent(key, type, { previous: previous?.id ?? '', current: next.id }, now));
}

/** What the yearly rotation does when its day comes; a disabled key rotates as soon as it is enabled again. */
export function rotateWhenDue(cloud: Cloud, world: World, key: KmsKey, at: number): void {
  if (!key.rotation) return;
  const state = keyState(key, at, world.storeOf(key));
  const period = key.rotation.periodDays * day;
  if (state !== 'Enabled') {
    cloud.due.at(at + day, () => {
      if (world.keys.has(key.keyId)) rotateWhenDue(cloud, world, key, at + day);
    });
    return;
  }
  key.rotation = { ...key.rotation, nextAt: at + period };
  rotate(cloud, world, key, 'AUTOMATIC', generated(key), at);
  cloud.scheduleKey(world, key);
}

function shown(key: KmsKey, material: KeyMaterial): Record<string, unknown> {
  return {
    KeyId: key.keyId,
    KeyMaterialId: material.id,
    KeyMaterialState: material.state,
    ...(material.rotatedAt !== undefined && {
      RotationDate: wireTime(material.rotatedAt),
      RotationType: material.rotationType,
    }),
    ...(key.origin === 'EXTERNAL' && importedMembers(material)),
  };
}

function importedMembers(material: KeyMaterial): Record<string, unknown> {
  return {
    ImportState: material.bytes ? 'IMPORTED' : 'PENDING_IMPORT',
    ...(material.description !== undefined && { KeyMaterialDescription: material.description }),
    ...(material.bytes && {
      ExpirationModel: material.expiresAt === undefined ? 'KEY_MATERIAL_DOES_NOT_EXPIRE' : 'KEY_MATERIAL_EXPIRES',
    }),
    ...(material.expiresAt !== undefined && { ValidTo: wireTime(material.expiresAt) }),
  };
}
