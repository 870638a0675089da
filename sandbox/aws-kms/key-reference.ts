import { KmsError, notFound } from './error.ts';
import type { KmsKey } from './key.ts';
import type { Call } from './operation.ts';
import { visibleTarget } from './world.ts';
import type { World } from './world.ts';

export const keyIdForm = /^(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$/;

type Reference = { kind: 'key'; id: string } | { kind: 'alias'; name: string };

/** The key that a caller names by id or ARN. Aliases are refused, as most operations do. */
export function findKey(call: Call, reference: string): KmsKey {
  const named = parse(call.world, reference);
  if (named.kind === 'alias') {
    throw reference.startsWith('arn:')
      ? new KmsError('InvalidArnException', `Invalid keyId '${reference}'`)
      : notFound(`Invalid keyId '${reference}'`);
  }
  return touched(call, byId(call.world, named.id));
}

/** The key that a caller names by id, ARN, alias name or alias ARN. */
export function findKeyOrAlias(call: Call, reference: string): KmsKey {
  const named = parse(call.world, reference);
  if (named.kind === 'key') return touched(call, byId(call.world, named.id));
  const alias = call.world.aliases.get(named.name);
  const target = alias && visibleTarget(alias, call.now);
  if (!alias || target === undefined) throw notFound(`Alias ${call.world.arn(named.name)} is not found.`);
  call.touched.add(alias.arn);
  return touched(call, byId(call.world, target));
}

/** Whether that reference names that key id, for fault rules: never throws. */
export function namesKey(world: World, reference: string, keyId: string): boolean {
  const resource = reference.slice(reference.lastIndexOf(':') + 1).replace(/^key\//, '');
  return resource === keyId || world.aliases.get(resource)?.targetKeyId === keyId;
}

function touched(call: Call, key: KmsKey): KmsKey {
  call.touched.add(key.arn);
  return key;
}

function byId(world: World, id: string): KmsKey {
  const key = world.keys.get(id);
  if (key) return key;
  if (!keyIdForm.test(id)) throw notFound(`Invalid keyId '${id}'`);
  throw notFound(`Key '${world.arn(`key/${id}`)}' does not exist`);
}

function parse(world: World, reference: string): Reference {
  const resource = reference.startsWith('arn:') ? resourceOfArn(world, reference) : reference;
  if (resource.startsWith('alias/')) return { kind: 'alias', name: resource };
  if (resource === reference) return { kind: 'key', id: reference };
  return { kind: 'key', id: resource.slice('key/'.length) };
}

function resourceOfArn(world: World, arn: string): string {
  const [, partition, service, region, account, resource, ...rest] = arn.split(':');
  if (!partition || service !== 'kms' || !region || !account || !resource || rest.length > 0) {
    throw new KmsError('InvalidArnException', `Invalid arn ${arn}`);
  }
  if (!resource.startsWith('key/') && !resource.startsWith('alias/')) {
    throw new KmsError('InvalidArnException', `Invalid arn ${arn}`);
  }
  if (region !== world.region) throw notFound(`Invalid arn ${region}`);
  if (account !== world.accountId) {
    // No key here has a policy that lets another account in.
    throw new KmsError('AccessDeniedException', `User is not authorized to perform this operation on resource: ${arn}`);
  }
  return resource;
}
