import * as z from 'zod/mini';
import type { CallCounts } from '../aws-kms/calls.ts';
import type { ControlRoute } from '../control.ts';
import { ControlError, parseBody } from '../control.ts';
import { GoogleError } from './error.ts';
import type { Faults } from './faults.ts';
import { faultKinds } from './faults.ts';
import type { SandboxServiceAccount, ServiceAccountFile } from './oauth.ts';
import type { Operator } from './operator.ts';
import { tamper, tamperExamples } from './tamper.ts';

interface Controlled {
  operator: Operator;
  calls: CallCounts;
  faults: Faults;
  quota: { enabled: boolean };
  credentials: (projectId: string) => ServiceAccountFile;
  serviceAccounts: readonly SandboxServiceAccount[];
}

const text = z.string().check(z.minLength(1));

const faultInput = z.strictObject({
  kind: z.enum(faultKinds),
  operation: z.optional(text),
  location: z.optional(text),
  resource: z.optional(text),
  times: z.optional(z.int().check(z.minimum(1))),
  latency_ms: z.optional(z.int().check(z.minimum(0))),
});

/** What the control port offers for this sandbox. */
export function controlRoutes(sandbox: Controlled): ControlRoute[] {
  return [...callRoutes(sandbox), ...faultRoutes(sandbox), ...stateRoutes(sandbox)];
}

function callRoutes({ calls }: Controlled): ControlRoute[] {
  const counts = () => ({
    total: calls.count(),
    calls: calls.list().map(({ region, ...rest }) => ({ location: region, ...rest })),
  });
  return [
    {
      method: 'GET',
      path: '/calls',
      summary: 'How often each method was called, by location and outcome.',
      answer: counts,
    },
    {
      method: 'DELETE',
      path: '/calls',
      summary: 'Counts from zero again.',
      answer: () => {
        calls.reset();
        return counts();
      },
    },
  ];
}

function faultRoutes({ faults }: Controlled): ControlRoute[] {
  const listed = () => ({
    faults: faults
      .list()
      .map(({ latencyMs, ...rest }) => (latencyMs === undefined ? rest : { ...rest, latency_ms: latencyMs })),
  });
  return [
    { method: 'GET', path: '/faults', summary: 'The rules in force.', answer: listed },
    {
      method: 'POST',
      path: '/faults',
      summary: `Makes calls fail. kind is one of ${faultKinds.join(', ')}; every other member narrows the calls it strikes.`,
      example: { kind: 'throttle', operation: 'CreateCryptoKey', location: 'europe-west3', times: 3 },
      answer: (body) => {
        const { latency_ms: latencyMs, ...rest } = parseBody(faultInput, body);
        return { id: faults.add({ ...rest, latencyMs }) };
      },
    },
    {
      method: 'DELETE',
      path: '/faults',
      summary: 'Removes one rule (?id=fault-1) or all of them.',
      answer: (_body, query) => {
        const id = query.get('id');
        if (id === null) faults.clear();
        else if (!faults.remove(id)) throw new ControlError(404, `No fault has the id ${id}.`);
        return listed();
      },
    },
  ];
}

function stateRoutes({ operator, quota, credentials, serviceAccounts }: Controlled): ControlRoute[] {
  return [
    {
      method: 'GET',
      path: '/keys',
      summary: 'Every key with its labels and the states of its versions.',
      answer: () => ({
        keys: operator.keys().map(({ importOnly, destroyScheduledSeconds, versions, ...rest }) => ({
          ...rest,
          import_only: importOnly,
          destroy_scheduled_seconds: destroyScheduledSeconds,
          versions: versions.map(({ protectionLevel, hasMaterial, destroyTime, ...version }) => ({
            ...version,
            protection_level: protectionLevel,
            has_material: hasMaterial,
            destroy_time: destroyTime,
          })),
        })),
      }),
    },
    {
      method: 'GET',
      path: '/credentials',
      summary: "A service account's key, as the value of google_credentials. ?project= says of which project.",
      answer: (_body, query) => {
        const project = query.get('project') ?? serviceAccounts[0]?.projectId ?? '';
        if (!serviceAccounts.some(({ projectId }) => projectId === project)) {
          throw new ControlError(404, `No service account belongs to the project ${project}.`);
        }
        return credentials(project);
      },
    },
    {
      method: 'POST',
      path: '/quota',
      summary: "Turns Google's request rates on or off.",
      example: { enabled: true },
      answer: (body) => {
        quota.enabled = parseBody(z.strictObject({ enabled: z.boolean() }), body).enabled;
        return { enabled: quota.enabled };
      },
    },
    {
      method: 'POST',
      path: '/tamper',
      summary: 'Changes something behind every client, as an operator at the cloud would. One example per action.',
      example: tamperExamples,
      answer: (body) => {
        try {
          return tamper(operator, body);
        } catch (error) {
          if (error instanceof GoogleError) throw new ControlError(400, `${error.status}: ${error.message}`);
          throw error;
        }
      },
    },
  ];
}
