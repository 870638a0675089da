/** What a command ends with. Documented in docs/cli.md; scripts depend on the numbers. */
export const EXIT = {
  /** Done; where state was asked for, everything is in sync. */
  ok: 0,
  /** Not done: refused, or broken. */
  failed: 1,
  /** Wrong use: nothing was sent. */
  usage: 2,
  /** Something is out of sync. */
  drift: 3,
  /** Nobody is signed in, the token is no longer good, or its roles do not allow this. */
  denied: 4,
  /** The API, or a keystore, could not be asked: whether all is in sync is not known. */
  unknown: 5,
  /** Not done yet: the request waits for a second person's approval. */
  waiting: 6,
  /** Stopped by Ctrl-C. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Why a command cannot do what was asked, told to people: what was wrong, and what to do. Carries no secret. */
export class CommandProblem extends Error {
  override readonly name = 'CommandProblem';
  readonly exit: ExitCode;
  /** What to do about it, as sentences. */
  readonly advice: string | undefined;
  /** The correlation id of the request that failed. */
  readonly trace: string | undefined;
  /** The contract's error body, where the API gave one. */
  readonly body: unknown;

  constructor(
    exit: ExitCode,
    message: string,
    more: {
      readonly advice?: string | undefined;
      readonly trace?: string | undefined;
      readonly body?: unknown;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, { cause: more.cause });
    this.exit = exit;
    this.advice = more.advice;
    this.trace = more.trace;
    this.body = more.body;
  }
}

/** Wrong use: told before anything is sent. */
export function wrongUse(message: string, advice?: string): CommandProblem {
  return new CommandProblem(EXIT.usage, message, { advice });
}
