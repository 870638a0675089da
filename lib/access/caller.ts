import { parseId } from '../wire/fields.ts';
import { ROLES } from './permissions.ts';
import type { Role } from './permissions.ts';

/** A role, in one vault or (`undefined`) in all. */
export interface RoleGrant {
  readonly role: Role;
  readonly vaultId: string | undefined;
}

/** Who is calling, as their token says. */
export interface Caller {
  readonly subject: string;
  /** For people; undefined when the token has none. */
  readonly name: string | undefined;
  readonly roles: readonly RoleGrant[];
}

type Claims = Readonly<Record<string, unknown>>;

/**
 * Reads the caller from verified claims; undefined when they name nobody. `rolesClaim` is a claim's name, or a dotted path into it
 * (`realm_access.roles`). Roles that are unknown or name no vault properly are left out: a role never means more than it says.
 */
export function callerOf(claims: Claims, rolesClaim: string): Caller | undefined {
  // Machines may have no subject: then the client is the caller.
  const subject = firstText(claims, ['sub', 'client_id', 'azp']);
  if (subject === undefined) return undefined;
  const name = firstText(claims, ['name', 'preferred_username', 'email']);
  return { subject, name, roles: grantsOf(claimAt(claims, rolesClaim)) };
}

function grantsOf(claim: unknown): readonly RoleGrant[] {
  const entries = typeof claim === 'string' ? claim.split(/[\s,]+/) : Array.isArray(claim) ? claim : [];
  return entries.flatMap((entry: unknown) => (typeof entry === 'string' ? grantOf(entry) : []));
}

function grantOf(entry: string): RoleGrant[] {
  const [name, vault, ...rest] = entry.split('@');
  const role = ROLES.find((known) => known === name);
  if (role === undefined || rest.length > 0) return [];
  if (vault === undefined) return [{ role, vaultId: undefined }];
  const vaultId = parseId(vault);
  return vaultId === undefined ? [] : [{ role, vaultId }];
}

function claimAt(claims: Claims, path: string): unknown {
  // The whole name first: claims named by a URL have dots of their own.
  if (Object.hasOwn(claims, path)) return claims[path];
  let value: unknown = claims;
  for (const part of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Claims)[part];
  }
  return value;
}

function firstText(claims: Claims, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
    if (typeof value === 'string' && value !== '') return value.slice(0, 256);
  }
  return undefined;
}
