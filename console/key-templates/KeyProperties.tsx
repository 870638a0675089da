import { Checkbox, Select, SelectItem, TextInput } from '@carbon/react';
import type { WireKeyCapability, WireKeystoreType } from '../../lib/wire/keystore-types.ts';
import type { WireKeyProperties, WireKeystoreProperties } from '../../lib/wire/templates.ts';
import { messageFor } from '../api/client.ts';
import { periodText } from '../text/period.ts';
import { text } from '../text/text.ts';

const words = text.properties;
const hints = text.templates;

/** What keys of a template are: the contract's key properties, and those of the keystore type. */
export interface Properties {
  readonly key: WireKeyProperties;
  readonly ofType: Readonly<Record<string, string>>;
}

/** What a template's entry says beside its type, its group and its naming scheme. */
export function typeProperties(entry: WireKeystoreProperties): readonly (readonly [name: string, value: unknown])[] {
  return Object.entries(entry).filter(([name]) => !['type', 'group', 'naming_scheme'].includes(name));
}

/** The first sort of key that a keystore type can hold. */
export function firstProperties(type: WireKeystoreType | undefined): Properties {
  const capability =
    type?.capabilities.find(({ algorithm, size }) => algorithm === 'aes' && size === '256') ?? type?.capabilities[0];
  return {
    key: {
      algorithm: capability?.algorithm ?? 'aes',
      size: capability?.size ?? '256',
      activation_date: '',
      expiration_date: 'P1Y',
      state: 'active',
      deactivate_on_rotation: false,
    },
    ofType: {},
  };
}

const unique = <Value,>(values: readonly Value[]) => [...new Set(values)];

/** Algorithm, length, material, dates and properties of the keystore type: only what the type can hold is offered. */
export function KeyPropertiesForm(props: {
  readonly type: WireKeystoreType | undefined;
  readonly value: Properties;
  readonly change: (value: Properties) => void;
  readonly error: unknown;
  /** An existing template: algorithm and material are fixed. */
  readonly fixed?: boolean;
  /** Properties of the keystore type are only for templates. */
  readonly withTypeProperties: boolean;
}) {
  const { type, value, change, error } = props;
  const { key, ofType } = value;
  const capabilities = type?.capabilities ?? [];
  const ofAlgorithm = capabilities.filter(({ algorithm }) => algorithm === key.algorithm);
  const ofSize = ofAlgorithm.filter(({ size }) => size === key.size);
  const fitting = ofSize.filter((row) => fits(row, ofType));
  const set = (patch: Partial<WireKeyProperties>) => change({ ...value, key: { ...key, ...patch } });
  const wrong = (field: string) => {
    const message = messageFor(error, `key.${field}`);
    return { invalid: message !== undefined, invalidText: message ?? '' };
  };
  const names = props.withTypeProperties ? unique(ofSize.flatMap(({ properties }) => Object.keys(properties))) : [];
  const materials = unique(fitting.flatMap((row) => row.materials));
  const period = (field: 'activation_date' | 'expiration_date', label: string, none: string) => (
    <TextInput
      id={`properties-${field}`}
      labelText={label}
      placeholder={hints.periodExample}
      value={key[field]}
      helperText={key[field] === '' ? none : (periodText(key[field]) ?? hints.periodHint)}
      {...wrong(field)}
      onChange={(event) => set({ [field]: event.target.value.toUpperCase() })}
    />
  );
  return (
    <>
      <Select
        id="properties-algorithm"
        labelText={words['algorithm']}
        value={key.algorithm}
        disabled={props.fixed === true}
        {...wrong('algorithm')}
        onChange={(event) => {
          const algorithm = event.target.value as WireKeyProperties['algorithm'];
          const size = capabilities.find((row) => row.algorithm === algorithm)?.size ?? key.size;
          change({ key: { ...key, algorithm, size, material: undefined }, ofType: {} });
        }}
      >
        {unique(capabilities.map(({ algorithm }) => algorithm)).map((algorithm) => (
          <SelectItem key={algorithm} value={algorithm} text={text.words.algorithms[algorithm]} />
        ))}
      </Select>
      <Select
        id="properties-size"
        labelText={words['size']}
        value={key.size}
        {...wrong('size')}
        helperText={fitting[0]?.provider_name === undefined ? undefined : hints.calledThere(fitting[0].provider_name)}
        onChange={(event) => set({ size: event.target.value })}
      >
        {unique(ofAlgorithm.map(({ size }) => size)).map((size) => (
          <SelectItem key={size} value={size} text={size} />
        ))}
      </Select>
      {names.map((name) => (
        <Select
          key={name}
          id={`properties-${name}`}
          labelText={text.typeProperties[name] ?? name}
          value={ofType[name] ?? ''}
          onChange={(event) => {
            const others = Object.entries(ofType).filter(([other]) => other !== name);
            const chosen: readonly [string, string][] = event.target.value === '' ? [] : [[name, event.target.value]];
            change({ ...value, ofType: Object.fromEntries([...others, ...chosen]) });
          }}
        >
          <SelectItem value="" text={hints.asUsual} />
          {unique(ofSize.flatMap(({ properties }) => properties[name] ?? [])).map((each) => (
            <SelectItem key={each} value={each} text={each.replaceAll('_', ' ')} />
          ))}
        </Select>
      ))}
      {fitting.length === 0 && capabilities.length > 0 ? <p className="form__wrong">{hints.nothingFits}</p> : undefined}
      <Select
        id="properties-material"
        labelText={words['material']}
        value={key.material ?? ''}
        disabled={props.fixed === true}
        {...wrong('material')}
        onChange={(event) =>
          set({ material: event.target.value === '' ? undefined : (event.target.value as 'imported' | 'native') })
        }
      >
        <SelectItem
          value=""
          text={hints.materialAsUsual(materials[0] === undefined ? '' : text.words.material[materials[0]])}
        />
        {materials.map((each) => (
          <SelectItem key={each} value={each} text={text.words.material[each]} />
        ))}
      </Select>
      {period('activation_date', hints.activation, hints.activationNone)}
      {period('expiration_date', hints.expiration, hints.expirationNone)}
      <Select
        id="properties-state"
        labelText={hints.initialState}
        value={key.state}
        onChange={(event) => set({ state: event.target.value as 'active' | 'pre_activation' })}
      >
        <SelectItem value="active" text={hints.initialActive} />
        <SelectItem value="pre_activation" text={hints.initialPreActive} />
      </Select>
      <Checkbox
        id="properties-deactivate"
        labelText={words['deactivate_on_rotation'] ?? ''}
        checked={key.deactivate_on_rotation === true}
        onChange={() => set({ deactivate_on_rotation: key.deactivate_on_rotation !== true })}
      />
    </>
  );
}

function fits({ properties }: WireKeyCapability, chosen: Readonly<Record<string, string>>): boolean {
  return Object.entries(chosen).every(([name, value]) => properties[name]?.includes(value) !== false);
}
