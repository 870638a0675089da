import type { Capability } from '../drivers/driver.ts';
import { KINDS } from '../drivers/kinds.ts';
import type { WireKeyCapability, WireKeystoreType } from '../wire/keystore-types.ts';
import type { KeystoreType } from './keystore.ts';
import { KEYSTORE_TYPES } from './keystore.ts';

/** What keystores of each type can hold, by the very tables that refusals are made by. */
export function presentKeystoreTypes(): WireKeystoreType[] {
  return KEYSTORE_TYPES.map(presentKeystoreType);
}

/** The same of one type. */
export function presentKeystoreType(type: KeystoreType): WireKeystoreType {
  const kind = KINDS[type];
  if ('why' in kind) {
    return {
      type,
      connectable: false,
      reason: kind.why,
      tls_proxy: false,
      key_can_be_renamed: false,
      capabilities: [],
    };
  }
  return {
    type,
    connectable: true,
    pending_deletion_days: kind.pendingDeletionDays,
    tls_proxy: kind.viaTlsProxy,
    key_can_be_renamed: kind.refusesRename === undefined,
    capabilities: kind.capabilities.map(presentCapability),
  };
}

function presentCapability(of: Capability): WireKeyCapability {
  return {
    algorithm: of.algorithm,
    size: of.size,
    protection_levels: [...of.protections],
    materials: [...of.materials],
    operations: [...of.operations],
    provider_name: of.providerName,
    properties: lists(of.properties),
    settings: lists(of.settings),
    new_version: of.newVersion,
  };
}

function lists(of: Readonly<Record<string, readonly string[]>>): Record<string, string[]> {
  return Object.fromEntries(Object.entries(of).map(([name, values]) => [name, [...values]]));
}
