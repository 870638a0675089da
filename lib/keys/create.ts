import { convergeAll, decided } from '../drift/converge.ts';
import { success } from '../attempt.ts';
import type { Attempt } from '../attempt.ts';
import type { Deployment } from '../deployment.ts';
import type { KeySpec, KeystoreKind } from '../drivers/driver.ts';
import { KINDS } from '../drivers/kinds.ts';
import { Fault } from '../fault.ts';
import type { Keystore, KeystoreType } from '../keystores/keystore.ts';
import { commit } from '../records/commit.ts';
import type { Change } from '../records/database.ts';
import { creation, STORED } from '../records/entities.ts';
import { readTemplate } from '../records/reading.ts';
import { ITEM } from '../records/table.ts';
import { scheduleFor } from '../schedule/schedule.ts';
import type { Tag } from '../tag.ts';
import type { Template } from '../templates/template.ts';
import { countKeys } from '../templates/counting.ts';
import { keystoreTypeOf } from '../templates/template.ts';
import { countInVault } from '../vaults/counting.ts';
import { assignedKeystores, datesFrom } from './alignment.ts';
import { firstVersion } from './key.ts';
import type { KeyInstance, ManagedKey } from './key.ts';
import { wantedIn } from './lifecycle.ts';
import { renderLabel } from './naming.ts';
import { shadowCreation } from './shadow.ts';
import { dateOf } from './period.ts';

export interface NewKey {
  readonly label: string | undefined;
  readonly description: string;
  readonly labelTags: readonly Tag[];
  readonly tags: readonly Tag[];
}

/** The template of this name in the vault; throws `not_found` naming the field. */
export async function templateNamed(deployment: Deployment, vaultId: string, name: string): Promise<Template> {
  const lock = await deployment.database.get(ITEM.name('TEMPLATE', vaultId, name));
  const template = lock === undefined ? undefined : await readTemplate(deployment.database, String(lock['id']));
  if (template !== undefined) return template;
  throw new Fault('not_found', {
    message: `This vault has no template named “${name}”.`,
    target: { type: 'field', name: 'template_name' },
  });
}

/** What keys made from this template are. Throws `unsupported_by_keystore` where its keystore type cannot hold such keys. */
export function specOf(template: Pick<Template, 'key' | 'keystores'>): { spec: KeySpec; kind: KeystoreKind } {
  const kind = kindOf(keystoreTypeOf(template));
  const spec: KeySpec = {
    algorithm: template.key.algorithm,
    size: template.key.size,
    material: template.key.material ?? kind.materials[0],
    properties: template.keystores[0]?.properties ?? {},
  };
  const refusal = kind.materials.includes(spec.material)
    ? kind.refuses(spec)
    : `Keystores of type ${kind.type} cannot hold ${spec.material} key material; possible: ${kind.materials.join(', ')}.`;
  if (refusal !== undefined) throw new Fault('unsupported_by_keystore', refusal);
  return { spec, kind };
}

/** The rules of a keystore type. Throws `unsupported_by_keystore` with the reason for a type without a driver. */
export function kindOf(type: KeystoreType): KeystoreKind {
  const kind = KINDS[type];
  if ('why' in kind) throw new Fault('unsupported_by_keystore', kind.why);
  return kind;
}

/** Throws when the label or the tags cannot be this key's in keystores of its type. */
export function requireHoldable(kind: KeystoreKind, label: string, tags: readonly Tag[]): void {
  const refusal = kind.refusesLabel(label);
  if (refusal !== undefined) {
    throw new Fault('invalid_field', { message: refusal, target: { type: 'field', name: 'label' } });
  }
  const tagRefusal = kind.refusesTags(tags);
  if (tagRefusal !== undefined) {
    throw new Fault('unsupported_by_keystore', { message: tagRefusal, target: { type: 'field', name: 'tags' } });
  }
}

/** Throws `unsupported_by_keystore`, naming it, when one of these keystores cannot hold what keystores of its type can in general. */
export function requireHeldIn(
  kind: KeystoreKind,
  spec: KeySpec,
  keystores: readonly Pick<Keystore, 'name' | 'settings'>[],
): void {
  for (const { name, settings } of keystores) {
    const refusal = kind.refusesIn?.(spec, settings);
    if (refusal !== undefined) throw new Fault('unsupported_by_keystore', `The keystore “${name}” refuses: ${refusal}`);
  }
}

/** A key made and not yet stored: everything decided, no material made and nothing sent. */
export interface PlannedKey {
  readonly key: ManagedKey;
  readonly instances: readonly KeyInstance[];
}

