import { useState } from 'react';

/** The columns that the user wants to see in a table, remembered in this browser. */
export function useColumns(
  table: string,
  byDefault: readonly string[],
): readonly [ReadonlySet<string>, (chosen: readonly string[]) => void] {
  const key = `shearline.columns.${table}`;
  const [chosen, setChosen] = useState<readonly string[]>(() => {
    try {
      const stored: unknown = JSON.parse(localStorage.getItem(key) ?? 'null');
      return Array.isArray(stored) ? stored.filter((each) => typeof each === 'string') : byDefault;
    } catch {
      return byDefault;
    }
  });
  return [
    new Set(chosen),
    (next) => {
      localStorage.setItem(key, JSON.stringify(next));
      setChosen(next);
    },
  ];
}
