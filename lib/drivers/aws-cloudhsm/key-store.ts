import type { ConnectionErrorCodeType, CustomKeyStoresListEntry } from '@aws-sdk/client-kms';

/** Whether the custom key store can serve. */
export function isConnected(store: CustomKeyStoresListEntry): boolean {
  return store.ConnectionState === 'CONNECTED';
}

/** What to do about the errors of a CloudHSM key store. Source: AWS KMS API reference, CustomKeyStoresListEntry. */
const REMEDIES: Partial<Record<ConnectionErrorCodeType, string>> = {
  CLUSTER_NOT_FOUND: 'AWS KMS cannot find its CloudHSM cluster.',
  INSUFFICIENT_CLOUDHSM_HSMS: 'Its CloudHSM cluster has no active HSM; add one, then connect it again.',
  INSUFFICIENT_FREE_ADDRESSES_IN_SUBNET: 'A subnet of its CloudHSM cluster has no free address.',
  INVALID_CREDENTIALS: 'AWS KMS does not have the right password of kmsuser; update it, then connect it again.',
  NETWORK_ERRORS: 'Network errors keep AWS KMS from its CloudHSM cluster.',
  SUBNET_NOT_FOUND: 'A subnet of its CloudHSM cluster was deleted.',
  USER_LOCKED_OUT: 'kmsuser is locked out of its CloudHSM cluster; set its password anew, then connect it again.',
  USER_LOGGED_IN: 'kmsuser is logged in to its CloudHSM cluster; log it out, then connect it again.',
  USER_NOT_FOUND: 'Its CloudHSM cluster has no user kmsuser; create it, then connect it again.',
};

/** The state of the connection to the cluster, as a sentence or two. */
export function describeConnection(store: CustomKeyStoresListEntry): string {
  const state = `The custom key store ${store.CustomKeyStoreId ?? ''} is ${store.ConnectionState ?? 'in an unknown state'}`;
  const code = store.ConnectionErrorCode;
  if (code === undefined)
    return isConnected(store) ? `${state}.` : `${state}; its keys are not lost, they cannot be used now.`;
  return [`${state} (${code}).`, REMEDIES[code]].filter((part) => part !== undefined).join(' ');
}
