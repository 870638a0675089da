import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { OAuth2Server } from 'oauth2-mock-server';
import type {
  MutableRedirectUri,
  MutableResponse,
  MutableToken,
  TokenRequestIncomingMessage,
} from 'oauth2-mock-server';
import { LOOPBACK } from './ports.ts';

/** The contract's roles. A token names each as `<role>` (for all vaults) or `<role>@<vault id>`. */
export const ROLES = [
  'reader',
  'key_custodian_deployer',
  'key_custodian_creator',
  'vault_administrator',
  'manager',
] as const;
export type Role = (typeof ROLES)[number];

export const AUDIENCE = 'shearline';

export interface LocalIssuer {
  /** The issuer's URL, as it stands in the tokens; discovery is below it. */
  readonly url: string;
  /** A token as this issuer signs it. `roles` as in the claim; `expiresIn` in seconds, default a day, negative for an expired one. */
  mint(options: { subject: string; roles: readonly string[]; expiresIn?: number }): Promise<string>;
  close(): Promise<void>;
}

const DAY = 86_400;
const ROLE = new RegExp(`^(?:${ROLES.join('|')})(?:@[^\\s@]+)?$`);

/**
 * An OpenID Connect issuer for development: it believes whoever asks. With `keyFile` its signing key, and so every token, survives a
 * restart on the same port; otherwise the key is new each time.
 *
 * The token endpoint takes `client_credentials` and the authorization code flow with PKCE. The roles are those named in `scope`; without
 * any, all of them. The subject is the client id, or the `login_hint` of the authorization request.
 */
export async function startIssuer(options: { port?: number; keyFile?: string } = {}): Promise<LocalIssuer> {
  const server = new OAuth2Server();
  const { issuer, service } = server;
  if (options.keyFile !== undefined && existsSync(options.keyFile)) {
    await issuer.keys.add(JSON.parse(readFileSync(options.keyFile, 'utf8')) as Record<string, unknown>);
  } else {
    const key = await issuer.keys.generate('RS256', { kid: randomUUID() });
    if (options.keyFile !== undefined) writeFileSync(options.keyFile, JSON.stringify(key), { mode: 0o600 });
  }

  // The library's codes and refresh tokens remember nothing about who logged in.
  const logins = new Map<string, { subject: string | undefined; scope: string }>();
  const loginOf = (body: TokenRequestIncomingMessage['body'] & { readonly refresh_token?: unknown }) =>
    logins.get(body.code ?? (typeof body.refresh_token === 'string' ? body.refresh_token : ''));
  service.on('beforeAuthorizeRedirect', (redirect: MutableRedirectUri, request: IncomingMessage) => {
    const code = redirect.url.searchParams.get('code');
    const asked = new URL(request.url ?? '/', 'http://issuer').searchParams;
    if (code !== null) {
      logins.set(code, { subject: asked.get('login_hint') ?? undefined, scope: asked.get('scope') ?? '' });
    }
  });
  service.on('beforeTokenSigning', (token: MutableToken, { body }: TokenRequestIncomingMessage) => {
    const login = loginOf(body);
    const subject = login?.subject ?? (typeof body.client_id === 'string' ? body.client_id : 'somebody');
    token.payload['sub'] = subject;
    // An ID token is for the client and keeps the audience that it has.
    const hasIdToken = login !== undefined || body.grant_type === 'refresh_token';
    if (token.payload['aud'] === body.client_id && hasIdToken) return;
    token.payload['aud'] = AUDIENCE;
    token.payload['roles'] = rolesIn(login?.scope ?? body.scope ?? '');
  });
  service.on('beforeResponse', ({ body: answer }: MutableResponse, { body }: TokenRequestIncomingMessage) => {
    const login = loginOf(body);
    const refresh = answer === '' ? undefined : answer['refresh_token'];
    if (login !== undefined && typeof refresh === 'string') logins.set(refresh, login);
  });

  await server.start(options.port ?? 0, LOOPBACK);
  // The library would call it localhost, which may lead to ::1, where nobody listens.
  const url = `http://${LOOPBACK}:${server.address().port}`;
  issuer.url = url;
  return {
    url,
    mint: ({ subject, roles, expiresIn = DAY }) =>
      issuer.buildToken({
        expiresIn,
        scopesOrTransform: (_header, payload) => {
          Object.assign(payload, { sub: subject, aud: AUDIENCE, roles: [...roles] });
        },
      }),
    close: () => server.stop(),
  };
}

function rolesIn(scope: string): readonly string[] {
  const named = scope.split(/\s+/).filter((word) => ROLE.test(word));
  return named.length === 0 ? ROLES : named;
}
