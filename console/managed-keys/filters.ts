import type { QueryOf } from '../../lib/wire/operations.ts';
import type { FilterField } from '../tables/Filters.tsx';
import { text } from '../text/text.ts';

type Name = keyof QueryOf<'ListManagedKeys'>;

/** What is shown when the address says nothing about the state: the keys that somebody works with. */
export const USUAL_STATES = ['pre_activation', 'active'];
/** In the address: keys in every state. */
export const ANY_STATE = 'any';

const words = text.keys.filters;
const options = (names: Readonly<Record<string, string>>) =>
  Object.entries(names).map(([value, name]) => ({ value, name }));

/** Every filter of the contract, in the order of the panel; the search field has the label. */
export function keyFilters(
  vaults: readonly { readonly id?: string | undefined; readonly name: string }[],
  keystores: readonly { readonly name: string }[],
): readonly FilterField<Name>[] {
  return [
    { kind: 'some', name: 'state', label: words.state, options: options(text.words.states) },
    {
      kind: 'some',
      name: 'status_in_keystores[].keystore_sync_flag',
      label: words.flag,
      options: options(text.words.flags),
    },
    { kind: 'one', name: 'template.alignment_status', label: words.alignment, options: options(text.words.alignment) },
    {
      kind: 'some',
      name: 'vault.id',
      label: words.vault,
      options: vaults.map(({ id, name }) => ({ value: id ?? '', name })),
    },
    {
      kind: 'some',
      name: 'referenced_keystores[].type',
      label: words.keystoreType,
      options: options(text.words.keystoreTypes),
    },
    {
      kind: 'some',
      name: 'referenced_keystores[].name',
      label: words.keystore,
      options: keystores.map(({ name }) => ({ value: name, name })),
    },
    { kind: 'some', name: 'algorithm', label: words.algorithm, options: options(text.words.algorithms) },
    { kind: 'text', name: 'size', label: words.size },
    { kind: 'number', name: 'size', label: words.sizeRange },
    { kind: 'text', name: 'template.name', label: words.template },
    { kind: 'some', name: 'template.type[]', label: words.templateType, options: options(text.words.templateTypes) },
    { kind: 'days', name: 'activation_date', label: words.activation },
    { kind: 'days', name: 'expiration_date', label: words.expiration },
    { kind: 'days', name: 'deactivation_date', label: words.deactivation },
    { kind: 'days', name: 'created_at', label: words.created },
    { kind: 'days', name: 'updated_at', label: words.updated },
    { kind: 'days', name: 'rotated_at', label: words.rotated },
  ];
}

/** Everything of the address that is a filter of the contract, with or without a place in the panel. */
export const KEY_FILTER_NAMES: readonly Name[] = [
  'vault.id',
  'label',
  'state',
  'algorithm',
  'activation_date',
  'activation_date_min',
  'activation_date_max',
  'deactivation_date',
  'deactivation_date_min',
  'deactivation_date_max',
  'expiration_date',
  'expiration_date_min',
  'expiration_date_max',
  'created_at',
  'created_at_min',
  'created_at_max',
  'updated_at',
  'updated_at_min',
  'updated_at_max',
  'rotated_at_min',
  'rotated_at_max',
  'size',
  'size_min',
  'size_max',
  'template.name',
  'template.id',
  'template.type[]',
  'template.alignment_status',
  'status_in_keystores[].keystore_sync_flag',
  'referenced_keystores[].type',
  'referenced_keystores[].name',
  'instances[].keystore.type',
  'managing_systems',
];
