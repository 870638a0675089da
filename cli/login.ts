import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as oauth from 'oauth4webapi';
import * as z from 'zod/mini';
import { LOCAL } from './api.ts';
import { CommandProblem, EXIT } from './exit.ts';
import type { SignIn } from './sign-ins.ts';

/** Where and as which client to sign in. */
export interface LoginSettings {
  readonly issuer: string;
  readonly clientId: string;
  readonly scope: string;
}

const PROTECTED_RESOURCE = z.object({
  authorization_servers: z.array(z.string()).check(z.minLength(1)),
  scopes_supported: z.optional(z.array(z.string())),
  shearline_cli_client_id: z.optional(z.string()),
});

/** What a deployment says about signing in (RFC 9728). What is given wins. Throws when neither tells the issuer. */
export async function discoverLogin(
  url: string,
  given: {
    readonly issuer?: string | undefined;
    readonly clientId?: string | undefined;
    readonly scope?: string | undefined;
  },
): Promise<LoginSettings> {
  const { issuer, clientId, scope } = given;
  if (issuer !== undefined && clientId !== undefined && scope !== undefined) return { issuer, clientId, scope };
  let told: z.infer<typeof PROTECTED_RESOURCE> | undefined;
  let why: unknown;
  try {
    const resource = new URL(url);
    const response = await oauth.resourceDiscoveryRequest(resource, requestOptions(url));
    told = PROTECTED_RESOURCE.parse(await oauth.processResourceDiscoveryResponse(resource, response));
  } catch (error) {
    why = error;
  }
  const from = issuer ?? told?.authorization_servers[0];
  if (from === undefined) {
    throw new CommandProblem(EXIT.unknown, `${url} does not say where to sign in: ${sentence(why)}`, {
      advice: 'Check the address, or name the issuer: shearline login --issuer https://login.example.org --client-id …',
      cause: why,
    });
  }
  return {
    issuer: from,
    clientId: clientId ?? told?.shearline_cli_client_id ?? 'shearline-cli',
    scope: scope ?? told?.scopes_supported?.join(' ') ?? 'openid profile offline_access',
  };
}

/** Long enough to find a password and a second factor. */
const PATIENCE = 5 * 60_000;

/**
 * The authorization code flow with PKCE (RFC 7636, RFC 8252): the browser comes back to a port of this machine that is open for this one
 * answer. `visit` is shown the address to sign in at; `hint` names the user.
 */
export async function signIn(
  settings: LoginSettings,
  visit: (address: string) => Promise<void>,
  hint?: string,
): Promise<SignIn> {
  const server = await authorizationServer(settings.issuer);
  if (server.authorization_endpoint === undefined) {
    throw new CommandProblem(EXIT.failed, `${settings.issuer} has no authorization endpoint.`, {
      advice: 'Somebody else must get a token for you; give it in SHEARLINE_TOKEN.',
    });
  }
  const client: oauth.Client = { client_id: settings.clientId };
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const nonce = settings.scope.split(' ').includes('openid') ? oauth.generateRandomNonce() : undefined;
  const loopback = await listen();
  try {
    const address = new URL(server.authorization_endpoint);
    const parameters: Readonly<Record<string, string | undefined>> = {
      client_id: settings.clientId,
      redirect_uri: loopback.redirectUri,
      response_type: 'code',
      scope: settings.scope,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
      login_hint: hint,
    };
    for (const [name, value] of Object.entries(parameters)) {
      if (value !== undefined) address.searchParams.set(name, value);
    }
    await visit(address.href);
    const came = oauth.validateAuthResponse(server, client, await loopback.answer, state);
    const response = await oauth.authorizationCodeGrantRequest(
      server,
      client,
      oauth.None(),
      came,
      loopback.redirectUri,
      verifier,
      requestOptions(settings.issuer),
    );
    const tokens = await oauth.processAuthorizationCodeResponse(server, client, response, {
      ...(nonce === undefined ? {} : { expectedNonce: nonce }),
    });
    return kept(settings, tokens, undefined);
  } catch (error) {
    throw problemOf(error, settings.issuer);
  } finally {
    loopback.close();
  }
}

/** The login with a fresh token; undefined when the issuer does not take the refresh token any more. Throws when it cannot be asked. */
export async function refreshed(login: SignIn): Promise<SignIn | undefined> {
  const settings = { issuer: login.issuer, clientId: login.client_id, scope: login.scope };
  if (login.refresh_token === undefined) return undefined;
  const client: oauth.Client = { client_id: login.client_id };
  try {
    const server = await authorizationServer(login.issuer);
    const response = await oauth.refreshTokenGrantRequest(
      server,
      client,
      oauth.None(),
      login.refresh_token,
      requestOptions(login.issuer),
    );
    return kept(settings, await oauth.processRefreshTokenResponse(server, client, response), login.refresh_token);
  } catch (error) {
    if (error instanceof oauth.ResponseBodyError && error.error === 'invalid_grant') return undefined;
    throw problemOf(error, login.issuer);
  }
}

