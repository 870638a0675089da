import { presentSchedule } from '../schedule/view.ts';
import type { Vault } from '../vaults/vault.ts';
import type { WireTemplate } from '../wire/templates.ts';
import type { Template } from './template.ts';

/** A template as the contract shows it. `baseUrl` without a trailing slash. */
export function presentTemplate(
  template: Template,
  keysCount: number,
  vault: Pick<Vault, 'name'> | undefined,
  baseUrl: string,
): WireTemplate {
  return {
    vault: {
      id: template.vaultId,
      ...(vault === undefined ? {} : { name: vault.name }),
      href: `${baseUrl}/api/v4/vaults/${template.vaultId}`,
    },
    id: template.id,
    version: template.version,
    name: template.name,
    naming_scheme: template.namingScheme ?? '',
    type: [template.type],
    state: template.state,
    keys_count: keysCount,
    key: {
      size: template.key.size,
      algorithm: template.key.algorithm,
      activation_date: template.key.activationDate,
      expiration_date: template.key.expirationDate,
      state: template.key.state,
      deactivate_on_rotation: template.key.deactivateOnRotation,
      ...(template.key.material === undefined ? {} : { material: template.key.material }),
      ...(template.key.schedule === undefined ? {} : { schedule: presentSchedule(template.key.schedule) }),
    },
    description: template.description,
    created_at: template.createdAt.toISOString(),
    updated_at: template.updatedAt.toISOString(),
    created_by: template.createdBy,
    updated_by: template.updatedBy,
    keystores: template.keystores.map(({ type, group, namingScheme, properties }) => {
      const named = {
        ...(group === undefined ? {} : { group }),
        ...(namingScheme === undefined ? {} : { naming_scheme: namingScheme }),
      };
      // Its properties were parsed as those of this type when it was stored.
      return { type, ...named, ...properties };
    }),
    href: `${baseUrl}/api/v4/templates/${template.id}`,
    managing_systems: ['web'],
    auto_repair: template.autoRepair,
  };
}
