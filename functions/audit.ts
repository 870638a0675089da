import { requirePermission } from '../lib/access/permissions.ts';
import { auditEvent, NO_VAULT } from '../lib/records/audit.ts';
import { trail, verifyTrail, verifyTrails } from '../lib/records/trail.ts';
import type { TrailReport } from '../lib/records/trail.ts';
import { audited, records } from './records.ts';
import { serve } from './http.ts';

function presented({ vaultId, events, broken, head }: TrailReport) {
  return { vault_id: vaultId, events, intact: broken === undefined, ...(broken === undefined ? {} : { broken }), head };
}

/** What belongs to no vault takes a role for all of them. */
const scopeOf = (vaultId: string) => (vaultId === NO_VAULT ? undefined : vaultId);

export const handler = serve(
  {
    VerifyAudit: async (call) => {
      const { database } = records();
      const vaultId = call.query['vault.id'];
      requirePermission(call.caller, 'read_audit', vaultId === undefined ? undefined : scopeOf(vaultId));
      const reports = vaultId === undefined ? await verifyTrails(database) : [await verifyTrail(database, vaultId)];
      return { body: { trails: reports.map(presented) } };
    },
    ExportAudit: async (call) => {
      const { 'vault.id': vaultId, after, limit } = call.query;
      requirePermission(call.caller, 'read_audit', scopeOf(vaultId));
      const lines: string[] = [];
      for await (const event of trail(records().database, vaultId, after)) {
        lines.push(`${JSON.stringify(auditEvent.encode(event))}\n`);
        if (lines.length === limit) break;
      }
      return { body: lines.join(''), contentType: 'application/x-ndjson; charset=utf-8' };
    },
  },
  audited,
);
