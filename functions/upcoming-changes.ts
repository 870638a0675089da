import { listableVaults } from '../lib/access/permissions.ts';
import { listUpcoming } from '../lib/schedule/list.ts';
import { audited, records } from './records.ts';
import { serve } from './http.ts';

export const handler = serve(
  {
    ListUpcomingChanges: async (call) => {
      const { database, clock } = records();
      return { body: await listUpcoming(database, clock, listableVaults(call.caller), call) };
    },
  },
  audited,
);
