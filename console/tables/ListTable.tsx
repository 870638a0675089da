import {
  Button,
  Checkbox,
  SkeletonText,
  Table,
  TableBody,
  TableCell,
  TableHead,
  TableHeader,
  TableRow,
} from '@carbon/react';
import { Column as ColumnIcon, Renew } from '@carbon/react/icons';
import { useId, useState } from 'react';
import type { ReactNode } from 'react';
import { Notice } from '../notices/Notice.tsx';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { text } from '../text/text.ts';
import { useColumns } from './columns.ts';
import type { ListState } from './list-state.ts';
import { Pager } from './Pager.tsx';

export interface Column<Row> {
  readonly id: string;
  readonly header: string;
  /** The contract's name to sort by. */
  readonly sort?: string;
  /** Shown unless the user chooses otherwise. The first column always is. */
  readonly hidden?: boolean;
  readonly cell: (row: Row) => ReactNode;
}

interface Asked<Row> {
  readonly rows: readonly Row[] | undefined;
  readonly total: number;
  readonly loading: boolean;
  readonly updating: boolean;
  readonly error: unknown;
  readonly again: () => void;
}

/** A list of the API as a table: sorted and paged by the API, the columns chosen by the user. */
export function ListTable<Row>(props: {
  /** Names the remembered columns. */
  readonly table: string;
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly asked: Asked<Row>;
  readonly state: ListState;
  readonly idOf: (row: Row) => string;
  readonly nameOf: (row: Row) => string;
  readonly actions?: (row: Row) => ReactNode;
  readonly toolbar?: ReactNode;
  readonly below?: ReactNode;
  readonly empty?: ReactNode;
  /** Why the user may not see the list, as a sentence; undefined when they may. */
  readonly refused?: string | undefined;
  readonly selection?: {
    readonly chosen: ReadonlySet<string>;
    readonly choose: (ids: ReadonlySet<string>) => void;
    readonly batch: ReactNode;
  };
}) {
  const { columns, asked, state, selection } = props;
  const [chosen, choose] = useColumns(
    props.table,
    columns.filter(({ hidden }) => hidden !== true).map(({ id }) => id),
  );
  const shown = columns.filter(({ id }, position) => position === 0 || chosen.has(id));
  const rows = asked.rows ?? [];
  if (props.refused !== undefined) {
    return (
      <Notice kind="info" title={text.table.notOffered}>
        {props.refused}
      </Notice>
    );
  }
  const picked = rows.filter((row) => selection?.chosen.has(props.idOf(row)) === true).length;
  return (
    <section className="list" aria-label={props.caption}>
      <div className="list__toolbar">
        {props.toolbar}
        <Button
          kind="ghost"
          size="md"
          hasIconOnly
          renderIcon={Renew}
          iconDescription={text.shell.refresh}
          tooltipPosition="bottom"
          onClick={asked.again}
        />
        {columns.length > 4 ? <ColumnChoice columns={columns} chosen={chosen} choose={choose} /> : undefined}
      </div>
      {props.below}
      {selection === undefined || selection.chosen.size === 0 ? undefined : (
        <div className="list__batch" role="toolbar" aria-label={text.table.selected(selection.chosen.size)}>
          <span role="status">{text.table.selected(selection.chosen.size)}</span>
          {selection.batch}
          <Button
            kind="ghost"
            size="sm"
            onClick={() => {
              selection.choose(new Set());
            }}
          >
            {text.table.unselect}
          </Button>
        </div>
      )}
      {asked.error === null || asked.error === undefined ? undefined : (
        <RefusalNotice error={asked.error} retry={asked.again} />
      )}
      {asked.loading ? (
        <div className="list__empty">
          <SkeletonText paragraph lineCount={8} />
        </div>
      ) : asked.rows === undefined ? undefined : rows.length === 0 ? (
        <div className="list__empty">
          {props.empty ?? <p>{[...state.all.keys()].length > 0 ? text.table.emptyFiltered : text.table.empty}</p>}
        </div>
      ) : (
        <div
          className="list__scroll"
          role="region"
          tabIndex={0}
          aria-label={text.table.scroll(props.caption)}
          aria-busy={asked.updating}
        >
          <Table
            size="lg"
            aria-label={props.caption}
            className={asked.updating ? 'list__table list__table--updating' : 'list__table'}
          >
            <TableHead>
              <TableRow>
                {selection === undefined ? undefined : (
                  <th scope="col" className="list__check">
                    <Checkbox
                      id={`${props.table}-all`}
                      labelText={text.table.selectAll}
                      hideLabel
                      checked={picked === rows.length}
                      indeterminate={picked > 0 && picked < rows.length}
                      onChange={() => {
                        selection.choose(picked === rows.length ? new Set() : new Set(rows.map(props.idOf)));
                      }}
                    />
                  </th>
                )}
                {shown.map((column) => (
                  <Header key={column.id} column={column} state={state} />
                ))}
                {props.actions === undefined ? undefined : (
                  <th scope="col" className="list__actions">
                    <span className="cds--visually-hidden">{text.shell.actions}</span>
                  </th>
                )}
              </TableRow>
            </TableHead>
            <TableBody>
              {rows.map((row) => {
                const id = props.idOf(row);
                return (
                  <TableRow
                    key={id}
                    {...(selection?.chosen.has(id) === true ? { className: 'list__row--chosen' } : {})}
                  >
                    {selection === undefined ? undefined : (
                      <TableCell className="list__check">
                        <Checkbox
                          id={`${props.table}-${id}`}
                          labelText={text.table.select(props.nameOf(row))}
                          hideLabel
                          checked={selection.chosen.has(id)}
                          onChange={() => {
                            const next = new Set(selection.chosen);
                            if (!next.delete(id)) next.add(id);
                            selection.choose(next);
                          }}
                        />
                      </TableCell>
                    )}
                    {shown.map((column) => (
                      <TableCell key={column.id}>{column.cell(row)}</TableCell>
                    ))}
                    {props.actions === undefined ? undefined : (
                      <TableCell className="list__actions">{props.actions(row)}</TableCell>
                    )}
                  </TableRow>
                );
              })}
            </TableBody>
          </Table>
        </div>
      )}
      {asked.rows === undefined || asked.total === 0 ? undefined : <Pager state={state} total={asked.total} />}
    </section>
  );
}

