import keyEvents from '../../deploy/events/key-events.json' with { type: 'json' };
import type { EventPattern } from './pattern.ts';

/** A rule of serverless.yml, from the same file, as a local start has it; a test compares the two. */
export interface LocalRule {
  /** Of a bus in the stage that local starts use; `default` is the one that AWS's own events come to. */
  readonly bus: string;
  readonly pattern: EventPattern;
  /** The function of serverless.yml that is invoked with each event. */
  readonly function: string;
}

/** The bus that announces what Shearline finds, and takes in what other accounts and regions forward. */
export const OWN_BUS = 'shearline-dev';

export const LOCAL_RULES: readonly LocalRule[] = ['default', OWN_BUS].flatMap((bus) =>
  Object.values(keyEvents).map((pattern) => ({ bus, pattern, function: 'key-events' })),
);
