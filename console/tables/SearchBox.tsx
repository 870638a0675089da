import { Search } from '@carbon/react';
import { useEffect, useState } from 'react';
import type { ListState } from './list-state.ts';

/** A filter that is typed; it is asked for after a pause in the typing. */
export function SearchBox({
  state,
  name,
  label,
}: {
  readonly state: ListState;
  readonly name: string;
  readonly label: string;
}) {
  const set = state.all.get(name) ?? '';
  const [typed, setTyped] = useState(set);
  useEffect(() => {
    setTyped(set);
  }, [set]);
  useEffect(() => {
    if (typed === set) return;
    const timer = setTimeout(() => {
      state.set({ [name]: typed });
    }, 300);
    return () => {
      clearTimeout(timer);
    };
  }, [typed, set, name, state]);
  return (
    <Search
      className="list__search"
      size="md"
      labelText={label}
      placeholder={label}
      value={typed}
      onChange={(event) => setTyped(event.target.value)}
    />
  );
}
