import { success } from '../attempt.ts';
import type { Attempt } from '../attempt.ts';
import type { TemplateAutoRepairPolicy } from '../auto-repair/policy.ts';
import type { RecordDeployment } from '../deployment.ts';
import { Fault } from '../fault.ts';
import { changedMeanwhile } from '../records/revision.ts';
import { specOf } from '../keys/create.ts';
import { parseScheme } from '../keys/naming.ts';
import { commit } from '../records/commit.ts';
import type { Change } from '../records/database.ts';
import { creation, replacement, STORED } from '../records/entities.ts';
import { ITEM } from '../records/table.ts';
import { countInVault } from '../vaults/counting.ts';
import type { Template, TemplateKey, TemplateKeystores, TemplateState, TemplateType } from './template.ts';

export interface NewTemplate {
  readonly vaultId: string;
  readonly name: string;
  readonly description: string;
  readonly type: TemplateType;
  readonly state: TemplateState;
  readonly namingScheme: string | undefined;
  readonly key: TemplateKey;
  readonly keystores: readonly TemplateKeystores[];
  readonly autoRepair?: TemplateAutoRepairPolicy | undefined;
}

/** What a template can be changed in; what is left out stays. `keystores` in the order of the template's own. */
export interface TemplateEdit {
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly key?: Partial<Omit<TemplateKey, 'algorithm' | 'material'>> | undefined;
  readonly keystores?:
    | readonly { readonly group?: string | undefined; readonly properties: Readonly<Record<string, unknown>> }[]
    | undefined;
  readonly autoRepair?: TemplateAutoRepairPolicy | undefined;
  readonly state?: TemplateState | undefined;
  readonly type?: TemplateType | undefined;
}

/** Makes a template. Throws `name_taken`, `invalid_field` for its naming scheme, `unsupported_by_keystore` for keys no such keystore holds. */
export async function createTemplate(
  deployment: RecordDeployment,
  attempt: Attempt,
  given: NewTemplate,
): Promise<Template> {
  const now = deployment.clock();
  requireScheme(given.namingScheme, 'naming_scheme');
  for (const [position, { namingScheme }] of given.keystores.entries()) {
    requireScheme(namingScheme, `keystores[${position}].naming_scheme`);
  }
  const template: Template = {
    ...given,
    autoRepair: given.autoRepair ?? 'as_vault',
    keystoreIds: undefined,
    id: deployment.newId(),
    revision: 1,
    version: 1,
    createdAt: now,
    updatedAt: now,
    createdBy: attempt.subject,
    updatedBy: attempt.subject,
  };
  specOf(template);
  const changes: Change[] = [
    ...attempt.alongside(template.id),
    creation(STORED.template(template)),
    creation({ ...ITEM.templateCounters(template.id), keys: 0 }),
    nameLock(template),
    countInVault(template.vaultId, { templates: 1 }, 'unconcerned'),
  ];
  const after = shown(template);
  const entry = { vaultId: given.vaultId, type: 'template', id: template.id, at: now, status: 201, after } as const;
  await commit(deployment.database, changes, success(attempt, entry));
  return template;
}

/** The template after an edit; its version rises with whatever its keys are held against. Pure. Throws where the edit does not fit the template. */
export function edited(
  template: Template,
  edit: TemplateEdit,
  by: { readonly subject: string; readonly now: Date },
): Template {
  const { keystores } = edit;
  if (keystores !== undefined && keystores.length !== template.keystores.length) {
    throw new Fault('invalid_field', {
      message: `keystores must have ${template.keystores.length} entries, one for each that the template has.`,
      target: { type: 'field', name: 'keystores' },
    });
  }
  const next: Template = {
    ...template,
    revision: template.revision + 1,
    // Archived, unarchived, exposed or repaired otherwise, it says of its keys what it said before: none becomes unaligned by that.
    version: template.version + (saysOtherwise(edit) ? 1 : 0),
    autoRepair: edit.autoRepair ?? template.autoRepair,
    name: edit.name ?? template.name,
    description: edit.description ?? template.description,
    state: edit.state ?? template.state,
    type: edit.type ?? template.type,
    key: {
      ...template.key,
      size: edit.key?.size ?? template.key.size,
      activationDate: edit.key?.activationDate ?? template.key.activationDate,
      expirationDate: edit.key?.expirationDate ?? template.key.expirationDate,
      state: edit.key?.state ?? template.key.state,
      deactivateOnRotation: edit.key?.deactivateOnRotation ?? template.key.deactivateOnRotation,
      // There may be none from now on.
      schedule: edit.key !== undefined && 'schedule' in edit.key ? edit.key.schedule : template.key.schedule,
    },
    keystores: template.keystores.map((entry, position) => {
      const change = keystores?.[position];
      if (change === undefined) return entry;
      return {
        ...entry,
        group: change.group ?? entry.group,
        properties: { ...entry.properties, ...change.properties },
      };
    }),
    // A group in place of keystores that were chosen by hand.
    keystoreIds: keystores?.some(({ group }) => group !== undefined) === true ? undefined : template.keystoreIds,
    updatedAt: by.now,
    updatedBy: by.subject,
  };
  specOf(next);
  return next;
}

