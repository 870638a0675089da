import { confirm as confirmed, input, select } from '@inquirer/prompts';
import type { Terminal } from './terminal.ts';

// Questions go to the side channel: the answer of a command stays alone on standard output.

export function confirm(question: string, { questions }: Terminal): Promise<boolean> {
  return confirmed({ message: question, default: false }, { output: questions });
}

export function typed(question: string, { questions }: Terminal): Promise<string> {
  return input({ message: question }, { output: questions });
}

/** One of several; there must be at least one. */
export function chosen<Value>(
  question: string,
  choices: readonly { readonly name: string; readonly value: Value; readonly description?: string }[],
  { questions }: Terminal,
): Promise<Value> {
  return select({ message: question, choices }, { output: questions });
}
