import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import { later } from '../later.ts';
import type { FifoMessage } from '../sqs-queue.ts';
import type { Scope } from './scopes.ts';

/** A scope with more keystores is swept in parts, one after the other: what is known of a sweep fits into one record. */
const KEYSTORES_IN_A_MESSAGE = 200;

const message = later(() =>
  z.object({
    /** The quota scope, and which part of it. */
    scope: z.string(),
    keystoreIds: z.array(z.string()),
    /** When the sweep was asked for: one that began later has answered it. */
    at: z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() }),
    /** How often the work was handed over. */
    part: z._default(z.int().check(z.gte(0)), 0),
  }),
);

/** “Sweep these keystores, or go on with it.” */
export interface SweepMessage {
  readonly scope: string;
  readonly keystoreIds: readonly string[];
  readonly at: Date;
  readonly part: number;
}

/** Throws for what is no such message. */
export function readMessage(body: unknown): SweepMessage {
  return z.decode(message(), body as z.input<ReturnType<typeof message>>);
}

export function writeMessage(given: SweepMessage): string {
  return JSON.stringify(z.encode(message(), { ...given, keystoreIds: [...given.keystoreIds] }));
}

/** The messages that have these scopes swept. */
export function messagesFor(scopes: readonly Scope[], at: Date): readonly SweepMessage[] {
  return scopes.flatMap(({ name, keystores }) => {
    const ids = keystores.map(({ id }) => id).toSorted();
    const count = Math.ceil(ids.length / KEYSTORES_IN_A_MESSAGE);
    return Array.from({ length: count }, (_, part) => ({
      scope: part === 0 ? name : `${name}#${part}`,
      keystoreIds: ids.slice(part * KEYSTORES_IN_A_MESSAGE, (part + 1) * KEYSTORES_IN_A_MESSAGE),
      at,
      part: 0,
    }));
  });
}

/**
 * As it goes to the queue. One scope is one group, so that it is swept by one function at a time. A schedule that fires twice within a minute
 * asks once.
 */
export function queued(given: SweepMessage): FifoMessage {
  const hash = (text: string) => createHash('sha256').update(text).digest('hex');
  return {
    body: writeMessage(given),
    group: hash(given.scope.replace(/#\d+$/, '')),
    deduplication: hash(`${given.scope} ${given.at.toISOString().slice(0, 16)} ${given.part}`),
  };
}
