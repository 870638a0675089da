import type { TemplateAutoRepairPolicy } from '../auto-repair/policy.ts';
import type { KeyAlgorithm, MaterialKind } from '../keys/key.ts';
import type { KeystoreType } from '../keystores/keystore.ts';
import type { Schedule } from '../schedule/schedule.ts';

export const TEMPLATE_TYPES = ['user_defined', 'shadow', 'system'] as const;
export type TemplateType = (typeof TEMPLATE_TYPES)[number];

export const TEMPLATE_STATES = ['unarchived', 'archived'] as const;
export type TemplateState = (typeof TEMPLATE_STATES)[number];

/** What a key is made from, and what it is held against afterwards. `version` rises with every change. */
export interface Template {
  readonly id: string;
  readonly revision: number;
  readonly version: number;
  readonly vaultId: string;
  readonly name: string;
  readonly description: string;
  readonly type: TemplateType;
  readonly state: TemplateState;
  readonly namingScheme: string | undefined;
  readonly key: TemplateKey;
  /** One keystore type; its keys live in every keystore of the vault of this type that carries one of these groups. */
  readonly keystores: readonly TemplateKeystores[];
  /** Of a template made for one key with keystores chosen by hand: those, in place of groups. */
  readonly keystoreIds: readonly string[] | undefined;
  readonly autoRepair: TemplateAutoRepairPolicy;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly createdBy: string;
  readonly updatedBy: string;
}

export interface TemplateKey {
  readonly algorithm: KeyAlgorithm;
  readonly size: string;
  /** ISO 8601 periods from the key's creation; empty: none. */
  readonly activationDate: string;
  readonly expirationDate: string;
  readonly state: 'active' | 'pre_activation';
  readonly deactivateOnRotation: boolean;
  readonly material: MaterialKind | undefined;
  /** What is done to its keys at their time, without people; undefined: nothing. */
  readonly schedule?: Schedule | undefined;
}

export interface TemplateKeystores {
  readonly type: KeystoreType;
  /** Undefined where the keystores were chosen by hand. */
  readonly group: string | undefined;
  readonly namingScheme: string | undefined;
  /** The type's own properties under their wire names. */
  readonly properties: Readonly<Record<string, unknown>>;
}

/** The type that this template's keys live in. */
export function keystoreTypeOf(template: Pick<Template, 'keystores'>): KeystoreType {
  const [first] = template.keystores;
  if (first === undefined) throw new Error('A template without keystores was stored.');
  return first.type;
}