/** Decides what a new key is. Pure but for the id. Throws the faults of an archived template, a label or a keystore that refuses. */
export function planKey(
  template: Template,
  keystores: readonly Keystore[],
  given: NewKey,
  by: { readonly id: string; readonly subject: string; readonly now: Date },
): PlannedKey {
  if (template.state === 'archived') {
    throw new Fault('template_archived', `The template “${template.name}” is archived: no keys can be made from it.`);
  }
  const { spec, kind } = specOf(template);
  const label = labelOf(template, given, by.now);
  requireHoldable(kind, label, given.tags);
  const assigned = assignedKeystores(template, keystores);
  requireHeldIn(kind, spec, assigned);
  const dates = datesFrom(template, by.now);
  const key: ManagedKey = {
    id: by.id,
    revision: 1,
    vaultId: template.vaultId,
    templateId: template.id,
    templateVersion: template.version,
    keystoreType: kind.type,
    keystoreIds: assigned.map(({ id }) => id),
    version: 1,
    label,
    description: given.description,
    state: template.key.state,
    spec,
    activationDate: dates.activationDate ?? (template.key.state === 'active' ? dateOf(by.now) : undefined),
    expirationDate: dates.expirationDate,
    deactivationDate: undefined,
    deactivateOnRotation: template.key.deactivateOnRotation,
    labelTags: given.labelTags,
    tags: given.tags,
    namingScheme: template.namingScheme,
    createdAt: by.now,
    updatedAt: by.now,
    createdBy: by.subject,
    updatedBy: by.subject,
    rotatedAt: undefined,
    deactivatedAt: undefined,
    destroyedAt: undefined,
    schedule: scheduleFor(template.key.schedule, undefined, by.now),
  };
  return { key, instances: assigned.map(({ id }) => newInstance(key, id, by.now)) };
}

/** A key version in a keystore that it was never in; no work is open on it yet. */
export function newInstance(key: ManagedKey, keystoreId: string, now: Date): KeyInstance {
  return {
    keyId: key.id,
    version: key.version,
    keystoreId,
    vaultId: key.vaultId,
    label: key.label,
    spec: key.spec,
    keyState: key.state,
    current: true,
    wanted: wantedIn(key.state, false),
    outgrown: false,
    rotating: false,
    keyRemoved: false,
    removedByUser: false,
    binding: undefined,
    intendedAt: now,
    createSentAt: undefined,
    rotationSentAt: undefined,
    fence: 0,
    touchedAt: undefined,
    open: undefined,
  };
}

function labelOf(template: Template, given: NewKey, now: Date): string {
  if (template.namingScheme === undefined) {
    if (given.labelTags.length > 0) {
      throw new Fault('invalid_field', {
        message: 'The template has no naming scheme, so there are no placeholders to give values for.',
        target: { type: 'field', name: 'label_tags' },
      });
    }
    if (given.label !== undefined) return given.label;
    throw new Fault('invalid_field', {
      message: 'A label is required: the template has no naming scheme to make one.',
      target: { type: 'field', name: 'label' },
    });
  }
  const made = renderLabel(template.namingScheme, given.labelTags, { createdAt: now, activeAt: now });
  if (given.label !== undefined && given.label !== made) {
    throw new Fault('invalid_field', {
      message: `The template's naming scheme makes the label (“${made}”); leave out label.`,
      target: { type: 'field', name: 'label' },
    });
  }
  return made;
}

/**
 * Makes a key: its record, its material (as ciphertext) and the work in every keystore in one transaction, then the keystores, in
 * parallel. What did not finish by the deadline goes on by itself. Throws `name_taken` for a label that the vault already has.
 */
export async function createKey(
  deployment: Deployment,
  attempt: Attempt,
  template: Template,
  planned: PlannedKey,
  keystoresGeneration: number,
  signal: AbortSignal,
): Promise<void> {
  const { key } = planned;
  const now = key.createdAt;
  // A shadow template is made together with its key.
  const isNewTemplate = template.type === 'shadow' && template.createdAt.getTime() === now.getTime();
  const instances = planned.instances.map((instance) => decided(instance, key, 'create', now));
  const material =
    key.spec.material === 'imported'
      ? await deployment.custody.generate(key.spec, { keyId: key.id, version: 1 })
      : undefined;
  const changes: Change[] = [
    ...attempt.alongside(key.id),
    creation(STORED.managedKey(key)),
    creation(STORED.keyVersion(firstVersion(key, material?.publicKey))),
    ...(material === undefined ? [] : [creation(STORED.material(key.id, 1, material))]),
    ...instances.map((instance) => creation(STORED.keyInstance(instance))),
    labelLock(key),
    ...(isNewTemplate ? shadowCreation(template) : [countKeys(template.id, 1), templateUnchanged(template)]),
    countInVault(template.vaultId, { keys: 1, templates: isNewTemplate ? 1 : 0 }, keystoresGeneration),
  ];
  const after = { label: key.label, state: key.state, template_id: key.templateId, keystores: key.keystoreIds };
  const entry = { vaultId: key.vaultId, type: 'managed_key', id: key.id, at: now, status: 201, after } as const;
  await commit(deployment.database, changes, success(attempt, entry));
  await convergeAll(deployment, key, instances, signal);
}

/** Holds the label for this key; refused when another key of the vault has it. */
export function labelLock(key: Pick<ManagedKey, 'id' | 'vaultId' | 'label'>): Change {
  return creation(
    { ...ITEM.name('KEY', key.vaultId, key.label), id: key.id },
    () =>
      new Fault('name_taken', {
        message: `This vault already has a key labelled “${key.label}”.`,
        target: { type: 'field', name: 'label' },
      }),
  );
}

/** The template must still be the one that was decided by. */
export function templateUnchanged(template: Pick<Template, 'id' | 'revision'>): Change {
  return {
    op: 'check',
    key: ITEM.template(template.id),
    condition: '#revision = :revision',
    names: { '#revision': 'revision' },
    values: { ':revision': template.revision },
    refused: () => new Fault('being_changed', 'The template is being changed at this moment. Repeat the request.'),
  };
}
