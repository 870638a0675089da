import * as z from 'zod/mini';
import { checkState, stateOf } from './key-state.ts';
import { wireTime } from './key.ts';
import { findKey } from './key-reference.ts';
import { mutation } from './operation.ts';
import type { Operations } from './operation.ts';
import { integer, keyReference } from './schema.ts';

const day = 86_400_000;

/** Deletion waits, and can be taken back while it waits. */
export const deletionOperations: Operations = {
  ScheduleKeyDeletion: mutation(
    z.object({ KeyId: keyReference, PendingWindowInDays: z.optional(integer(7, 30)) }),
    (input, call) => {
      const key = findKey(call, input.KeyId);
      checkState(call, key);
      const days = input.PendingWindowInDays ?? 30;
      key.deletionAt = call.now + days * day;
      // A key comes back from pending deletion disabled, whatever it was before.
      key.enabled = false;
      call.cloud.saveKey(call.world, key);
      call.cloud.scheduleKey(call.world, key);
      return {
        KeyId: key.arn,
        DeletionDate: wireTime(key.deletionAt),
        KeyState: stateOf(call, key),
        PendingWindowInDays: days,
      };
    },
  ),

  CancelKeyDeletion: mutation(z.object({ KeyId: keyReference }), ({ KeyId }, call) => {
    const key = findKey(call, KeyId);
    checkState(call, key);
    key.deletionAt = undefined;
    call.cloud.saveKey(call.world, key);
    return { KeyId: key.arn };
  }),
};
