import { IconButton, Select, SelectItem, TextInput } from '@carbon/react';
import { CaretLeft, CaretRight, PageFirst, PageLast } from '@carbon/react/icons';
import { useEffect, useId, useState } from 'react';
import { text } from '../text/text.ts';
import { PAGE_SIZES } from './list-state.ts';
import type { ListState } from './list-state.ts';

/** Which rows are shown, of how many, and the way to the others. A page number is typed: thousands of them make no list to choose from. */
export function Pager({ state, total }: { readonly state: ListState; readonly total: number }) {
  const id = useId();
  const { limit, offset } = state;
  const pages = Math.max(1, Math.ceil(total / limit));
  const page = Math.floor(offset / limit) + 1;
  const [typed, setTyped] = useState(String(page));
  useEffect(() => {
    setTyped(String(page));
  }, [page]);
  const go = (to: number) => {
    const start = (Math.min(Math.max(1, to), pages) - 1) * limit;
    state.set({ offset: start === 0 ? undefined : String(start) });
  };
  const step = (name: string, icon: React.ReactNode, to: number, disabled: boolean) => (
    <IconButton
      kind="ghost"
      size="md"
      label={name}
      disabled={disabled}
      onClick={() => {
        go(to);
      }}
      align="top"
    >
      {icon}
    </IconButton>
  );
  return (
    <nav className="pager" aria-label={text.table.pages}>
      <Select
        id={`${id}-size`}
        labelText={text.table.perPage}
        size="sm"
        inline
        value={limit}
        onChange={(event) => {
          state.set({ limit: event.target.value });
        }}
      >
        {PAGE_SIZES.map((size) => (
          <SelectItem key={size} value={size} text={String(size)} />
        ))}
      </Select>
      <span className="pager__range" role="status">
        {total === 0 ? '' : text.table.range(Math.min(offset + 1, total), Math.min(offset + limit, total), total)}
      </span>
      <form
        className="pager__page"
        onSubmit={(event) => {
          event.preventDefault();
          const wanted = Math.trunc(Number(typed));
          if (wanted >= 1) go(wanted);
          else setTyped(String(page));
        }}
      >
        <TextInput
          id={`${id}-page`}
          size="sm"
          labelText={text.table.page}
          hideLabel
          inputMode="numeric"
          value={typed}
          onChange={(event) => {
            setTyped(event.target.value);
          }}
        />
        <span>{text.table.ofPages(pages)}</span>
      </form>
      <div className="pager__steps">
        {step(text.table.first, <PageFirst />, 1, page === 1)}
        {step(text.table.previous, <CaretLeft />, page - 1, page === 1)}
        {step(text.table.next, <CaretRight />, page + 1, page >= pages)}
        {step(text.table.last, <PageLast />, pages, page >= pages)}
      </div>
    </nav>
  );
}
