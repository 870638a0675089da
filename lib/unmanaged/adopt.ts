import { success } from '../attempt.ts';
import type { Attempt } from '../attempt.ts';
import type { Deployment } from '../deployment.ts';
import type { FoundKey } from '../drivers/driver.ts';
import { convergeAll, decided } from '../drift/converge.ts';
import { keyInKeystore } from '../drift/look.ts';
import { isOurs } from '../drift/identity.ts';
import { Fault } from '../fault.ts';
import { kindOf, labelLock, newInstance, requireHoldable } from '../keys/create.ts';
import { firstVersion } from '../keys/key.ts';
import type { KeyInstance, ManagedKey } from '../keys/key.ts';
import { dateOf } from '../keys/period.ts';
import { shadowCreation, shadowTemplate } from '../keys/shadow.ts';
import type { Keystore } from '../keystores/keystore.ts';
import { commit } from '../records/commit.ts';
import type { Change } from '../records/database.ts';
import { creation, STORED } from '../records/entities.ts';
import { readKey } from '../records/reading.ts';
import { ITEM } from '../records/table.ts';
import type { Tag } from '../tag.ts';
import type { Template } from '../templates/template.ts';
import { countInVault } from '../vaults/counting.ts';
import { adoptedState, couldBeOurs, isUnmanaged, labelFor, whyNotAdoptable } from './judge.ts';
import { keyOf, knownIn } from './known.ts';
import { judging } from './list.ts';

export interface AdoptionRequest {
  readonly keyIdInKeystore: string;
  /** Left out: the first of its names in the keystore that is a label. */
  readonly label: string | undefined;
  /** Left out: the description that it has in the keystore. */
  readonly description: string | undefined;
  /** Put there beside the tags that it has, which stay. */
  readonly tags: readonly Tag[];
}

/** A key that is to be managed from now on, as it is; decided, and nothing sent. */
export interface Adoption {
  readonly key: ManagedKey;
  readonly template: Template;
  readonly instance: KeyInstance;
  /** The change that makes sure that it is adopted once, whoever tries. */
  readonly lock: Change;
}

/**
 * Looks at a key that no managed key owns and decides what adopting it makes: a managed key with native material, in this keystore only,
 * with a shadow template of its own, in the state that the key has there. Changes nothing. Throws `not_found` for a key that is not there,
 * `state_conflict` for one that is managed or that its state keeps from being adopted, `unsupported_by_keystore` for one that never can be.
 */
export async function planAdoption(
  deployment: Deployment,
  keystore: Keystore,
  request: AdoptionRequest,
  by: { readonly id: string; readonly templateId: string; readonly subject: string; readonly now: Date },
  signal: AbortSignal,
): Promise<Adoption> {
  const kind = kindOf(keystore.type);
  const known = await knownIn(deployment.database, kind, keystore.id);
  if (known.has(request.keyIdInKeystore)) throw managedAlready();
  const driver = await deployment.driverFor(keystore);
  if (driver.examine === undefined) {
    throw new Fault('unsupported_by_keystore', kind.refusesAdoption ?? 'Keys in such a keystore cannot be adopted.');
  }
  const found = await driver.examine(request.keyIdInKeystore, signal);
  if (found === undefined) throw noSuchKey();
  const judged = judging(deployment, keystore, known);
  if (found.owner === 'provider') {
    throw new Fault('unsupported_by_keystore', 'The provider made this key for itself, and nobody else can manage it.');
  }
  if (found.owner === 'nobody' && couldBeOurs(found.createdAt, judged)) {
    throw new Fault('state_conflict', {
      message:
        'The key was made so lately that it may be one of Shearline’s own whose marks do not show yet. Try again shortly.',
      target: { type: 'field', name: 'key_id_in_keystore' },
    });
  }
  if (known.has(found.binding.idInKeystore) || !isUnmanaged(found, judged)) throw managedAlready();
  const state = adoptedState(found.state);
  const refusal = whyNotAdoptable(found, judged);
  if (refusal !== undefined || state === undefined || found.spec === undefined) {
    const code = found.obstacle === undefined && state === undefined ? 'state_conflict' : 'unsupported_by_keystore';
    throw new Fault(code, `The key cannot be adopted. ${refusal ?? ''}`.trim());
  }
  const label = labelOf(request.label, found, keystore);
  requireHoldable(kind, label, request.tags);
  const { spec, binding } = found;
  const template = shadowTemplate(
    keystore.vaultId,
    {
      algorithm: spec.algorithm,
      size: spec.size,
      activationDate: '',
      expirationDate: '',
      state: 'active',
      deactivateOnRotation: false,
      material: 'native',
      schedule: undefined,
    },
    [keystore],
    spec.properties,
    { ...by, id: by.templateId },
  );
  const key: ManagedKey = {
    id: by.id,
    revision: 1,
    vaultId: keystore.vaultId,
    templateId: template.id,
    templateVersion: template.version,
    keystoreType: keystore.type,
    keystoreIds: [keystore.id],
    version: 1,
    label,
    description: request.description ?? found.description,
    state,
    spec,
    activationDate: dateOf(found.createdAt ?? by.now),
    expirationDate: undefined,
    deactivationDate: state === 'deactivated' ? dateOf(by.now) : undefined,
    deactivateOnRotation: false,
    labelTags: [],
    tags: request.tags,
    namingScheme: undefined,
    createdAt: by.now,
    updatedAt: by.now,
    createdBy: by.subject,
    updatedBy: by.subject,
    rotatedAt: undefined,
    deactivatedAt: state === 'deactivated' ? by.now : undefined,
    destroyedAt: undefined,
    schedule: undefined,
  };
  const instance: KeyInstance = { ...newInstance(key, keystore.id, by.now), binding };
  const seen = await driver.observe(keyInKeystore(instance, key), signal);
  if (seen.presence === 'absent') throw noSuchKey();
  if (seen.name === 'leads_elsewhere') {
    throw new Fault('state_conflict', {
      message:
        `The label “${label}” cannot be used: in the keystore, that name leads to another key. ${seen.remark ?? ''}`.trim(),
      target: { type: 'field', name: 'label' },
    });
  }
  // As it is used, it may be seen not to be usable; and it may have changed since the look before.
  if (seen.state !== found.state || !isOurs(instance, seen)) {
    throw new Fault(
      'state_conflict',
      `The key cannot be adopted. ${seen.remark ?? 'It is being changed in the keystore at this moment.'}`,
    );
  }
  return { key, template, instance, lock: await adoptionLock(deployment, keyOf(kind, binding.idInKeystore), key.id) };
}

