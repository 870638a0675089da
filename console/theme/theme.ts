import { useSyncExternalStore } from 'react';

export type Theme = 'light' | 'dark';

const KEY = 'shearline.theme';
const CLASSES: Record<Theme, string> = { light: 'cds--white', dark: 'cds--g100' };
const dark = matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set<() => void>();

function chosen(): Theme | undefined {
  const stored = localStorage.getItem(KEY);
  return stored === 'light' || stored === 'dark' ? stored : undefined;
}

/** What the user chose, or else what their system says. */
export function currentTheme(): Theme {
  return chosen() ?? (dark.matches ? 'dark' : 'light');
}

/** On the root, so that whatever is drawn above the page has it too. */
export function applyTheme(): void {
  const root = document.documentElement.classList;
  root.remove(...Object.values(CLASSES));
  root.add(CLASSES[currentTheme()]);
}

export function chooseTheme(theme: Theme): void {
  localStorage.setItem(KEY, theme);
  applyTheme();
  for (const listener of listeners) listener();
}

dark.addEventListener('change', () => {
  applyTheme();
  for (const listener of listeners) listener();
});

export function useTheme(): Theme {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, currentTheme);
}
