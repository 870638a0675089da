import { listableVaults, requirePermission } from '../lib/access/permissions.ts';
import { Fault } from '../lib/fault.ts';
import { associationsOf, listAssociations } from '../lib/keys/associated.ts';
import { kindOf } from '../lib/keys/create.ts';
import { listKeys } from '../lib/keys/list.ts';
import { disconnect, instancesIn, previewDisconnect } from '../lib/keystores/disconnect.ts';
import type { Keystore } from '../lib/keystores/keystore.ts';
import { listKeystores } from '../lib/keystores/list.ts';
import { openKeystore, showKeystore } from '../lib/keystores/open.ts';
import { presentHealth, presentKeystore } from '../lib/keystores/view.ts';
import { newKeystoreFrom } from '../lib/keystores/wire.ts';
import { checkHealth, createKeystore, newKeystore, tryConnection } from '../lib/keystores/write.ts';
import { readKeystoreHealth, readVault } from '../lib/records/reading.ts';
import { attempted, audited, deployment } from './deployment.ts';
import { etagOf, requireVault, serve } from './http.ts';
import type { Call, Routes } from './http.ts';

async function answer(keystore: Keystore, baseUrl: string, status: 200 | 201 = 200) {
  const body = await showKeystore(deployment(), keystore, baseUrl);
  const location = status === 201 ? body.href : undefined;
  return { status, body, etag: etagOf(keystore.id, keystore.revision), location };
}

async function requireConnectable(call: Call<'CreateKeystore'>) {
  const { id } = call.body.vault;
  requirePermission(call.caller, 'write_keystore', id);
  requireVault(call.vaultHeader, id);
  const vault = await readVault(deployment().database, id);
  if (vault === undefined) {
    throw new Fault('not_found', {
      message: 'There is no such vault, or you may not see it.',
      target: { type: 'field', name: 'vault.id' },
    });
  }
  kindOf(call.body.type);
  return vault;
}

export const routes: Routes = {
  ListKeystores: async (call) => ({
    body: await listKeystores(deployment().database, listableVaults(call.caller), call),
  }),
  CreateKeystore: (call) =>
    attempted(
      call,
      async (attempt, within) => {
        const vault = await requireConnectable(call);
        const given = newKeystoreFrom(call.body);
        const keystore = newKeystore(deployment(), call.caller.subject, given);
        if (call.dryRun) {
          const health = await tryConnection(deployment(), keystore, given.secrets, call.signal);
          return { status: 200, body: presentKeystore(keystore, health, vault, call.baseUrl) };
        }
        await createKeystore(within, attempt, keystore, given.secrets, call.signal);
        return answer(keystore, call.baseUrl, 201);
      },
      async (id) => answer(await openKeystore(deployment(), { ...call, id }, 'read'), call.baseUrl, 201),
    ),
  GetKeystore: async (call) => answer(await openKeystore(deployment(), call, 'read'), call.baseUrl),
  DeleteKeystore: (call) =>
    attempted(call, async (attempt, within) => {
      const keystore = await openKeystore(deployment(), call, 'write_keystore');
      const mode = call.query.mode ?? 'restrict';
      if (call.dryRun) {
        const planned_changes = await previewDisconnect(within, keystore, mode, call.signal);
        return {
          status: 200,
          body: JSON.stringify({ planned_changes }),
          contentType: 'application/json; charset=utf-8',
        };
      }
      await disconnect(within, attempt, keystore, mode, call.signal);
      return {};
    }),
  GetKeystoreStatus: async (call) => {
    const keystore = await openKeystore(deployment(), call, 'read');
    await checkHealth(deployment(), keystore, call.signal);
    return { body: presentHealth(await readKeystoreHealth(deployment().database, keystore.id)) };
  },
  ListManagedKeysFromKeystore: async (call) => {
    const keystore = await openKeystore(deployment(), call, 'list');
    return { body: await listKeys(deployment().database, new Set([keystore.vaultId]), call, keystore.id) };
  },
  ListAssociatedResourcesForTargetKeystore: async (call) => {
    const keystore = await openKeystore(deployment(), call, 'list');
    const instances = await instancesIn(deployment(), keystore.id);
    const keystores = new Map([[keystore.id, keystore]]);
    const associations = await associationsOf(deployment(), instances, keystores, call.signal);
    const vault = await readVault(deployment().database, keystore.vaultId);
    return { body: listAssociations(associations, vault, call) };
  },
};

export const handler = serve(routes, audited);
