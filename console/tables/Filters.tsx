import { Button, Checkbox, DismissibleTag, Select, SelectItem, TextInput } from '@carbon/react';
import { useEffect, useId, useState } from 'react';
import { text } from '../text/text.ts';
import type { ListState } from './list-state.ts';

interface Option {
  readonly value: string;
  readonly name: string;
}

/** A filter of a list. `days` and `number` are ranges: their parameters are `<name>_min` and `<name>_max`. */
export type FilterField<Name extends string = string> =
  | { readonly kind: 'some' | 'one'; readonly name: Name; readonly label: string; readonly options: readonly Option[] }
  | { readonly kind: 'text'; readonly name: Name; readonly label: string }
  | { readonly kind: 'days' | 'number'; readonly name: Name | RangeOf<Name>; readonly label: string };
type RangeOf<Name extends string> = Name extends `${infer Field}_min` ? Field : never;

/** All filters of a list; what is chosen is in the address at once. */
export function FilterPanel({ fields, state }: { readonly fields: readonly FilterField[]; readonly state: ListState }) {
  const id = useId();
  return (
    <div className="filters" role="group" aria-label={text.table.filters}>
      {fields.map((field) => {
        const key = `${field.kind}-${field.name}`;
        switch (field.kind) {
          case 'some':
            return (
              <fieldset key={key} className="filters__field">
                <legend>{field.label}</legend>
                <div className="filters__options">
                  {field.options.map(({ value, name }) => {
                    const chosen = state.get(field.name);
                    return (
                      <Checkbox
                        key={value}
                        id={`${id}-${field.name}-${value}`}
                        labelText={name}
                        checked={chosen.includes(value)}
                        onChange={() => {
                          state.set({
                            [field.name]: chosen.includes(value)
                              ? chosen.filter((each) => each !== value)
                              : [...chosen, value],
                          });
                        }}
                      />
                    );
                  })}
                </div>
              </fieldset>
            );
          case 'one':
            return (
              <div key={key} className="filters__field">
                <Select
                  id={`${id}-${field.name}`}
                  size="sm"
                  labelText={field.label}
                  value={state.all.get(field.name) ?? ''}
                  onChange={(event) => {
                    state.set({ [field.name]: event.target.value });
                  }}
                >
                  <SelectItem value="" text={text.table.any} />
                  {field.options.map(({ value, name }) => (
                    <SelectItem key={value} value={value} text={name} />
                  ))}
                </Select>
              </div>
            );
          case 'text':
            return (
              <div key={key} className="filters__field">
                <FilterText id={`${id}-${field.name}`} label={field.label} name={field.name} state={state} />
              </div>
            );
          case 'days':
          case 'number':
            return (
              <fieldset key={key} className="filters__field">
                <legend>{field.label}</legend>
                <div className="filters__range">
                  {(['min', 'max'] as const).map((end) => (
                    <FilterText
                      key={end}
                      id={`${id}-${field.name}-${end}`}
                      label={end === 'min' ? text.table.from : text.table.to}
                      name={`${field.name}_${end}`}
                      state={state}
                      type={field.kind === 'days' ? 'date' : 'number'}
                    />
                  ))}
                </div>
              </fieldset>
            );
        }
      })}
    </div>
  );
}

/** Waits for a pause in the typing before it asks. */
function FilterText(props: {
  readonly id: string;
  readonly label: string;
  readonly name: string;
  readonly state: ListState;
  readonly type?: string;
}) {
  const { name, state } = props;
  const set = state.all.get(name) ?? '';
  const [typed, setTyped] = useState(set);
  useEffect(() => {
    setTyped(set);
  }, [set]);
  useEffect(() => {
    if (typed === set) return;
    const timer = setTimeout(() => {
      state.set({ [name]: typed });
    }, 350);
    return () => {
      clearTimeout(timer);
    };
  }, [typed, set, name, state]);
  return (
    <TextInput
      id={props.id}
      size="sm"
      labelText={props.label}
      type={props.type ?? 'text'}
      value={typed}
      onChange={(event) => {
        setTyped(event.target.value);
      }}
    />
  );
}

/** The filters that are set, each with a way to take it away. */
export function ActiveFilters(props: {
  readonly names: readonly string[];
  readonly fields: readonly FilterField[];
  readonly state: ListState;
}) {
  const { names, fields, state } = props;
  const active = names.filter((name) => state.all.has(name));
  if (active.length === 0) return undefined;
  const shown = active.map((name) => {
    const field = fields.find(
      (each) => name === each.name || (name.startsWith(`${each.name}_`) && each.kind !== 'some'),
    );
    const end = name.endsWith('_min') ? ` ${text.table.from}` : name.endsWith('_max') ? ` ${text.table.to}` : '';
    const values = state
      .get(name)
      .map((value) =>
        field !== undefined && 'options' in field
          ? (field.options.find((each) => each.value === value)?.name ?? value)
          : value,
      );
    return { name, text: `${field?.label ?? name}${end}: ${values.join(', ')}` };
  });
  return (
    <div className="filters__active" role="group" aria-label={text.table.activeFilters}>
      {shown.map((each) => (
        <DismissibleTag
          key={each.name}
          size="md"
          type="high-contrast"
          text={each.text}
          dismissTooltipLabel={text.table.removeFilter(each.text)}
          title={text.table.removeFilter(each.text)}
          onClose={() => {
            state.set({ [each.name]: undefined });
          }}
        />
      ))}
      <Button
        kind="ghost"
        size="sm"
        onClick={() => {
          state.set(Object.fromEntries(active.map((name) => [name, undefined])));
        }}
      >
        {text.table.clearFilters}
      </Button>
    </div>
  );
}
