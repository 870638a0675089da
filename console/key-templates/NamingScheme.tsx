import { TextInput } from '@carbon/react';
import { customPlaceholders, parseScheme, renderLabel } from '../../lib/keys/naming.ts';
import { dateAfter, isPeriod } from '../../lib/keys/period.ts';
import type { WireKeyProperties } from '../../lib/wire/templates.ts';
import { text } from '../text/text.ts';

const words = text.templates;

/** A name that the scheme would give today; what is wrong with it as a sentence when it is none. */
export function exampleOf(scheme: string, key: Pick<WireKeyProperties, 'activation_date'>): string {
  const parts = parseScheme(scheme);
  if ('wrong' in parts) return words.schemeWrong(parts.wrong);
  const createdAt = new Date();
  const activation = isPeriod(key.activation_date) ? dateAfter(createdAt, key.activation_date) : undefined;
  return renderLabel(
    scheme,
    customPlaceholders(parts).map((name) => ({ name, value: words.exampleValue(name) })),
    { createdAt, activeAt: activation === undefined ? createdAt : new Date(activation) },
  );
}

/** A naming scheme with an example that lives with it. */
export function NamingSchemeField(props: {
  readonly value: string;
  readonly properties: Pick<WireKeyProperties, 'activation_date'>;
  readonly change: (scheme: string) => void;
  readonly message: string | undefined;
}) {
  const { value } = props;
  const parts = parseScheme(value);
  const wrong = 'wrong' in parts ? words.schemeWrong(parts.wrong) : props.message;
  return (
    <>
      <TextInput
        id="template-scheme"
        labelText={`${words.columns.scheme} (${text.shell.optional})`}
        value={value}
        placeholder={words.schemePlaceholder}
        helperText={words.schemeHint}
        invalid={wrong !== undefined}
        invalidText={wrong ?? ''}
        spellCheck={false}
        onChange={(event) => props.change(event.target.value)}
      />
      {value === '' || wrong !== undefined ? undefined : (
        <p className="live-name" role="status">
          {words.forExample(exampleOf(value, props.properties))}
        </p>
      )}
    </>
  );
}
