import { userInfo } from 'node:os';
import * as z from 'zod/mini';
import { CommandProblem, EXIT, wrongUse } from '../exit.ts';
import { answer, flag, say, text, texts } from '../invocation.ts';
import type { Invocation, Run } from '../invocation.ts';
import { forgetAllSignIns, forgetSignIn, keepSignIn, readSignIns } from '../sign-ins.ts';
import { chooseTarget, findLocalStart, parseUrl } from '../target.ts';
import { facts } from '../terminal.ts';

export const login: Run = async (call) => {
  const { discoverLogin, openBrowser, signIn, visitByItself } = await import('../login.ts');
  const local = flag(call, 'local');
  const roles = texts(call, 'role');
  if (roles.length > 0 && !local)
    throw wrongUse('--role goes with --local: elsewhere the issuer says what roles you have.');
  const url = local ? localUrl(call) : addressOf(call);
  const settings = await discoverLogin(url, {
    issuer: text(call, 'issuer'),
    clientId: text(call, 'clientId'),
    scope: roles.length > 0 ? ['openid', ...roles].join(' ') : text(call, 'scope'),
  });
  const kept = await signIn(
    settings,
    local
      ? visitByItself
      : async (address) => {
          // `--no-browser` is `browser: false` to the parser.
          const opened = call.options['browser'] !== false && (await openBrowser(address));
          say(call, `${opened ? 'Your browser opens. Where it does not, go' : 'Go'} to:\n\n  ${address}\n`);
        },
    local ? userInfo().username : undefined,
  );
  keepSignIn(call.environment, url, kept);
  const who = claimsOf(kept.access_token);
  answer(call, { url, ...who }, () => facts([['signed in at', url], ...factsOf(who)]));
  return EXIT.ok;
};

function localUrl(call: Invocation): string {
  const found = findLocalStart(call.folder);
  if (found !== undefined) return found.api;
  throw new CommandProblem(EXIT.failed, 'No local start was found from this folder upwards.', {
    advice: 'npm start, in a checkout, starts one.',
  });
}

function addressOf(call: Invocation): string {
  const given = text(call, 'url');
  return given === undefined ? call.target().url : parseUrl(given, '--url');
}

export const logout: Run = (call) => {
  if (flag(call, 'all')) {
    forgetAllSignIns(call.environment);
    answer(call, { forgotten: 'all' }, () => 'All logins are forgotten.\n');
    return Promise.resolve(EXIT.ok);
  }
  const given = text(call, 'url');
  const { current } = readSignIns(call.environment);
  const url = given === undefined ? (current ?? call.target().url) : parseUrl(given, '--url');
  const was = forgetSignIn(call.environment, url);
  answer(call, { forgotten: was ? url : null }, () =>
    was ? `The login at ${url} is forgotten.\n` : `There was no login at ${url}.\n`,
  );
  return Promise.resolve(EXIT.ok);
};

export const whoami: Run = async (call) => {
  const target = chooseTarget({ url: text(call, 'url'), environment: call.environment, folder: call.folder });
  const who = claimsOf(await target.token());
  // A token may be refused though it looks good: asked, so that the answer can be relied on.
  const seen = await call.api().send({ method: 'GET', path: '/keystore_types' });
  const skew = seen.date === undefined ? undefined : Math.round((Date.now() - seen.date.getTime()) / 1000);
  answer(call, { url: target.url, from: target.from, ...who, clock_skew_seconds: skew }, () =>
    facts([
      ['deployment', target.url],
      ['known from', target.from],
      ...factsOf(who),
      ['clock', skew === undefined || Math.abs(skew) < 5 ? undefined : `this machine is ${skew} s off the deployment`],
    ]),
  );
  return EXIT.ok;
};

interface Who {
  readonly subject: string | undefined;
  readonly name: string | undefined;
  readonly issuer: string | undefined;
  readonly roles: readonly string[] | undefined;
  readonly expires_at: string | undefined;
}

const CLAIMS = z.object({
  sub: z.optional(z.string()),
  name: z.optional(z.string()),
  iss: z.optional(z.string()),
  exp: z.optional(z.number()),
  roles: z.optional(z.union([z.array(z.string()), z.string()])),
});

/** What the token says of its bearer, as far as it can be read here. It is not verified: the API does that. */
function claimsOf(token: string): Who {
  let read: unknown;
  try {
    read = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
  } catch {
    read = {};
  }
  const parsed = CLAIMS.safeParse(read);
  const { sub, name, iss, exp, roles } = parsed.success ? parsed.data : {};
  return {
    subject: sub,
    name,
    issuer: iss,
    roles: typeof roles === 'string' ? roles.split(/[\s,]+/) : roles,
    expires_at: exp === undefined ? undefined : new Date(exp * 1000).toISOString(),
  };
}

function factsOf(who: Who): (readonly [string, string | undefined])[] {
  return [
    ['as', who.name === undefined ? who.subject : `${who.name} (${who.subject ?? '?'})`],
    ['issuer', who.issuer],
    ['roles', who.roles?.join(', ')],
    ['until', who.expires_at],
  ];
}
