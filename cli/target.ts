import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as z from 'zod/mini';
import { LOCAL } from './api.ts';
import { CommandProblem, EXIT, wrongUse } from './exit.ts';
import { keepSignIn, readSignIns } from './sign-ins.ts';
import type { SignIn } from './sign-ins.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Which deployment a command goes to, and as whom. */
export interface Target {
  /** Without `/api/v4` and without a trailing slash. */
  readonly url: string;
  /** Where that is from, for people. */
  readonly from: string;
  /** A token that is good now; refreshed where it can be. Throws when there is none. */
  readonly token: () => Promise<string>;
}

const ENDPOINTS = z.object({
  api: z.string(),
  issuer: z.string(),
  tokens: z.record(z.string(), z.string()),
});

/** A local start of the checkout that this folder is in. */
export interface LocalStart extends z.infer<typeof ENDPOINTS> {
  readonly file: string;
}

/** Looks for `.local/endpoints.json` from this folder upwards; undefined where nothing runs. */
export function findLocalStart(folder: string): LocalStart | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const file = join(at, '.local', 'endpoints.json');
    try {
      return { ...ENDPOINTS.parse(JSON.parse(readFileSync(file, 'utf8'))), file };
    } catch {
      // None here, or one that is being written: as if there were none.
    }
    if (dirname(at) === at) return undefined;
  }
}

/**
 * Chooses the deployment: `--url`, SHEARLINE_URL, the local start of the folder, the last login; in this order. The token is SHEARLINE_TOKEN,
 * that of a login there, or the local start's own.
 */
export function chooseTarget(options: {
  readonly url: string | undefined;
  readonly environment: Environment;
  readonly folder: string;
}): Target {
  const { environment } = options;
  const local = findLocalStart(options.folder);
  const { url, from } = addressOf(options.url, environment, local);
  const given = environment['SHEARLINE_TOKEN'];
  if (given !== undefined && given !== '') {
    if (!/^[\x21-\x7e]+$/.test(given))
      throw wrongUse('SHEARLINE_TOKEN must be one token, without spaces or line ends.');
    return { url, from, token: () => Promise.resolve(given) };
  }
  return {
    url,
    from,
    token: async () => {
      const kept = readSignIns(environment).sign_ins[url];
      if (kept !== undefined) return await goodToken(environment, url, kept);
      const own = local?.api === url ? local.tokens['all'] : undefined;
      if (own !== undefined) return own;
      throw new CommandProblem(EXIT.denied, `Nobody is signed in at ${url}.`, {
        advice: `Sign in: shearline login ${local?.api === url ? '--local' : `--url ${url}`}. In a pipeline: give a token in SHEARLINE_TOKEN.`,
      });
    },
  };
}

function addressOf(
  option: string | undefined,
  environment: Environment,
  local: LocalStart | undefined,
): { readonly url: string; readonly from: string } {
  if (option !== undefined) return { url: parseUrl(option, '--url'), from: '--url' };
  const variable = environment['SHEARLINE_URL'];
  if (variable !== undefined && variable !== '')
    return { url: parseUrl(variable, 'SHEARLINE_URL'), from: 'SHEARLINE_URL' };
  if (local !== undefined) return { url: local.api, from: local.file };
  const { current } = readSignIns(environment);
  if (current !== undefined) return { url: current, from: 'the last login' };
  throw wrongUse(
    'No deployment is named.',
    'Sign in at one: shearline login --url https://keys.example.org. In a checkout, npm start starts a local one.',
  );
}

/** The base address of a deployment. A token goes over plain http to this machine only. */
export function parseUrl(text: string, name: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    url === undefined ||
    !/^https?:$/.test(url.protocol) ||
    url.search !== '' ||
    url.hash !== '' ||
    url.username !== ''
  ) {
    throw wrongUse(`${name} must be the address of a deployment, such as https://keys.example.org, not "${text}".`);
  }
  const base = `${url.origin}${url.pathname}`.replace(/\/+$/, '').replace(/\/api\/v4$/, '');
  if (url.protocol === 'http:' && !LOCAL.test(base)) {
    throw wrongUse(`${name} must be https: a token would go over ${base} in clear.`);
  }
  return base;
}

/** Before its end, so that it does not run out on the way. */
const MARGIN = 30_000;

async function goodToken(environment: Environment, url: string, kept: SignIn): Promise<string> {
  if (kept.expires_at - MARGIN > Date.now()) return kept.access_token;
  const { refreshed } = await import('./login.ts');
  if (kept.refresh_token !== undefined) {
    const next = await refreshed(kept);
    if (next !== undefined) {
      keepSignIn(environment, url, next, false);
      return next.access_token;
    }
    // Another command may have been quicker with the refresh token.
    const meanwhile = readSignIns(environment).sign_ins[url];
    if (meanwhile !== undefined && meanwhile.expires_at - MARGIN > Date.now()) return meanwhile.access_token;
  }
  throw new CommandProblem(EXIT.denied, `The login at ${url} has ended.`, {
    advice: `Sign in again: shearline login --url ${url}.`,
  });
}
