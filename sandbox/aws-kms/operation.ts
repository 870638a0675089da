import type * as z from 'zod/mini';
import type { Cloud } from './cloud.ts';
import { parseInput } from './schema.ts';
import type { World } from './world.ts';

export interface Principal {
  accountId: string;
  accessKeyId: string;
  userName: string;
  arn: string;
  userAgent: string;
}

/** One call under way. */
export interface Call {
  readonly cloud: Cloud;
  readonly world: World;
  readonly operation: string;
  readonly now: number;
  readonly principal: Principal;
  readonly requestId: string;
  /** ARNs of the keys and aliases that the call found, for its audit event. */
  readonly touched: Set<string>;
}

/** Nothing: operations without output answer an empty body. */
export type Answer = Record<string, unknown> | undefined;

export interface Operation {
  /** Whether CloudTrail would show it as a write. */
  readonly mutates: boolean;
  invoke(body: unknown, call: Call): Answer | Promise<Answer>;
}

export type Operations = Readonly<Record<string, Operation>>;

type Run<S extends z.ZodMiniType> = (input: z.output<S>, call: Call) => Answer | Promise<Answer>;

/** An operation that only looks, or computes. */
export function query<S extends z.ZodMiniType>(schema: S, run: Run<S>): Operation {
  return { mutates: false, invoke: (body, call) => run(parseInput(schema, body), call) };
}

/** An operation that changes something, and says so in an event. */
export function mutation<S extends z.ZodMiniType>(schema: S, run: Run<S>): Operation {
  return { mutates: true, invoke: (body, call) => run(parseInput(schema, body), call) };
}
