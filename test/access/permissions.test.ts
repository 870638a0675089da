import { describe, expect, it } from 'vitest';
import { callerOf } from '../../lib/access/caller.ts';
import type { Caller } from '../../lib/access/caller.ts';
import {
  listableVaults,
  may,
  PERMISSIONS,
  requirePermission,
  ROLES,
  vaultsFor,
  visibleVaults,
} from '../../lib/access/permissions.ts';
import type { Action, Role } from '../../lib/access/permissions.ts';
import { Fault } from '../../lib/fault.ts';
import { OPERATIONS } from '../../lib/wire/operations.ts';

const HERE = '6f1c1a2e-9b1d-4c58-8a43-0d4a9f4f5a10';
const ELSEWHERE = '0b8e5c0e-3f43-4f0e-9a65-5f2f7f0f4c11';

function caller(...roles: string[]): Caller {
  const made = callerOf({ sub: 'ada', roles }, 'roles');
  if (made === undefined) throw new Error('nobody');
  return made;
}

/** The table of the contract, written out once more by hand: reader, deployer, creator, vault administrator, manager. */
const TABLE: Record<Action, string> = {
  read: 'RDCVM',
  list: '-DCVM',
  create_key: '--C--',
  change_key_state: '-D---',
  align_key: '-DC--',
  edit_key: '-DC--',
  destroy_pre_active_key: '-DC--',
  destroy_deactivated_key: '---V-',
  write_keystore: '---V-',
  write_template: '--CV-',
  delete_template: '---V-',
  write_vault: '---V-',
  // Beyond the contract.
  read_audit: '---VM',
  diagnose: '---VM',
  write_subscription: '---V-',
};

const matrix = Object.entries(TABLE).flatMap(([action, row]) =>
  ROLES.map((role, index): [Role, Action, boolean] => [role, action as Action, row[index] !== '-']),
);

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'allowed';
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
}

describe('the role table', () => {
  it('has no action beside those of the contract', () => {
    expect(Object.keys(PERMISSIONS).sort()).toEqual(Object.keys(TABLE).sort());
    expect(matrix).toHaveLength(75);
  });

  it.each(matrix)('%s, %s: %s', (role, action, allowed) => {
    expect(may(caller(role), action, HERE)).toBe(allowed);
    expect(may(caller(`${role}@${HERE}`), action, HERE)).toBe(allowed);
    expect(may(caller(`${role}@${HERE}`), action, ELSEWHERE)).toBe(false);
    const requiring = (of: string, vaultId: string) =>
      codeOf(() => {
        requirePermission(caller(of), action, vaultId);
      });
    expect(requiring(role, HERE)).toBe(allowed ? 'allowed' : 'forbidden');
    expect(requiring(`${role}@${HERE}`, ELSEWHERE)).toBe('not_found');
  });

  it('is asked by every operation', () => {
    const asked = new Set(Object.values(OPERATIONS).flatMap((row) => row.actions as readonly Action[]));
    expect([...asked].sort()).toEqual(Object.keys(TABLE).sort());
    for (const [id, row] of Object.entries(OPERATIONS)) {
      const reading: readonly string[] = ['read', 'list', 'read_audit', 'diagnose'];
      const reads = row.actions.some((action) => reading.includes(action));
      expect(reads, id).toBe(row.method === 'GET');
    }
  });
});

describe('a caller', () => {
  it('who may see a vault but not act there is told which role is needed', () => {
    expect(() => {
      requirePermission(caller('reader'), 'create_key', HERE);
    }).toThrow('The role key_custodian_creator is needed to create or rotate keys.');
  });

  it('adds up roles, vault by vault', () => {
    const both = caller(`reader@${HERE}`, `key_custodian_creator@${ELSEWHERE}`);
    expect(may(both, 'create_key', ELSEWHERE)).toBe(true);
    expect(may(both, 'create_key', HERE)).toBe(false);
    expect(visibleVaults(both)).toEqual(new Set([HERE, ELSEWHERE]));
    expect(listableVaults(both)).toEqual(new Set([ELSEWHERE]));
    expect(vaultsFor(caller('manager', `reader@${HERE}`), 'read')).toBe('all');
    expect(vaultsFor(caller(), 'read')).toEqual(new Set());
  });

  it('who only reads may not list: 403', () => {
    for (const roles of [['reader'], [`reader@${HERE}`], []]) {
      expect(codeOf(() => listableVaults(caller(...roles)))).toBe('forbidden');
    }
  });

  it('needs a role for all vaults to make a vault', () => {
    const requiring = (role: string) =>
      codeOf(() => {
        requirePermission(caller(role), 'write_vault', undefined);
      });
    expect(requiring('vault_administrator')).toBe('allowed');
    expect(requiring(`vault_administrator@${HERE}`)).toBe('forbidden');
    expect(requiring('manager')).toBe('forbidden');
  });

  it('without roles sees nothing', () => {
    expect(
      codeOf(() => {
        requirePermission(caller(), 'read', HERE);
      }),
    ).toBe('not_found');
  });
});

describe('claims', () => {
  const roles = (claim: unknown, name = 'roles') => callerOf({ sub: 'ada', [name]: claim }, name)?.roles;

  it('carry roles as a list or a text of them', () => {
    const expected = [
      { role: 'reader', vaultId: undefined },
      { role: 'manager', vaultId: HERE },
    ];
    expect(roles(['reader', `manager@${HERE.toUpperCase()}`])).toEqual(expected);
    expect(roles(`reader manager@${HERE}`)).toEqual(expected);
    expect(roles(`reader, manager@${HERE}`)).toEqual(expected);
  });

  it('never mean more than they say', () => {
    for (const claim of [
      'root',
      'READER',
      'reader@',
      'reader@*',
      'reader@all',
      `reader@${HERE}@${HERE}`,
      '@',
      `@${HERE}`,
      '',
      undefined,
      null,
      7,
      true,
      {},
      { reader: true },
      [['reader']],
      [null, 7],
      'toString',
      '__proto__',
    ]) {
      expect(roles(claim), JSON.stringify(claim)).toEqual([]);
    }
  });

  it('are found under a path, or under a name with dots', () => {
    const reader = [{ role: 'reader', vaultId: undefined }];
    expect(callerOf({ sub: 'a', realm_access: { roles: ['reader'] } }, 'realm_access.roles')?.roles).toEqual(reader);
    expect(roles(['reader'], 'https://shearline.example/roles')).toEqual(reader);
    expect(callerOf({ sub: 'a' }, 'constructor.name')?.roles).toEqual([]);
  });

  it('name the caller by subject, or by client for machines', () => {
    expect(callerOf({ sub: 'ada', name: 'Ada' }, 'roles')).toMatchObject({ subject: 'ada', name: 'Ada' });
    expect(callerOf({ client_id: 'ci' }, 'roles')).toMatchObject({ subject: 'ci', name: undefined });
    expect(callerOf({ sub: '', roles: ['manager'] }, 'roles')).toBeUndefined();
    expect(callerOf({ sub: 7 }, 'roles')).toBeUndefined();
  });
});
