import pMap from 'p-map';
import type { Deployment } from '../deployment.ts';
import { driverOf, keyInKeystore } from '../drift/look.ts';
import type { AssociatedResource } from '../drivers/driver.ts';
import { kindOfType } from '../drivers/kinds.ts';
import { Fault } from '../fault.ts';
import type { Keystore } from '../keystores/keystore.ts';
import { pageFrom } from '../list.ts';
import type { ListCall } from '../list.ts';
import type { Vault } from '../vaults/vault.ts';
import type { WireAssociatedResource, WireAssociatedResourceList } from '../wire/keys.ts';
import type { QueryOf } from '../wire/operations.ts';
import type { KeyInstance } from './key.ts';
import { nameBasedId } from './view.ts';

/** A resource in a provider's cloud that a copy of a managed key protects. */
export interface Association {
  readonly instance: KeyInstance;
  readonly keystore: Keystore;
  readonly resource: AssociatedResource;
}

const ASKED_AT_ONCE = 16;

/**
 * Asks the keystores of these instances what their copies protect. Versions that share one key of a keystore are asked for once; keystores
 * whose type knows nothing of the kind are not asked. Throws a `KeystoreFault` when one could not be asked: a part is not the whole.
 */
export async function associationsOf(
  deployment: Deployment,
  instances: readonly KeyInstance[],
  keystores: ReadonlyMap<string, Keystore>,
  signal: AbortSignal,
): Promise<Association[]> {
  const found = await pMap(
    copiesOf(instances),
    async (instance): Promise<Association[]> => {
      const keystore = keystores.get(instance.keystoreId);
      if (keystore === undefined || kindOfType(keystore.type)?.tellsAssociatedResources !== true) return [];
      const driver = await driverOf(deployment, keystore.id);
      const resources = await driver.associatedResources?.(keyInKeystore(instance, undefined), signal);
      return (resources ?? []).map((resource) => ({ instance, keystore, resource }));
    },
    { concurrency: ASKED_AT_ONCE },
  );
  return found.flat();
}

/** One instance for each key that there is in a keystore: the newest of those that share it. */
function copiesOf(instances: readonly KeyInstance[]): KeyInstance[] {
  const copies = new Map<string, KeyInstance>();
  for (const instance of instances) {
    if (instance.binding === undefined) continue;
    const name = `${instance.keystoreId} ${instance.binding.idInKeystore}`;
    const known = copies.get(name);
    if (known === undefined || known.version < instance.version) copies.set(name, instance);
  }
  return [...copies.values()];
}

const NAMED_AT_MOST = 10;

/**
 * Throws `in_use`, naming them, when resources of the provider forbid the deletion of one of these copies; a `KeystoreFault` when that could
 * not be asked, because what is destroyed cannot be brought back.
 */
export async function requireDeletable(
  deployment: Deployment,
  instances: readonly KeyInstance[],
  keystores: ReadonlyMap<string, Keystore>,
  signal: AbortSignal,
): Promise<void> {
  const forbidding = (await associationsOf(deployment, instances, keystores, signal)).filter(
    ({ resource }) => resource.preventsKeyDeletion,
  );
  if (forbidding.length === 0) return;
  const named = forbidding
    .slice(0, NAMED_AT_MOST)
    .map(({ resource, keystore }) => `${resource.service} ${resource.name} (keystore “${keystore.name}”)`);
  const more = forbidding.length > NAMED_AT_MOST ? ` and ${forbidding.length - NAMED_AT_MOST} more` : '';
  throw new Fault(
    'in_use',
    `The key cannot be destroyed: it protects resources with a retention policy that forbids it: ${named.join(', ')}${more}. ` +
      'Remove the retention policy of each, or keep the key deactivated.',
  );
}

/** A page of associations, as the contract shows them. */
export function listAssociations(
  associations: readonly Association[],
  vault: Pick<Vault, 'id' | 'name'> | undefined,
  call: ListCall<QueryOf<'ListAssociatedResourcesForManagedKey'>>,
): WireAssociatedResourceList {
  const shown = associations.map((association) => presentAssociation(association, vault, call.baseUrl));
  const values = {
    name: ({ name }: WireAssociatedResource) => name,
    type: ({ type }: WireAssociatedResource) => type,
    id: ({ id }: WireAssociatedResource) => id,
  };
  const { page, items } = pageFrom(shown, call, values, ({ id }) => id, ['name']);
  return { ...page, associated_resources: items };
}

function presentAssociation(
  { instance, keystore, resource }: Association,
  vault: Pick<Vault, 'id' | 'name'> | undefined,
  baseUrl: string,
): WireAssociatedResource {
  const keyIdInKeystore = instance.binding?.idInKeystore ?? '';
  return {
    id: nameBasedId(`${keystore.id} ${keyIdInKeystore} ${resource.uri}`),
    vault: {
      id: keystore.vaultId,
      ...(vault === undefined ? {} : { name: vault.name }),
      href: `${baseUrl}/api/v4/vaults/${keystore.vaultId}`,
    },
    // Of a key that was removed only this copy is left.
    ...(instance.keyRemoved
      ? {}
      : {
          managed_key: {
            id: instance.keyId,
            label: instance.label,
            href: `${baseUrl}/api/v4/managed_keys/${instance.keyId}`,
          },
        }),
    referenced_keystore: {
      id: keystore.id,
      name: keystore.name,
      type: keystore.type,
      href: `${baseUrl}/api/v4/keystores/${keystore.id}`,
    },
    key_id_in_keystore: keyIdInKeystore,
    name: resource.name,
    type: resource.kind,
    [resource.kind]: {
      prevents_key_deletion: resource.preventsKeyDeletion,
      service_name: resource.service,
      service_instance_name: resource.serviceInstance,
      crn: resource.uri,
      description: resource.description,
    },
  };
}
