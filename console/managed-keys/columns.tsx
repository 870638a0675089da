import { Tag } from '@carbon/react';
import { Link } from 'react-router';
import type { WireManagedKey } from '../../lib/wire/keys.ts';
import type { Column } from '../tables/ListTable.tsx';
import { dayOf, momentOf } from '../text/dates.ts';
import { text } from '../text/text.ts';
import { AlignmentTag, KeyFlags, StateTag } from './flags.tsx';

const words = text.keys.columns;

/** What the table of managed keys can show. */
export const KEY_COLUMNS: readonly Column<WireManagedKey>[] = [
  {
    id: 'label',
    header: words.name,
    sort: 'label',
    cell: (key) => (
      <Link to={`/managed-keys/${key.id ?? ''}`} className="list__name">
        {key.label}
      </Link>
    ),
  },
  { id: 'version', header: words.version, cell: ({ version }) => version },
  {
    id: 'state',
    header: words.state,
    sort: 'state',
    cell: (key) => (
      <span className="tags">
        <StateTag state={key.state} />
        <KeyFlags statuses={key.status_in_keystores} />
      </span>
    ),
  },
  { id: 'vault', header: words.vault, sort: 'vault.id', cell: ({ vault }) => vault?.name ?? vault?.id },
  {
    id: 'template',
    header: words.template,
    cell: ({ template }) => (
      <span className="tags">
        {template?.type?.includes('shadow') === true ? (
          <Tag type="outline" size="md">
            {text.words.custom}
          </Tag>
        ) : (
          <Link to={`/key-templates/${template?.id ?? ''}`}>{template?.name ?? text.dates.never}</Link>
        )}
        <AlignmentTag status={template?.alignment_status ?? 'aligned'} reason={text.keys.unalignedWhy} />
      </span>
    ),
  },
  {
    id: 'keystores',
    header: words.keystores,
    cell: ({ referenced_keystores: keystores }) => (
      <ul className="names">
        {keystores.slice(0, 3).map(({ id, name }) => (
          <li key={id}>{name ?? id}</li>
        ))}
        {keystores.length > 3 ? <li className="quiet">{text.keys.more(keystores.length - 3)}</li> : undefined}
      </ul>
    ),
  },
  {
    id: 'activation_date',
    header: words.activation,
    sort: 'activation_date',
    cell: ({ activation_date: date }) => dayOf(date),
  },
  {
    id: 'expiration_date',
    header: words.expiration,
    sort: 'expiration_date',
    cell: ({ expiration_date: date }) => dayOf(date),
  },
  { id: 'updated_at', header: words.updated, sort: 'updated_at', cell: ({ updated_at: at }) => momentOf(at) },
  { id: 'rotated_at', header: words.rotated, hidden: true, cell: ({ rotated_at: at }) => momentOf(at) },
  {
    id: 'algorithm',
    header: words.algorithm,
    sort: 'algorithm',
    cell: ({ algorithm }) => text.words.algorithms[algorithm],
  },
  { id: 'size', header: words.length, sort: 'size', cell: ({ size }) => size },
  {
    id: 'type',
    header: words.type,
    hidden: true,
    cell: ({ instances }) => text.words.keyTypes[instances[0]?.type ?? 'secret_key'],
  },
  {
    id: 'material',
    header: words.material,
    hidden: true,
    cell: ({ material }) => (material === undefined ? text.dates.never : text.keys.material[material]),
  },
  {
    id: 'created_at',
    header: words.created,
    sort: 'created_at',
    hidden: true,
    cell: ({ created_at: at }) => momentOf(at),
  },
  {
    id: 'deactivation_date',
    header: words.deactivation,
    sort: 'deactivation_date',
    hidden: true,
    cell: ({ deactivation_date: date }) => dayOf(date),
  },
];
