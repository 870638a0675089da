import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { CommandProblem, EXIT } from './exit.ts';

const SIGN_IN = z.object({
  issuer: z.string(),
  client_id: z.string(),
  scope: z.string(),
  access_token: z.string(),
  refresh_token: z.optional(z.string()),
  /** In milliseconds since 1970. */
  expires_at: z.number(),
});

/** What a login left: as whom to speak to one deployment. */
export type SignIn = z.infer<typeof SIGN_IN>;

const FILE = z.object({
  /** Where commands go that name no other deployment: the last login. */
  current: z.optional(z.string()),
  sign_ins: z.record(z.string(), SIGN_IN),
});
type SignIns = z.infer<typeof FILE>;

type Environment = Readonly<Record<string, string | undefined>>;

/** The user's configuration folder for Shearline. */
export function configFolder(environment: Environment): string {
  const base =
    environment['XDG_CONFIG_HOME'] ||
    (process.platform === 'win32' ? environment['APPDATA'] : undefined) ||
    join(environment['HOME'] || homedir(), '.config');
  return join(base, 'shearline');
}

const fileIn = (environment: Environment): string => join(configFolder(environment), 'sign-ins.json');

/** The logins that are kept. Throws when others may read the file, or when it cannot be understood. */
export function readSignIns(environment: Environment): SignIns {
  const file = fileIn(environment);
  let text: string;
  try {
    // Windows has no such modes.
    if (process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0) {
      throw new CommandProblem(EXIT.failed, `${file} holds tokens, and others than you may read it.`, {
        advice: `chmod 600 ${file}; when you do not know who read it, shearline logout --all and sign in again.`,
      });
    }
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === 'ENOENT') return { sign_ins: {} };
    throw error;
  }
  try {
    return FILE.parse(JSON.parse(text));
  } catch (cause) {
    throw new CommandProblem(EXIT.failed, `${file} cannot be read.`, {
      advice: 'shearline logout --all removes it; then sign in again.',
      cause,
    });
  }
}

/** Keeps a login and makes its deployment the one that commands go to. The file appears whole, for its owner only. */
export function keepSignIn(environment: Environment, url: string, signIn: SignIn, current = true): void {
  const before = readSignIns(environment);
  write(environment, {
    ...before,
    ...(current ? { current: url } : {}),
    sign_ins: { ...before.sign_ins, [url]: signIn },
  });
}

/** Forgets the login at one deployment. Answers whether there was one. */
export function forgetSignIn(environment: Environment, url: string): boolean {
  const { current, sign_ins: before } = readSignIns(environment);
  const kept = Object.fromEntries(Object.entries(before).filter(([at]) => at !== url));
  write(environment, { ...(current === undefined || current === url ? {} : { current }), sign_ins: kept });
  return url in before;
}

/** Forgets all logins, also when the file cannot be read. */
export function forgetAllSignIns(environment: Environment): void {
  rmSync(fileIn(environment), { force: true });
}

function write(environment: Environment, content: SignIns): void {
  const file = fileIn(environment);
  mkdirSync(configFolder(environment), { recursive: true, mode: 0o700 });
  const unfinished = `${file}.${randomUUID()}`;
  writeFileSync(unfinished, `${JSON.stringify(content, undefined, 2)}\n`, { mode: 0o600, flag: 'wx' });
  renameSync(unfinished, file);
}