/** Whether an edit is one that the template's keys are held against. An edit of nothing counts: the contract raises the version with each. */
function saysOtherwise(edit: TemplateEdit): boolean {
  if (edit.state !== undefined || edit.type !== undefined) return false;
  const { autoRepair, ...rest } = edit;
  return autoRepair === undefined || Object.values(rest).some((part) => part !== undefined);
}

/** Stores an edited template. Throws `name_taken`, or `precondition_failed` when it changed meanwhile. */
export async function storeTemplate(
  deployment: RecordDeployment,
  attempt: Attempt,
  before: Template,
  template: Template,
): Promise<void> {
  const changes: Change[] = [
    ...attempt.alongside(template.id),
    replacement(STORED.template(template), before.revision, changedMeanwhile),
    ...(template.name === before.name
      ? []
      : [nameLock(template), { op: 'delete', key: ITEM.name('TEMPLATE', before.vaultId, before.name) } as const]),
  ];
  const entry = {
    vaultId: template.vaultId,
    type: 'template',
    id: template.id,
    at: template.updatedAt,
    status: 200,
    before: shown(before),
    after: shown(template),
  } as const;
  await commit(deployment.database, changes, success(attempt, entry));
}

/** Deletes a template without keys. Throws `in_use` while it has some. */
export async function deleteTemplate(
  deployment: RecordDeployment,
  attempt: Attempt,
  template: Template,
): Promise<void> {
  const now = deployment.clock();
  const changes: Change[] = [
    ...attempt.alongside(template.id),
    {
      op: 'delete',
      key: ITEM.template(template.id),
      condition: '#revision = :revision',
      names: { '#revision': 'revision' },
      values: { ':revision': template.revision },
      refused: changedMeanwhile,
    },
    {
      op: 'delete',
      key: ITEM.templateCounters(template.id),
      condition: '#keys = :none',
      names: { '#keys': 'keys' },
      values: { ':none': 0 },
      refused: () =>
        new Fault('in_use', 'Keys were made from this template and are still in the vault; it cannot be deleted.'),
    },
    { op: 'delete', key: ITEM.name('TEMPLATE', template.vaultId, template.name) },
    countInVault(template.vaultId, { templates: -1 }, 'unconcerned'),
  ];
  const before = shown(template);
  const entry = { vaultId: template.vaultId, type: 'template', id: template.id, at: now, status: 204, before } as const;
  await commit(deployment.database, changes, success(attempt, entry));
}

function requireScheme(scheme: string | undefined, field: string): void {
  if (scheme === undefined) return;
  const parts = parseScheme(scheme);
  if ('wrong' in parts) {
    throw new Fault('invalid_field', {
      message: `The naming scheme ${parts.wrong}.`,
      target: { type: 'field', name: field },
    });
  }
}

/** Holds the template's name in its vault. */
export function nameLock(template: Pick<Template, 'id' | 'vaultId' | 'name'>): Change {
  return creation(
    { ...ITEM.name('TEMPLATE', template.vaultId, template.name), id: template.id },
    () =>
      new Fault('name_taken', {
        message: `This vault already has a template named “${template.name}”.`,
        target: { type: 'field', name: 'name' },
      }),
  );
}

/** What the audit trail shows of a template. */
export function shown(template: Template): Record<string, unknown> {
  return {
    name: template.name,
    version: template.version,
    description: template.description,
    state: template.state,
    type: template.type,
    naming_scheme: template.namingScheme,
    key: template.key,
    keystores: template.keystores,
    keystore_ids: template.keystoreIds,
    auto_repair: template.autoRepair,
  };
}
