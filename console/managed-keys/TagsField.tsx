import { Button, IconButton, TextInput } from '@carbon/react';
import { Add, TrashCan } from '@carbon/react/icons';
import type { WireTag } from '../../lib/wire/tag.ts';
import { text } from '../text/text.ts';

const words = text.keys.details;

/** Names and values. */
export function TagsField(props: {
  readonly tags: readonly WireTag[];
  readonly change: (tags: readonly WireTag[]) => void;
  readonly message?: string | undefined;
}) {
  const { tags, change } = props;
  const put = (position: number, tag: WireTag) => change(tags.map((each, at) => (at === position ? tag : each)));
  return (
    <fieldset className="pairs">
      <legend className="cds--label">{words.tags}</legend>
      {tags.map((tag, position) => (
        <div key={position} className="pairs__pair">
          <TextInput
            id={`tag-name-${position}`}
            size="sm"
            labelText={words.tagName(position + 1)}
            hideLabel
            placeholder={words.tagNamePlaceholder}
            value={tag.name}
            onChange={(event) => put(position, { ...tag, name: event.target.value })}
          />
          <TextInput
            id={`tag-value-${position}`}
            size="sm"
            labelText={words.tagValue(position + 1)}
            hideLabel
            placeholder={words.tagValuePlaceholder}
            value={tag.value}
            onChange={(event) => put(position, { ...tag, value: event.target.value })}
          />
          <IconButton
            kind="ghost"
            size="sm"
            label={words.removeTag(tag.name)}
            align="left"
            onClick={() => change(tags.filter((_, at) => at !== position))}
          >
            <TrashCan />
          </IconButton>
        </div>
      ))}
      {props.message === undefined ? undefined : <p className="cds--form-requirement form__wrong">{props.message}</p>}
      <Button kind="ghost" size="sm" renderIcon={Add} onClick={() => change([...tags, { name: '', value: '' }])}>
        {words.addTag}
      </Button>
    </fieldset>
  );
}
