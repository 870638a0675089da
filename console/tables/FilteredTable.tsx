import { Button } from '@carbon/react';
import { Filter } from '@carbon/react/icons';
import { useState } from 'react';
import type { ComponentProps } from 'react';
import { text } from '../text/text.ts';
import { ActiveFilters, FilterPanel } from './Filters.tsx';
import type { FilterField } from './Filters.tsx';
import { ListTable } from './ListTable.tsx';
import { SearchBox } from './SearchBox.tsx';

/** A table with a search field and the filters of its list. */
export function FilteredTable<Row>(
  props: Omit<ComponentProps<typeof ListTable<Row>>, 'toolbar' | 'below'> & {
    readonly search: { readonly name: string; readonly label: string };
    readonly fields: readonly FilterField[];
  },
) {
  const { search, fields, ...table } = props;
  const [filtering, setFiltering] = useState(false);
  const names = fields.flatMap(({ kind, name }) =>
    kind === 'days' || kind === 'number' ? [`${name}_min`, `${name}_max`] : [name],
  );
  return (
    <ListTable<Row>
      {...table}
      toolbar={
        <>
          <SearchBox state={table.state} {...search} />
          <Button
            kind="ghost"
            size="md"
            hasIconOnly
            renderIcon={Filter}
            iconDescription={filtering ? text.table.hideFilters : text.table.showFilters}
            tooltipPosition="bottom"
            aria-expanded={filtering}
            onClick={() => setFiltering(!filtering)}
          />
        </>
      }
      below={
        <>
          {filtering ? <FilterPanel fields={fields} state={table.state} /> : undefined}
          <ActiveFilters names={names} fields={fields} state={table.state} />
        </>
      }
    />
  );
}
