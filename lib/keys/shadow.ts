import { Fault } from '../fault.ts';
import type { FaultDetail } from '../fault.ts';
import type { Keystore } from '../keystores/keystore.ts';
import type { Change } from '../records/database.ts';
import { creation, replacement, STORED } from '../records/entities.ts';
import { changedMeanwhile } from '../records/revision.ts';
import { ITEM } from '../records/table.ts';
import { countKeys } from '../templates/counting.ts';
import { keystoreTypeOf } from '../templates/template.ts';
import type { Template, TemplateKey } from '../templates/template.ts';
import { nameLock } from '../templates/write.ts';

interface By {
  readonly id: string;
  readonly subject: string;
  readonly now: Date;
}

/**
 * The keystores with these ids, all of one type. Throws `invalid_field` naming every one that the vault does not have or that is of another
 * type. `field` is where they were given.
 */
export function chosenKeystores(ids: readonly string[], keystores: readonly Keystore[], field: string): Keystore[] {
  const chosen = ids.map((id) => keystores.find((keystore) => keystore.id === id));
  const type = chosen.find((keystore) => keystore !== undefined)?.type;
  const wrong = chosen.flatMap((keystore, position): FaultDetail[] => {
    const target = { type: 'field', name: `${field}[${position}].id` } as const;
    if (keystore === undefined)
      return [{ message: `The vault has no keystore with the id ${ids[position] ?? ''}.`, target }];
    if (keystore.type === type) return [];
    return [
      {
        message: `A key lives in keystores of one type; this one is ${keystore.type}, the first is ${type ?? ''}.`,
        target,
      },
    ];
  });
  if (wrong.length > 0) throw new Fault('invalid_field', wrong);
  return chosen.filter((keystore) => keystore !== undefined);
}

/** The shadow template of a key with properties and keystores of its own. Its name derives from its id, so it is never taken. */
export function shadowTemplate(
  vaultId: string,
  key: TemplateKey,
  keystores: readonly [Keystore, ...Keystore[]],
  properties: Readonly<Record<string, unknown>>,
  by: By,
): Template {
  return {
    id: by.id,
    revision: 1,
    version: 1,
    vaultId,
    name: `shadow-${by.id.replaceAll('-', '').slice(0, 20)}`,
    description: '',
    type: 'shadow',
    state: 'unarchived',
    namingScheme: undefined,
    key,
    keystores: [{ type: keystores[0].type, group: undefined, namingScheme: undefined, properties }],
    keystoreIds: keystores.map(({ id }) => id).sort(),
    autoRepair: 'as_vault',
    createdAt: by.now,
    updatedAt: by.now,
    createdBy: by.subject,
    updatedBy: by.subject,
  };
}

/**
 * The template that a key has once its keystores are chosen by hand: its own shadow template changed, or a new one made from the template it
 * had. Pure.
 */
export function templateWithKeystores(template: Template, keystores: readonly Keystore[], by: By): Template {
  const keystoreIds = keystores.map(({ id }) => id).sort();
  const wrong = keystores.findIndex(({ type }) => type !== keystoreTypeOf(template));
  if (wrong !== -1) {
    throw new Fault('invalid_field', {
      message: `This key lives in keystores of type ${keystoreTypeOf(template)}, and that is fixed at its creation.`,
      target: { type: 'field', name: `referenced_keystores[${wrong}].id` },
    });
  }
  const changed = { keystoreIds, updatedAt: by.now, updatedBy: by.subject };
  if (template.type === 'shadow') {
    return { ...template, ...changed, revision: template.revision + 1, version: template.version + 1 };
  }
  return {
    ...template,
    ...changed,
    id: by.id,
    revision: 1,
    version: 1,
    name: `shadow-${by.id.replaceAll('-', '').slice(0, 20)}`,
    description: '',
    type: 'shadow',
    state: 'unarchived',
    keystores: template.keystores.slice(0, 1).map((entry) => ({ ...entry, group: undefined })),
    createdAt: by.now,
    createdBy: by.subject,
  };
}

/** The records of a new shadow template with its one key. The vault counts it apart (`countInVault`). */
export function shadowCreation(template: Template): Change[] {
  return [
    creation(STORED.template(template)),
    creation({ ...ITEM.templateCounters(template.id), keys: 1 }),
    nameLock(template),
  ];
}

/** What giving a key another template, or its shadow another version, changes besides the key. The vault counts apart. */
export function templateChange(before: Template, after: Template): Change[] {
  if (before.id === after.id) return [replacement(STORED.template(after), before.revision, changedMeanwhile)];
  return [...shadowCreation(after), countKeys(before.id, -1)];
}

/** A shadow template goes with its only key. */
export function shadowRemoval(template: Template): Change[] {
  return [
    {
      op: 'delete',
      key: ITEM.template(template.id),
      condition: '#revision = :revision',
      names: { '#revision': 'revision' },
      values: { ':revision': template.revision },
      refused: changedMeanwhile,
    },
    { op: 'delete', key: ITEM.templateCounters(template.id) },
    { op: 'delete', key: ITEM.name('TEMPLATE', template.vaultId, template.name) },
  ];
}
