import { nextPage } from '../lib/history/pages.ts';
import { openKeystore } from '../lib/keystores/open.ts';
import { readVaultCounters } from '../lib/records/reading.ts';
import { adopt, planAdoption } from '../lib/unmanaged/adopt.ts';
import { unmanagedKeys } from '../lib/unmanaged/list.ts';
import { placeFrom, placeText, presentUnmanagedKey } from '../lib/unmanaged/view.ts';
import { attempted, audited, deployment } from './deployment.ts';
import { serve } from './http.ts';
import type { Routes } from './http.ts';
import { answerWithKey } from './key-answer.ts';

export const routes: Routes = {
  ListUnmanagedKeysInKeystore: async (call) => {
    const keystore = await openKeystore(deployment(), call, 'list');
    const { limit, after } = call.query;
    const found = await unmanagedKeys(deployment(), keystore, limit, placeFrom(after), call.signal);
    const next = found.next === undefined ? undefined : placeText(found.next);
    const now = deployment().clock();
    return {
      body: {
        ...nextPage(call.url, limit, next),
        unmanaged_keys: found.keys.map((key) => presentUnmanagedKey(key, now)),
      },
    };
  },
  AdoptKeyInKeystore: (call) =>
    attempted(
      call,
      async (attempt, within) => {
        const { clock, newId, database } = deployment();
        const { vaultId } = await openKeystore(deployment(), call, 'create_key');
        // Before the keystore that is decided by: what it was is then void if it is changed.
        const { keystoresGeneration } = await readVaultCounters(database, vaultId);
        const keystore = await openKeystore(deployment(), call, 'create_key');
        const { key_id_in_keystore: keyIdInKeystore, label, description, tags = [] } = call.body;
        const by = { id: newId(), templateId: newId(), subject: call.caller.subject, now: clock() };
        const request = { keyIdInKeystore, label, description, tags };
        const adoption = await planAdoption(deployment(), keystore, request, by, call.signal);
        await adopt(within, attempt, adoption, keystoresGeneration, call.signal);
        return answerWithKey(adoption.key.id, call.baseUrl, 201);
      },
      (id) => answerWithKey(id, call.baseUrl, 201),
    ),
};

export const handler = serve(routes, audited);
