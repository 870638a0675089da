import type { Api } from './api.ts';
import { wrongUse } from './exit.ts';
import type { ExitCode } from './exit.ts';
import type { Target } from './target.ts';
import type { Terminal } from './terminal.ts';

/** One call of a command. */
export interface Invocation {
  readonly terminal: Terminal;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where the command was called. */
  readonly folder: string;
  /** All of standard input. */
  readonly input: () => Promise<string>;
  readonly target: () => Target;
  readonly api: () => Api;
  /** By the names of the command table. */
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly options: Readonly<Record<string, unknown>>;
  /** `--json`: the API's own JSON in place of a table. */
  readonly json: boolean;
}

export type Run = (call: Invocation) => Promise<ExitCode>;

/** The value of an option or argument; undefined when it was not given. */
export function text(call: Pick<Invocation, 'options' | 'arguments'>, name: string): string | undefined {
  const value = call.options[name] ?? call.arguments[name];
  return typeof value === 'string' ? value : undefined;
}

/** The values of an option or argument that may be repeated. */
export function texts(call: Pick<Invocation, 'options' | 'arguments'>, name: string): readonly string[] {
  const value = call.options[name] ?? call.arguments[name];
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}

export function flag(call: Pick<Invocation, 'options'>, name: string): boolean {
  return call.options[name] === true;
}

/** What the command line itself makes sure of. */
export function required(call: Pick<Invocation, 'options' | 'arguments'>, name: string): string {
  const value = text(call, name);
  if (value === undefined) throw wrongUse(`<${name}> is missing.`);
  return value;
}

/** `name=value`, repeated. */
export function pairs(call: Invocation, name: string): { name: string; value: string }[] {
  return texts(call, name).map((given) => {
    const at = given.indexOf('=');
    if (at < 1) throw wrongUse(`--${name} must be written name=value, not "${given}".`);
    return { name: given.slice(0, at), value: given.slice(at + 1) };
  });
}

/** Writes the answer of a command: as JSON where that is wanted. */
export function answer(call: Invocation, json: unknown, forPeople: () => string): void {
  call.terminal.out.write(call.json ? `${JSON.stringify(json, undefined, 2)}\n` : forPeople());
}

/** Says something on the way; nothing that a script reads. */
export function say(call: Invocation, sentence: string): void {
  call.terminal.err.write(`${sentence}\n`);
}