/** Signs in without a browser, at an issuer that asks nothing: it sends whoever comes straight back. */
export async function visitByItself(address: string): Promise<void> {
  const response = await fetch(address, { redirect: 'manual', signal: AbortSignal.timeout(10_000) });
  const back = response.headers.get('location');
  if (back === null) {
    throw new CommandProblem(EXIT.failed, `The issuer at ${new URL(address).origin} wants somebody in a browser.`, {
      advice: 'Leave out --local.',
    });
  }
  await fetch(back, { signal: AbortSignal.timeout(10_000) });
}

/** Opens the user's browser; answers whether one could be started. Where none can, the address is there to be copied. */
export function openBrowser(address: string): Promise<boolean> {
  const command = process.platform === 'darwin' ? 'open' : process.platform === 'win32' ? 'explorer.exe' : 'xdg-open';
  return new Promise((resolve) => {
    const child = spawn(command, [address], { stdio: 'ignore', detached: true });
    child.on('error', () => {
      resolve(false);
    });
    child.on('spawn', () => {
      child.unref();
      resolve(true);
    });
  });
}

async function authorizationServer(issuer: string): Promise<oauth.AuthorizationServer> {
  try {
    const at = new URL(issuer);
    const response = await oauth.discoveryRequest(at, requestOptions(issuer));
    return await oauth.processDiscoveryResponse(at, response);
  } catch (error) {
    throw problemOf(error, issuer);
  }
}

/** Plain http to this machine alone. */
function requestOptions(at: string) {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- Marked so by the library to stand out.
  const insecure = { [oauth.allowInsecureRequests]: LOCAL.test(at) };
  return { ...insecure, signal: () => AbortSignal.timeout(15_000) };
}

function kept(settings: LoginSettings, tokens: oauth.TokenEndpointResponse, refreshToken: string | undefined): SignIn {
  const refresh = tokens.refresh_token ?? refreshToken;
  return {
    issuer: settings.issuer,
    client_id: settings.clientId,
    scope: settings.scope,
    access_token: tokens.access_token,
    ...(refresh === undefined ? {} : { refresh_token: refresh }),
    // An issuer that does not say is believed for five minutes; the API says earlier when it is over.
    expires_at: Date.now() + (tokens.expires_in ?? 300) * 1000,
  };
}

interface Loopback {
  readonly redirectUri: string;
  readonly answer: Promise<URL>;
  close(): void;
}

async function listen(): Promise<Loopback> {
  const path = '/signed-in';
  const { promise: answer, resolve, reject } = Promise.withResolvers<URL>();
  answer.catch(() => undefined);
  const server = createServer((request, response) => {
    const asked = new URL(request.url ?? '/', 'http://127.0.0.1');
    if (request.method !== 'GET' || asked.pathname !== path) {
      response.writeHead(404).end();
      return;
    }
    const failed = asked.searchParams.has('error');
    response.writeHead(200, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
      'cache-control': 'no-store',
      connection: 'close',
    });
    response.end(page(failed));
    resolve(asked);
  });
  await new Promise<void>((ready, failed) => {
    server.once('error', failed);
    server.listen(0, '127.0.0.1', ready);
  });
  const redirectUri = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
  const timer = setTimeout(() => {
    reject(
      new CommandProblem(EXIT.failed, 'Nobody signed in within five minutes.', {
        advice: 'Start again: shearline login.',
      }),
    );
  }, PATIENCE);
  return {
    redirectUri,
    answer,
    close: () => {
      clearTimeout(timer);
      server.close();
      server.closeIdleConnections();
    },
  };
}

function page(failed: boolean): string {
  const says = failed
    ? 'The sign-in was refused. The terminal says why.'
    : 'You are signed in. This page can be closed; the terminal goes on.';
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Shearline</title><style>body{font:1.1rem system-ui;margin:4rem auto;max-width:30rem;padding:0 1rem}</style><h1>Shearline</h1><p>${says}</p></html>\n`;
}

function problemOf(error: unknown, issuer: string): CommandProblem {
  if (error instanceof CommandProblem) return error;
  if (error instanceof oauth.AuthorizationResponseError || error instanceof oauth.ResponseBodyError) {
    const why = error.error_description ?? error.error;
    return new CommandProblem(EXIT.denied, `${issuer} refused the sign-in: ${why}.`, {
      advice: `Its administrator must know the client (--client-id) as a public client with PKCE, with redirects to http://127.0.0.1 on any port.`,
      cause: error,
    });
  }
  return new CommandProblem(EXIT.unknown, `${issuer} cannot be used to sign in: ${sentence(error)}`, {
    advice: 'Check the address of the issuer and the network.',
    cause: error,
  });
}

function sentence(error: unknown): string {
  const reason = error instanceof Error ? (error.cause instanceof Error ? error.cause : error) : undefined;
  const code = (reason as { readonly code?: unknown } | undefined)?.code;
  const text =
    reason === undefined ? 'no answer' : typeof code === 'string' && reason.message === '' ? code : reason.message;
  return text.endsWith('.') ? text : `${text}.`;
}
