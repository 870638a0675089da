import * as z from 'zod/mini';
import type { Cloud } from './cloud.ts';
import { badParameter } from './error.ts';
import type { Vault } from './world.ts';

/** One call under way: its place in the path and its query, read already. */
export interface Call {
  readonly cloud: Cloud;
  readonly vault: Vault;
  readonly now: number;
  readonly path: string;
  readonly name: string;
  readonly version: string | undefined;
  readonly query: URLSearchParams;
  readonly body: unknown;
}

/** Nothing: 204. */
export type Answer = Readonly<Record<string, unknown>> | undefined;

export interface Operation {
  /** What of an access policy for keys it takes. */
  readonly permission: string;
  readonly run: (call: Call) => Answer | Promise<Answer>;
}

/** A body by its schema; what does not fit is a bad parameter, by its name. */
export function parsed<S extends z.ZodMiniType>(schema: S, body: unknown): z.output<S> {
  const result = z.safeParse(schema, body ?? {});
  if (result.success) return result.data;
  const place = result.error.issues[0]?.path.join('.') ?? '';
  throw badParameter(`Property ${place === '' ? 'of the request' : place} is invalid.`);
}