function Header<Row>({ column, state }: { readonly column: Column<Row>; readonly state: ListState }) {
  const { sort, header } = column;
  if (sort === undefined) return <TableHeader>{header}</TableHeader>;
  const direction = state.sort === sort ? 'ASC' : state.sort === `-${sort}` ? 'DESC' : 'NONE';
  const next = { NONE: sort, ASC: `-${sort}`, DESC: undefined }[direction];
  return (
    <TableHeader
      isSortable
      isSortHeader={direction !== 'NONE'}
      sortDirection={direction}
      onClick={() => {
        state.set({ sort: next });
      }}
    >
      {header}
    </TableHeader>
  );
}

function ColumnChoice<Row>({
  columns,
  chosen,
  choose,
}: {
  readonly columns: readonly Column<Row>[];
  readonly chosen: ReadonlySet<string>;
  readonly choose: (ids: readonly string[]) => void;
}) {
  const id = useId();
  const [open, setOpen] = useState(false);
  return (
    <div className="columns">
      <Button
        kind="ghost"
        size="md"
        hasIconOnly
        renderIcon={ColumnIcon}
        iconDescription={text.table.columns}
        tooltipPosition="bottom"
        aria-expanded={open}
        aria-controls={id}
        onClick={() => {
          setOpen(!open);
        }}
      />
      {open ? (
        <fieldset
          id={id}
          className="columns__choice"
          onKeyDown={(event) => {
            if (event.key === 'Escape') setOpen(false);
          }}
        >
          <legend>{text.table.chooseColumns}</legend>
          {columns.slice(1).map((column) => (
            <Checkbox
              key={column.id}
              id={`${id}-${column.id}`}
              labelText={column.header}
              checked={chosen.has(column.id)}
              onChange={() => {
                const next = new Set(chosen);
                if (!next.delete(column.id)) next.add(column.id);
                choose([...next]);
              }}
            />
          ))}
        </fieldset>
      ) : undefined}
    </div>
  );
}
