import * as oauth from 'oauth4webapi';
import { callerFrom } from './caller.ts';
import type { Caller } from './caller.ts';
import { settings } from './settings.ts';

/** The tokens live in this module's memory only: no storage ever holds one, and a reload asks the issuer again. */
export interface Session {
  readonly accessToken: string;
  readonly caller: Caller;
}

/** Somebody to be at the local issuer, which believes whoever asks. */
export interface LocalPerson {
  readonly name: string;
  readonly roles: readonly string[];
}

interface Tokens {
  readonly refreshToken: string | undefined;
  readonly expiresAt: number;
}

/** What must survive the way to the issuer and back. None of it is a token. */
interface Underway {
  readonly verifier: string;
  readonly state: string;
  readonly nonce: string;
  readonly returnTo: string;
}

const UNDERWAY = 'shearline.sign-in';
/** Says that this tab was signed in, and as whom locally: a reload goes straight to the issuer, which still knows its user. */
const RESUME = 'shearline.resume';
const CALLBACK = '/console/signed-in';
/** Renewed so long before its end, in milliseconds. */
const EARLY = 30_000;

// Deprecated so that it stands out; there is no other way to speak to an issuer of a development machine.
// eslint-disable-next-line @typescript-eslint/no-deprecated
const INSECURE: typeof oauth.allowInsecureRequests = oauth.allowInsecureRequests;

let session: Session | undefined;
let tokens: Tokens | undefined;
const listeners = new Set<() => void>();

/** For `useSyncExternalStore`. */
export function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
export function currentSession(): Session | undefined {
  return session;
}

/** Goes to the issuer; the page is left. `returnTo` is a path of the console. */
export async function signIn(returnTo: string, person?: LocalPerson): Promise<void> {
  const [given, issuer] = await Promise.all([settings(), discover()]);
  const verifier = oauth.generateRandomCodeVerifier();
  const underway: Underway = {
    verifier,
    state: oauth.generateRandomState(),
    nonce: oauth.generateRandomNonce(),
    returnTo,
  };
  sessionStorage.setItem(UNDERWAY, JSON.stringify(underway));
  sessionStorage.setItem(RESUME, JSON.stringify(person ?? {}));
  if (issuer.authorization_endpoint === undefined) throw new Error('The issuer has no authorization endpoint.');
  const url = new URL(issuer.authorization_endpoint);
  const asked = {
    response_type: 'code',
    client_id: given.client_id,
    redirect_uri: `${location.origin}${CALLBACK}`,
    scope: [given.scope, ...(person?.roles ?? [])].join(' '),
    audience: given.audience,
    state: underway.state,
    nonce: underway.nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...(person === undefined ? {} : { login_hint: person.name }),
  };
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
  location.assign(url);
}

/**
 * Called once when the console starts. Finishes a sign-in that comes back from the issuer and answers where to go on; takes up one that a
 * reload ended. Throws when the issuer refused.
 */
export async function arrive(): Promise<{ readonly goTo: string } | { readonly leaving: true } | undefined> {
  const here = new URL(location.href);
  if (here.pathname === CALLBACK) return { goTo: await finish(here) };
  const resume = sessionStorage.getItem(RESUME);
  if (resume === null) return undefined;
  // Should the issuer fail, the next start shows the sign-in page instead of coming here again.
  sessionStorage.removeItem(RESUME);
  const person = JSON.parse(resume) as Partial<LocalPerson>;
  const known = person.name !== undefined && person.roles !== undefined;
  await signIn(`${here.pathname}${here.search}`, known ? { name: person.name, roles: person.roles } : undefined);
  return { leaving: true };
}

async function finish(here: URL): Promise<string> {
  const stored = sessionStorage.getItem(UNDERWAY);
  sessionStorage.removeItem(UNDERWAY);
  if (stored === null) return '/console';
  const { verifier, state, nonce, returnTo } = JSON.parse(stored) as Underway;
  const [given, issuer] = await Promise.all([settings(), discover()]);
  const client: oauth.Client = { client_id: given.client_id };
  const parameters = oauth.validateAuthResponse(issuer, client, here, state);
  const response = await oauth.authorizationCodeGrantRequest(
    issuer,
    client,
    oauth.None(),
    parameters,
    `${here.origin}${CALLBACK}`,
    verifier,
    insecureLocally(given.issuer),
  );
  accept(
    await oauth.processAuthorizationCodeResponse(issuer, client, response, { expectedNonce: nonce }),
    given.roles_claim,
  );
  return returnTo;
}

/** A token that is good for a while; undefined when the user has to sign in again. */
export async function accessToken(): Promise<string | undefined> {
  if (tokens !== undefined && tokens.expiresAt - EARLY < Date.now()) await renew();
  return session?.accessToken;
}

let renewing: Promise<void> | undefined;

function renew(): Promise<void> {
  renewing ??= (async () => {
    try {
      const refreshToken = tokens?.refreshToken;
      if (refreshToken === undefined) return;
      const [given, issuer] = await Promise.all([settings(), discover()]);
      const client: oauth.Client = { client_id: given.client_id };
      const response = await oauth.refreshTokenGrantRequest(
        issuer,
        client,
        oauth.None(),
        refreshToken,
        insecureLocally(given.issuer),
      );
      accept(await oauth.processRefreshTokenResponse(issuer, client, response), given.roles_claim);
    } catch (error) {
      // Only a refusal ends the session; an issuer that is away now may be back when the token has really run out.
      if (error instanceof oauth.ResponseBodyError) signOut();
    } finally {
      renewing = undefined;
    }
  })();
  return renewing;
}

function accept(answer: oauth.TokenEndpointResponse, rolesClaim: string): void {
  session = { accessToken: answer.access_token, caller: callerFrom(answer.access_token, rolesClaim) };
  tokens = {
    refreshToken: answer.refresh_token ?? tokens?.refreshToken,
    expiresAt: Date.now() + (answer.expires_in ?? 3600) * 1000,
  };
  tell();
}

/** Forgets the tokens. What was on the screen goes with the session. */
export function signOut(): void {
  session = undefined;
  tokens = undefined;
  sessionStorage.removeItem(RESUME);
  tell();
}

function tell(): void {
  for (const listener of listeners) listener();
}

let discovered: Promise<oauth.AuthorizationServer> | undefined;

function discover(): Promise<oauth.AuthorizationServer> {
  discovered ??= (async () => {
    const issuer = new URL((await settings()).issuer);
    const response = await oauth.discoveryRequest(issuer, { algorithm: 'oidc', ...insecureLocally(issuer.href) });
    return await oauth.processDiscoveryResponse(issuer, response);
  })();
  discovered.catch(() => {
    discovered = undefined;
  });
  return discovered;
}

/** Plain HTTP is for an issuer on this very machine. */
function insecureLocally(issuer: string): { readonly [INSECURE]?: boolean } {
  const { protocol, hostname } = new URL(issuer);
  return protocol === 'http:' && ['127.0.0.1', 'localhost', '[::1]'].includes(hostname) ? { [INSECURE]: true } : {};
}
