import * as z from 'zod/mini';
import type { ControlRoute } from '../control.ts';
import { ControlError, parseBody } from '../control.ts';
import type { CallCounts } from './calls.ts';
import { VaultError } from './error.ts';
import { faultKinds } from './faults.ts';
import type { Faults } from './faults.ts';
import type { Operator } from './operator.ts';
import { tamper, tamperExamples } from './tamper.ts';

interface Controlled {
  readonly operator: Operator;
  readonly calls: CallCounts;
  readonly faults: Faults;
  readonly quota: { enabled: boolean };
}

const text = z.string().check(z.minLength(1));

const faultInput = z.strictObject({
  kind: z.enum(faultKinds),
  operation: z.optional(text),
  vault: z.optional(text),
  key: z.optional(text),
  times: z.optional(z.int().check(z.minimum(1))),
  latency_ms: z.optional(z.int().check(z.minimum(0))),
});

/** What the control port offers for this sandbox. */
export function controlRoutes({ operator, calls, faults, quota }: Controlled): ControlRoute[] {
  const listedFaults = () => ({
    faults: faults.list().map(({ latencyMs, ...rest }) => ({ ...rest, latency_ms: latencyMs })),
  });
  return [
    {
      method: 'GET',
      path: '/calls',
      summary: 'How often each operation was called, by vault and outcome.',
      answer: () => ({ total: calls.count(), calls: calls.list() }),
    },
    {
      method: 'DELETE',
      path: '/calls',
      summary: 'Counts from zero again.',
      answer: () => {
        calls.reset();
        return { total: 0, calls: [] };
      },
    },
    { method: 'GET', path: '/faults', summary: 'The rules in force.', answer: listedFaults },
    {
      method: 'POST',
      path: '/faults',
      summary: `Makes calls fail. kind is one of ${faultKinds.join(', ')}; every other member narrows the calls it strikes.`,
      example: { kind: 'throttle', operation: 'CreateKey', vault: 'shearline-prod', times: 3 },
      answer: (body) => {
        const { latency_ms: latencyMs, ...rest } = parseBody(faultInput, body);
        try {
          return { id: faults.add({ ...rest, latencyMs }) };
        } catch (error) {
          throw new ControlError(400, error instanceof Error ? error.message : String(error));
        }
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
        return listedFaults();
      },
    },
    {
      method: 'GET',
      path: '/keys',
      summary: 'Every key with its state and versions. ?vault= narrows the list.',
      answer: (_body, query) => ({
        keys: operator
          .keys({ vault: query.get('vault') ?? undefined })
          .map(({ keyType, purgeDate, ...rest }) => ({ ...rest, key_type: keyType, purge_date: purgeDate })),
      }),
    },
    {
      method: 'POST',
      path: '/quota',
      summary: "Turns Azure's transaction limits on or off.",
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
      answer: async (body) => {
        try {
          return await tamper(operator, body);
        } catch (error) {
          if (error instanceof VaultError)
            throw new ControlError(400, `${error.inner ?? error.code}: ${error.message}`);
          throw error;
        }
      },
    },
  ];
}
