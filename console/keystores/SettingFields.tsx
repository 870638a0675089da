import { Checkbox, PasswordInput, Select, SelectItem, TextArea, TextInput } from '@carbon/react';
import { messageFor } from '../api/client.ts';
import { text } from '../text/text.ts';
import { settingsFor } from './fields.ts';
import type { KeystoreType } from './fields.ts';

export type Values = Readonly<Record<string, string | boolean>>;
const words = text.keystores;

/** The settings of a keystore type. What was stored as a secret is never here: the fields of secrets start empty. */
export function SettingFields(props: {
  readonly type: KeystoreType;
  readonly values: Values;
  readonly change: (values: Values) => void;
  readonly error: unknown;
  /** Secrets that are left empty stay as they are. */
  readonly existing: boolean;
}) {
  const { type, values, change, error, existing } = props;
  return settingsFor(type, values).map((field) => {
    const { name, kind } = field;
    const message = messageFor(error, name);
    const label = `${words.fields[name] ?? name}${field.optional === true ? ` (${text.shell.optional})` : ''}`;
    const value = values[name];
    const asText = typeof value === 'string' ? value : '';
    const common = {
      id: `setting-${name}`,
      labelText: label,
      invalid: message !== undefined,
      invalidText: message ?? '',
      helperText: existing && kind.endsWith('secret') ? words.secretUnchanged : words.hints[name],
    };
    const set = (next: string | boolean) => change({ ...values, [name]: next });
    switch (kind) {
      case 'choice':
        return (
          <Select
            key={name}
            {...common}
            value={asText}
            disabled={existing && name === 'ibm_variant'}
            onChange={(event) => set(event.target.value)}
          >
            {field.optional === true || asText === '' ? <SelectItem value="" text={words.asUsual} /> : undefined}
            {(field.options ?? []).map((each) => (
              <SelectItem key={each} value={each} text={words.options[each] ?? each} />
            ))}
          </Select>
        );
      case 'switch':
        return (
          <Checkbox
            key={name}
            id={common.id}
            labelText={label}
            helperText={common.helperText}
            checked={value !== false}
            onChange={() => set(value === false)}
          />
        );
      case 'secret':
        return (
          <PasswordInput
            key={name}
            {...common}
            autoComplete="off"
            showPasswordLabel={words.showSecret}
            hidePasswordLabel={words.hideSecret}
            value={asText}
            onChange={(event) => set(event.target.value)}
          />
        );
      case 'long-secret':
        return (
          <TextArea
            key={name}
            {...common}
            rows={4}
            autoComplete="off"
            spellCheck={false}
            className="secret"
            value={asText}
            onChange={(event) => set(event.target.value)}
          />
        );
      case 'text':
        return (
          <TextInput
            key={name}
            {...common}
            placeholder={field.example}
            value={asText}
            spellCheck={false}
            onChange={(event) => set(event.target.value)}
          />
        );
    }
  });
}

/** The settings as a request has them: what is empty is left out. */
export function settingsBody(type: KeystoreType, values: Values): Readonly<Record<string, string | boolean>> {
  return Object.fromEntries(
    settingsFor(type, values).flatMap(({ name }) => {
      const value = values[name];
      return value === undefined || value === '' ? [] : [[name, value]];
    }),
  );
}
