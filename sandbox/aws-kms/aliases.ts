import * as z from 'zod/mini';
import { KmsError, limitExceeded, notFound, validationError } from './error.ts';
import { checkState } from './key-state.ts';
import { keySpecs } from './key-spec.ts';
import { wireTime } from './key.ts';
import type { KmsKey } from './key.ts';
import { findKey } from './key-reference.ts';
import { mutation, query } from './operation.ts';
import type { Call, Operations } from './operation.ts';
import { pageOf, pageOfList } from './paging.ts';
import { keyReference, limit, marker, pattern } from './schema.ts';
import { visibleTarget } from './world.ts';
import type { Alias } from './world.ts';

const aliasName = pattern(1, 256, /^[a-zA-Z0-9:/_-]+$/);

/** Aliases: names that can move from key to key. */
export const aliasOperations: Operations = {
  CreateAlias: mutation(z.object({ AliasName: aliasName, TargetKeyId: keyReference }), (input, call) => {
    checkName(input.AliasName);
    const key = findKey(call, input.TargetKeyId);
    checkState(call, key);
    const { cloud, world } = call;
    const arn = world.arn(input.AliasName);
    if (world.aliases.has(input.AliasName)) {
      throw new KmsError('AlreadyExistsException', `An alias with the name ${arn} already exists`);
    }
    checkRoom(call, key);
    const lag = cloud.lag(world);
    cloud.addAlias(world, {
      sequence: cloud.nextSequence(),
      name: input.AliasName,
      arn,
      createdAt: call.now,
      updatedAt: call.now,
      targetKeyId: key.keyId,
      stale: lag > 0 ? { until: call.now + lag, targetKeyId: undefined } : undefined,
    });
    call.touched.add(arn);
    return undefined;
  }),

  UpdateAlias: mutation(z.object({ AliasName: aliasName, TargetKeyId: keyReference }), (input, call) => {
    checkName(input.AliasName);
    const alias = findAlias(call, input.AliasName);
    const key = findKey(call, input.TargetKeyId);
    checkState(call, key);
    const { cloud, world } = call;
    checkSameType(world.keys.get(alias.targetKeyId), key);
    if (alias.targetKeyId !== key.keyId) checkRoom(call, key);
    const lag = cloud.lag(world);
    alias.stale = lag > 0 ? { until: call.now + lag, targetKeyId: visibleTarget(alias, call.now) } : undefined;
    alias.updatedAt = call.now;
    cloud.retargetAlias(world, alias, key.keyId);
    return undefined;
  }),

  DeleteAlias: mutation(z.object({ AliasName: aliasName }), ({ AliasName }, call) => {
    checkName(AliasName);
    const alias = findAlias(call, AliasName);
    const key = call.world.keys.get(alias.targetKeyId);
    // CloudTrail names the key that it led to as well.
    if (key !== undefined) call.touched.add(key.arn);
    call.cloud.removeAlias(call.world, alias);
    return undefined;
  }),

  ListAliases: query(
    z.object({ KeyId: z.optional(keyReference), Limit: limit(100), Marker: marker }),
    (input, call) => {
      if (input.KeyId === undefined) {
        return pageOf(call.world.aliasOrder, 'Aliases', input, 50, (alias) => shown(alias, call));
      }
      const key = findKey(call, input.KeyId);
      const own = [...(call.world.aliasesOfKey.get(key.keyId) ?? [])]
        .toSorted((one, other) => one.sequence - other.sequence)
        .map((alias) => shown(alias, call))
        .filter((alias) => alias?.['TargetKeyId'] === key.keyId)
        .filter((alias) => alias !== undefined);
      return pageOfList(own, 'Aliases', input, 50);
    },
  ),
};

function shown(alias: Alias, call: Call): Record<string, unknown> | undefined {
  const target = visibleTarget(alias, call.now);
  if (target === undefined) return undefined;
  return {
    AliasArn: alias.arn,
    AliasName: alias.name,
    CreationDate: wireTime(alias.createdAt),
    LastUpdatedDate: wireTime(alias.updatedAt),
    TargetKeyId: target,
  };
}

function findAlias(call: Call, name: string): Alias {
  const alias = call.world.aliases.get(name);
  if (!alias) throw notFound(`Alias ${call.world.arn(name)} is not found.`);
  call.touched.add(alias.arn);
  return alias;
}

function checkName(name: string): void {
  if (!name.startsWith('alias/') || name === 'alias/') {
    throw validationError(
      'Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html',
    );
  }
  if (name.startsWith('alias/aws/')) {
    throw new KmsError('NotAuthorizedException', 'Alias name must not start with the reserved prefix alias/aws/');
  }
  if (name.includes(':'))
    throw new KmsError('InvalidAliasNameException', `${name} contains invalid characters for an alias`);
}

function checkRoom(call: Call, key: KmsKey): void {
  const count = call.world.aliasesOfKey.get(key.keyId)?.size ?? 0;
  if (count >= call.cloud.limits.aliasesPerKey) {
    throw limitExceeded(`${key.arn} already has ${count} aliases, the most that a KMS key may have.`);
  }
}

function checkSameType(from: KmsKey | undefined, to: KmsKey): void {
  if (!from) return;
  if (from.keyUsage === to.keyUsage && family(from) === family(to)) return;
  throw validationError(
    'The current and new KMS key must be the same type (both symmetric or both asymmetric or both HMAC), and they must have the same key usage.',
  );
}

function family(key: KmsKey): string {
  const { family: name } = keySpecs[key.keySpec];
  return name === 'rsa' || name === 'ec' ? 'asymmetric' : name;
}