/**
 * Makes a managed key of it: its records in one transaction, then its name and its marks in the keystore. Its material and its state are not
 * touched, whatever becomes of them meanwhile. Throws `name_taken` for a label that the vault has, `state_conflict` when somebody else was
 * faster.
 */
export async function adopt(
  deployment: Deployment,
  attempt: Attempt,
  adoption: Adoption,
  keystoresGeneration: number,
  signal: AbortSignal,
): Promise<void> {
  const { key, template, lock } = adoption;
  const now = key.createdAt;
  const instance = decided(adoption.instance, key, 'adopt', now, { details: true });
  const changes: Change[] = [
    ...attempt.alongside(key.id),
    lock,
    creation(STORED.managedKey(key)),
    creation(STORED.keyVersion(firstVersion(key, undefined))),
    creation(STORED.keyInstance(instance)),
    labelLock(key),
    ...shadowCreation(template),
    countInVault(key.vaultId, { keys: 1, templates: 1 }, keystoresGeneration),
  ];
  const after = {
    label: key.label,
    state: key.state,
    template_id: key.templateId,
    keystores: key.keystoreIds,
    key_id_in_keystore: instance.binding?.idInKeystore,
  };
  const entry = { vaultId: key.vaultId, type: 'managed_key', id: key.id, at: now, status: 201, after } as const;
  await commit(deployment.database, changes, success(attempt, entry));
  await convergeAll(deployment, key, [instance], signal);
}

function labelOf(wanted: string | undefined, found: FoundKey, keystore: Keystore): string {
  const kind = kindOf(keystore.type);
  const label = wanted ?? labelFor(found, kind);
  if (label === undefined) {
    throw new Fault('invalid_field', {
      message:
        kind.refusesRename === undefined
          ? 'A label is required: the key has no name in the keystore that is one.'
          : `The key cannot be adopted under its name in the keystore. ${kind.refusesRename}`,
      target: { type: 'field', name: 'label' },
    });
  }
  if (kind.refusesRename !== undefined && !found.names.includes(label)) {
    throw new Fault('unsupported_by_keystore', {
      message: `The label must be the name that the key has in the keystore: ${found.names.join(', ')}. ${kind.refusesRename}`,
      target: { type: 'field', name: 'label' },
    });
  }
  return label;
}

/** Held by the managed key for as long as that, or anything of it, is there; a lock that outlived its key is taken over. */
async function adoptionLock(deployment: Deployment, adoptedKey: string, keyId: string): Promise<Change> {
  const place = ITEM.adopted(adoptedKey);
  const item = { ...place, id: keyId };
  const held = await deployment.database.get(place);
  if (held === undefined) {
    return creation(item, managedAlready);
  }
  const holder = String(held['id']);
  const { key, instances } = await readKey(deployment.database, holder);
  if (key !== undefined || instances.length > 0) throw managedAlready();
  return {
    op: 'put',
    item,
    condition: '#id = :holder',
    names: { '#id': 'id' },
    values: { ':holder': holder },
    refused: managedAlready,
  };
}

function managedAlready(): Fault {
  return new Fault('state_conflict', {
    message: 'A managed key owns this key already, of this deployment or of another that marked it.',
    target: { type: 'field', name: 'key_id_in_keystore' },
  });
}

function noSuchKey(): Fault {
  return new Fault('not_found', {
    message: 'The keystore has no such key.',
    target: { type: 'field', name: 'key_id_in_keystore' },
  });
}
