import type { ConsoleSettings } from '../../lib/wire/console-settings.ts';

let asked: Promise<ConsoleSettings> | undefined;

/** Where this console runs and who signs its users in. Asked once; asked again after a failure. */
export function settings(): Promise<ConsoleSettings> {
  asked ??= (async () => {
    const response = await fetch('/console/settings.json');
    if (!response.ok) throw new Error(`/console/settings.json: ${response.status}`);
    return (await response.json()) as ConsoleSettings;
  })();
  asked.catch(() => {
    asked = undefined;
  });
  return asked;
}
