import { listableVaults, notFound, requirePermission } from '../lib/access/permissions.ts';
import { readDrift } from '../lib/fleet/drift.ts';
import type { HistoryEntry } from '../lib/history/entry.ts';
import { nextPage } from '../lib/history/pages.ts';
import { historyOf, placeOf } from '../lib/history/read.ts';
import { presentEntry } from '../lib/history/view.ts';
import { isAnyOf } from '../lib/list.ts';
import { readManagedKey } from '../lib/records/reading.ts';
import { requireVault, serve } from './http.ts';
import { audited, records } from './records.ts';

export const handler = serve(
  {
    GetManagedKeyHistory: async (call) => {
      const { database } = records();
      const key = await readManagedKey(database, call.id);
      if (key === undefined) throw notFound();
      requirePermission(call.caller, 'read', key.vaultId);
      requireVault(call.vaultHeader, key.vaultId);
      const { limit, after, kind } = call.query;
      const entries: HistoryEntry[] = [];
      let next: string | undefined;
      for await (const entry of historyOf(database, key.id, { after, pageSize: limit + 2 })) {
        if (!isAnyOf(kind, entry.kind)) continue;
        const last = entries.at(-1);
        if (entries.length === limit && last !== undefined) {
          next = placeOf(last);
          break;
        }
        entries.push(entry);
      }
      const body = {
        ...nextPage(call.url, limit, next),
        entries: entries.map((entry) => presentEntry(entry, call.baseUrl)),
      };
      return { body };
    },
    ListDrift: async (call) => {
      const { database, clock } = records();
      return { body: await readDrift(database, clock, listableVaults(call.caller), call) };
    },
  },
  audited,
);
