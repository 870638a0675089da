/** Something that keeps a start from working. The message is one sentence that names the cause and the way out; no stack is shown. */
export class StartProblem extends Error {
  override readonly name = 'StartProblem';
}

/** What an unknown thrown value says. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
