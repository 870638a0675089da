import * as z from 'zod/mini';
import type { ControlRoute } from '../control.ts';
import { ControlError, parseBody } from '../control.ts';
import type { CallCounts } from './calls.ts';
import { KmsError } from './error.ts';
import { faultKinds } from './faults.ts';
import type { Faults } from './faults.ts';
import type { Operator } from './operator.ts';
import type { SandboxAccount } from './sigv4.ts';
import { tamper, tamperExamples } from './tamper.ts';

interface Controlled {
  operator: Operator;
  calls: CallCounts;
  faults: Faults;
  quota: { enabled: boolean };
  accounts: readonly SandboxAccount[];
}

const text = z.string().check(z.minLength(1));
const milliseconds = z.int().check(z.minimum(0));

const faultInput = z.strictObject({
  kind: z.enum(faultKinds),
  operation: z.optional(text),
  region: z.optional(text),
  account_id: z.optional(text),
  key_id: z.optional(text),
  times: z.optional(z.int().check(z.minimum(1))),
  latency_ms: z.optional(milliseconds),
  lag_ms: z.optional(milliseconds),
});

/** What the control port offers for this sandbox. */
export function controlRoutes(sandbox: Controlled): ControlRoute[] {
  return [...callRoutes(sandbox), ...faultRoutes(sandbox), ...stateRoutes(sandbox)];
}

function callRoutes({ calls }: Controlled): ControlRoute[] {
  return [
    {
      method: 'GET',
      path: '/calls',
      summary: 'How often each operation was called, by region and outcome.',
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
  ];
}

function faultRoutes({ faults }: Controlled): ControlRoute[] {
  return [
    {
      method: 'GET',
      path: '/faults',
      summary: 'The rules in force.',
      answer: () => ({ faults: faults.list().map(snakeCased) }),
    },
    {
      method: 'POST',
      path: '/faults',
      summary: `Makes calls fail. kind is one of ${faultKinds.join(', ')}; every other member narrows the calls it strikes.`,
      example: { kind: 'throttle', operation: 'CreateKey', region: 'eu-central-1', times: 3 },
      answer: (body) => ({ id: addFault(faults, body) }),
    },
    {
      method: 'DELETE',
      path: '/faults',
      summary: 'Removes one rule (?id=fault-1) or all of them.',
      answer: (_body, query) => removeFaults(faults, query.get('id')),
    },
  ];
}

function addFault(faults: Faults, body: unknown): string {
  const {
    account_id: accountId,
    key_id: keyId,
    latency_ms: latencyMs,
    lag_ms: lagMs,
    ...rest
  } = parseBody(faultInput, body);
  try {
    return faults.add({ ...rest, accountId, keyId, latencyMs, lagMs });
  } catch (error) {
    throw new ControlError(400, error instanceof Error ? error.message : String(error));
  }
}

function removeFaults(faults: Faults, id: string | null): unknown {
  if (id === null) faults.clear();
  else if (!faults.remove(id)) throw new ControlError(404, `No fault has the id ${id}.`);
  return { faults: faults.list().map(snakeCased) };
}

/** Members as this port spells them everywhere. */
function snakeCased(members: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(members).map(([name, value]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value,
    ]),
  );
}

function stateRoutes({ operator, quota, accounts }: Controlled): ControlRoute[] {
  return [
    {
      method: 'GET',
      path: '/keys',
      summary: 'Every key with its state. ?region= and ?account_id= narrow the list.',
      answer: (_body, query) => ({
        keys: operator
          .keys({ region: query.get('region') ?? undefined, accountId: query.get('account_id') ?? undefined })
          .map(({ tags, ...rest }) => ({ ...snakeCased(rest), tags })),
      }),
    },
    {
      method: 'GET',
      path: '/custom_key_stores',
      summary: 'Every custom key store with its connection state.',
      answer: () => ({ custom_key_stores: operator.customKeyStores().map(snakeCased) }),
    },
    {
      method: 'POST',
      path: '/quota',
      summary: "Turns AWS's request rates on or off.",
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
          return await tamper(operator, body, accounts[0]?.accountId ?? '');
        } catch (error) {
          if (error instanceof KmsError) throw new ControlError(400, `${error.type}: ${error.message}`);
          throw error;
        }
      },
    },
  ];
}
