import { requirePermission } from '../lib/access/permissions.ts';
import { diagnose } from '../lib/doctor/diagnose.ts';
import type { Finding, FindingVerdict } from '../lib/doctor/finding.ts';
import { audited, deployment } from './deployment.ts';
import { serve } from './http.ts';

/** Best first. */
const BY_WEIGHT = ['ok', 'warning', 'unknown', 'failed'] as const satisfies readonly FindingVerdict[];

function worst(findings: readonly Finding[]): FindingVerdict {
  const weights = findings.map(({ verdict }) => BY_WEIGHT.indexOf(verdict));
  return BY_WEIGHT[Math.max(0, ...weights)] ?? 'unknown';
}

/** Looks at the deployment's own parts and at every keystore, with calls that change nothing. For those with a role for all vaults. */
export const handler = serve(
  {
    GetDiagnosis: async (call) => {
      requirePermission(call.caller, 'diagnose', undefined);
      const findings = await diagnose(
        deployment(),
        {
          queues: (process.env['DOCTOR_QUEUES'] ?? '').split(' ').filter((name) => name !== ''),
          allowsInsecureKeystores: process.env['ALLOW_INSECURE_KEYSTORE_ENDPOINTS'] === 'true',
        },
        call.signal,
      );
      return {
        body: { checked_at: deployment().clock().toISOString(), verdict: worst(findings), findings: [...findings] },
      };
    },
  },
  audited,
);
