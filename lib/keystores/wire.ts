import { Fault } from '../fault.ts';
import type { FaultDetail } from '../fault.ts';
import { KEYSTORE_FIELDS, SECRET_PLACEHOLDER } from '../wire/keystores.ts';
import type { WireCreateKeystore, WireUpdateKeystore } from '../wire/keystores.ts';
import { isInternal } from './internal.ts';
import type { Keystore, KeystoreType } from './keystore.ts';
import type { KeystoreEdit, NewKeystore } from './write.ts';

interface OwnFields {
  readonly settings: Record<string, string | number | boolean>;
  readonly secrets: Record<string, string>;
}

function ownFields(type: KeystoreType, body: Readonly<Record<string, unknown>>): OwnFields {
  const fields: { readonly settings: readonly string[]; readonly secrets: readonly string[] } = KEYSTORE_FIELDS[type];
  const own: OwnFields = { settings: {}, secrets: {} };
  for (const name of fields.settings) {
    const value = body[name];
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      own.settings[name] = value;
  }
  for (const name of fields.secrets) {
    const value = body[name];
    if (typeof value === 'string' && value !== SECRET_PLACEHOLDER) own.secrets[name] = value;
  }
  return own;
}

/** A creation request as what is to be connected. An empty access key or role means the same as none. */
export function newKeystoreFrom(body: WireCreateKeystore): NewKeystore {
  const { settings, secrets } = ownFields(body.type, body);
  for (const name of ['aws_access_key_id', 'aws_role_arn'])
    if (settings[name] === '') Reflect.deleteProperty(settings, name);
  return {
    vaultId: body.vault.id,
    type: body.type,
    name: body.name ?? ('azure_service_name' in body ? body.azure_service_name : ''),
    description: body.description ?? '',
    groups: [...new Set(body.groups)],
    tlsProxy: body.tls_proxy === '' ? undefined : body.tls_proxy,
    settings,
    secrets: Object.fromEntries(Object.entries(secrets).filter(([, value]) => value !== '')),
  };
}

/** A change request as what is to be changed. Throws for every field that this keystore's type does not have. */
export function keystoreEditFrom(body: WireUpdateKeystore, keystore: Keystore): KeystoreEdit {
  const fields = KEYSTORE_FIELDS[keystore.type];
  const own = isInternal(keystore) ? [] : [...fields.settings, ...fields.secrets];
  const known = new Set<string>(['name', 'description', 'tls_proxy', 'groups', ...own]);
  const wrong: FaultDetail[] = Object.entries(body)
    .filter(([name, value]) => value !== undefined && !known.has(name))
    .map(([name]) => ({
      message: `${name} is no field of a keystore of type ${keystore.type}.`,
      target: { type: 'field', name },
    }));
  if (wrong.length > 0) throw new Fault('invalid_field', wrong);
  const { settings, secrets } = ownFields(keystore.type, body);
  return {
    name: body.name,
    description: body.description,
    groups: body.groups === undefined ? undefined : [...new Set(body.groups)],
    tlsProxy: body.tls_proxy,
    settings,
    secrets,
  };
}
