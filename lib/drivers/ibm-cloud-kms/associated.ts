import type { AssociatedResource, KeystoreDriver } from '../driver.ts';
import type { IbmCalls, IbmRegistration } from './calls.ts';
import { isFault } from './faults.ts';

/** What IBM Cloud services have registered with the key: each protects data of its own by it. */
export function associatedResourcesWith(calls: IbmCalls): NonNullable<KeystoreDriver['associatedResources']> {
  return async (key, signal) => {
    if (key.binding === undefined) return [];
    try {
      return (await calls.registrationsOf(key.binding.idInKeystore, signal)).map(resourceFrom);
    } catch (error) {
      // A purged key protects nothing.
      if (isFault(error, 'not_found')) return [];
      throw error;
    }
  };
}

/** `crn:v1:bluemix:public:<service>:<location>:<scope>:<service instance>:<resource type>:<resource>`. */
function resourceFrom({ crn, description, preventsKeyDeletion }: IbmRegistration): AssociatedResource {
  const parts = crn.split(':');
  const service = parts[4] ?? '';
  const instance = parts[7] ?? '';
  const name = parts
    .slice(8)
    .filter((part) => part !== '')
    .join(':');
  return {
    name: name !== '' ? name : instance !== '' ? instance : crn,
    kind: 'com_ibm_cloud_kms_registration',
    service,
    serviceInstance: instance,
    uri: crn,
    description,
    preventsKeyDeletion,
  };
}
