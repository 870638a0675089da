import { Fault } from '../fault.ts';
import type { FaultDetail } from '../fault.ts';
import { KEYSTORE_PROPERTY_FIELDS } from '../wire/templates.ts';
import type {
  WireCreateTemplate,
  WireKeyProperties,
  WireKeystorePropertiesUpdate,
  WireUpdateTemplate,
} from '../wire/templates.ts';
import { scheduleFrom } from '../schedule/view.ts';
import { keystoreTypeOf } from './template.ts';
import type { Template, TemplateKey } from './template.ts';
import type { NewTemplate, TemplateEdit } from './write.ts';

/** A creation request as what is to be made. */
export function newTemplateFrom(body: WireCreateTemplate): NewTemplate {
  return {
    vaultId: body.vault.id,
    name: body.name,
    description: body.description ?? '',
    type: body.type?.[0] ?? 'user_defined',
    state: body.state ?? 'unarchived',
    namingScheme:
      filled(body.naming_scheme) ?? body.keystores.map((entry) => filled(entry.naming_scheme)).find(Boolean),
    key: templateKeyFrom(body.key),
    autoRepair: body.auto_repair,
    keystores: body.keystores.map((entry, position) => {
      const { type, group, naming_scheme: namingScheme, ...properties } = entry;
      if (group === undefined) {
        throw new Fault('invalid_field', {
          message: 'A group is required: the keys live in the keystores that carry it.',
          target: { type: 'field', name: `keystores[${position}].group` },
        });
      }
      return { type, group, namingScheme: filled(namingScheme), properties };
    }),
  };
}

/** The key properties of a request as a template has them. */
export function templateKeyFrom(key: WireKeyProperties): TemplateKey {
  return {
    algorithm: key.algorithm,
    size: key.size,
    activationDate: key.activation_date,
    expirationDate: key.expiration_date,
    state: key.state,
    deactivateOnRotation: key.deactivate_on_rotation ?? false,
    material: key.material,
    schedule: scheduleFrom(key.schedule),
  };
}

/** A change request as what is to be changed. Throws for properties that the template's keystore type does not have. */
export function templateEditFrom(body: WireUpdateTemplate, template: Template): TemplateEdit {
  return {
    name: body.name,
    description: body.description,
    autoRepair: body.auto_repair,
    key:
      body.key === undefined
        ? undefined
        : {
            ...(body.key.size === undefined ? {} : { size: body.key.size }),
            ...(body.key.activation_date === undefined ? {} : { activationDate: body.key.activation_date }),
            ...(body.key.expiration_date === undefined ? {} : { expirationDate: body.key.expiration_date }),
            ...(body.key.state === undefined ? {} : { state: body.key.state }),
            ...(body.key.deactivate_on_rotation === undefined
              ? {}
              : { deactivateOnRotation: body.key.deactivate_on_rotation }),
            ...(body.key.schedule === undefined ? {} : { schedule: scheduleFrom(body.key.schedule) }),
          },
    keystores: body.keystores?.map((entry, position) => keystoreEditFrom(entry, position, template)),
  };
}

function keystoreEditFrom(entry: WireKeystorePropertiesUpdate, position: number, template: Template) {
  const { type, group, ...properties } = entry;
  const own = keystoreTypeOf(template);
  const wrong: FaultDetail[] = [];
  if (type !== undefined && type !== own) {
    wrong.push({
      message: `The template is of keystore type ${own}, and that cannot change.`,
      target: { type: 'field', name: `keystores[${position}].type` },
    });
  }
  const possible: readonly string[] = KEYSTORE_PROPERTY_FIELDS[own];
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || possible.includes(name)) continue;
    wrong.push({
      message: `${name} is no property of keystore type ${own}.`,
      target: { type: 'field', name: `keystores[${position}].${name}` },
    });
  }
  if (wrong.length > 0) throw new Fault('invalid_field', wrong);
  return {
    group,
    properties: Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== undefined)),
  };
}

function filled(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
