import { ROLES, may as mayDo, PERMISSIONS } from '../../lib/access/permissions.ts';
import type { Action, Role } from '../../lib/access/permissions.ts';
import { text } from '../text/text.ts';

export { ROLES };
export type { Action, Role };

/** Who is signed in, as their token says; what they may do is decided by the API alone. */
export interface Caller {
  readonly subject: string;
  readonly name: string | undefined;
  /** Undefined when the token cannot be read here: then everything is offered, and the API refuses. */
  readonly roles: readonly { readonly role: Role; readonly vaultId: string | undefined }[] | undefined;
}

/** Reads what an access token says about its bearer. Nothing is verified: the console only shows it. */
export function callerFrom(accessToken: string, rolesClaim: string): Caller {
  const claims = claimsOf(accessToken);
  if (claims === undefined) return { subject: '', name: undefined, roles: undefined };
  const asText = (name: string) => (typeof claims[name] === 'string' ? claims[name] : undefined);
  const claim = Object.hasOwn(claims, rolesClaim) ? claims[rolesClaim] : at(claims, rolesClaim.split('.'));
  const entries = typeof claim === 'string' ? claim.split(/[\s,]+/) : Array.isArray(claim) ? (claim as unknown[]) : [];
  return {
    subject: asText('sub') ?? asText('client_id') ?? '',
    name: asText('name') ?? asText('preferred_username') ?? asText('email'),
    roles: entries.flatMap((entry) => {
      if (typeof entry !== 'string') return [];
      const [name, vaultId] = entry.split('@');
      const role = ROLES.find((known) => known === name);
      return role === undefined ? [] : [{ role, vaultId: vaultId?.toLowerCase() }];
    }),
  };
}

/** Why the caller may not do it in this vault, as a sentence; undefined when they may. Without a vault: in some vault. */
export function refusal({ roles }: Caller, action: Action, vaultId?: string): string | undefined {
  if (roles === undefined) return undefined;
  const allowed = roles.some((grant) =>
    mayDo({ subject: '', name: undefined, roles: [grant] }, action, vaultId ?? grant.vaultId),
  );
  if (allowed) return undefined;
  const { does, roles: needed } = PERMISSIONS[action];
  return text.roles.needed(
    needed.map((role) => text.roles.names[role]),
    does,
  );
}

type Claims = Readonly<Record<string, unknown>>;

function claimsOf(token: string): Claims | undefined {
  try {
    const [, payload = ''] = token.split('.');
    const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (each) =>
      each.charCodeAt(0),
    );
    const read: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof read === 'object' && read !== null ? (read as Claims) : undefined;
  } catch {
    return undefined;
  }
}

function at(claims: Claims, path: readonly string[]): unknown {
  let value: unknown = claims;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Claims)[part];
  }
  return value;
}
