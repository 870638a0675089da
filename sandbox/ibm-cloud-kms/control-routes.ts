import * as z from 'zod/mini';
import type { ControlRoute } from '../control.ts';
import { ControlError, parseBody } from '../control.ts';
import type { CallCounts } from './calls.ts';
import { FAULT_KINDS } from './faults.ts';
import type { Faults } from './faults.ts';
import type { Operator } from './operator.ts';

interface Controlled {
  readonly operator: Operator;
  readonly calls: CallCounts;
  readonly faults: Faults;
}

const text = z.string().check(z.minLength(1));
const key = text;

const faultInput = z.strictObject({
  kind: z.enum(FAULT_KINDS),
  operation: z.optional(text),
  instance_id: z.optional(text),
  times: z.optional(z.int().check(z.minimum(1))),
  latency_ms: z.optional(z.int().check(z.minimum(0))),
});

const tamperInput = z.discriminatedUnion('action', [
  z.strictObject({ action: z.literal('disable'), key }),
  z.strictObject({ action: z.literal('enable'), key }),
  z.strictObject({ action: z.literal('delete'), key }),
  z.strictObject({ action: z.literal('restore'), key }),
  z.strictObject({ action: z.literal('purge'), key }),
  z.strictObject({ action: z.literal('rotate'), key }),
  z.strictObject({ action: z.literal('expire'), key }),
  z.strictObject({ action: z.literal('move_to_key_ring'), key, key_ring: text }),
  z.strictObject({ action: z.literal('add_alias'), key, alias: text }),
  z.strictObject({ action: z.literal('remove_alias'), key, alias: text }),
  z.strictObject({ action: z.literal('set_dual_auth'), key, enabled: z.boolean() }),
  z.strictObject({
    action: z.literal('register'),
    key,
    resource_crn: text,
    description: z.optional(z.string()),
    prevent_key_deletion: z.optional(z.boolean()),
  }),
  z.strictObject({ action: z.literal('unregister'), key, resource_crn: text }),
]);

const EXAMPLE_CRN =
  'crn:v1:bluemix:public:cloud-object-storage:global:a/f047b55a3362ac06afad8a3f2f5586ea:1f5cd4a8-0000-4000-8000-000000000000:bucket:invoices';

/** What the control port offers for this sandbox. */
export function controlRoutes({ operator, calls, faults }: Controlled): ControlRoute[] {
  return [
    {
      method: 'GET',
      path: '/calls',
      summary: 'How often each operation was called, and how it ended.',
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
    {
      method: 'GET',
      path: '/faults',
      summary: 'The rules in force.',
      answer: () => ({ faults: faults.list().map(snakeCased) }),
    },
    {
      method: 'POST',
      path: '/faults',
      summary: `Makes calls fail. kind is one of ${FAULT_KINDS.join(', ')}; every other member narrows the calls it strikes.`,
      example: { kind: 'throttle', operation: 'CreateKey', times: 3 },
      answer: (body) => {
        const { instance_id: instanceId, latency_ms: latencyMs, ...rest } = parseBody(faultInput, body);
        return { id: faults.add({ ...rest, instanceId, latencyMs }) };
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
        return { faults: faults.list().map(snakeCased) };
      },
    },
    {
      method: 'GET',
      path: '/keys',
      summary: 'Every key with its state.',
      answer: () => ({ keys: operator.keys().map(snakeCased) }),
    },
    {
      method: 'POST',
      path: '/tamper',
      summary:
        'Changes something behind every client, as an operator at IBM Cloud would. key is an id, a CRN or an alias.',
      example: [
        { action: 'disable', key: 'shearline-payments_card' },
        { action: 'register', key: 'shearline-payments_card', resource_crn: EXAMPLE_CRN, prevent_key_deletion: true },
        { action: 'remove_alias', key: 'shearline-payments_card', alias: 'shearline-payments_card' },
      ],
      answer: (body) => {
        try {
          tamper(operator, parseBody(tamperInput, body));
        } catch (error) {
          if (error instanceof ControlError) throw error;
          throw new ControlError(400, error instanceof Error ? error.message : String(error));
        }
        return { done: true };
      },
    },
  ];
}

function tamper(operator: Operator, input: z.infer<typeof tamperInput>): void {
  switch (input.action) {
    case 'disable':
    case 'enable':
    case 'delete':
    case 'restore':
    case 'purge':
    case 'rotate':
    case 'expire':
      operator[input.action](input.key);
      return;
    case 'move_to_key_ring':
      operator.moveToKeyRing(input.key, input.key_ring);
      return;
    case 'add_alias':
      operator.addAlias(input.key, input.alias);
      return;
    case 'remove_alias':
      operator.removeAlias(input.key, input.alias);
      return;
    case 'set_dual_auth':
      operator.setDualAuth(input.key, input.enabled);
      return;
    case 'register':
      operator.register(input.key, {
        resourceCrn: input.resource_crn,
        ...(input.description === undefined ? {} : { description: input.description }),
        preventKeyDeletion: input.prevent_key_deletion === true,
      });
      return;
    case 'unregister':
      operator.unregister(input.key, input.resource_crn);
      return;
  }
}

function snakeCased(members: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(members).map(([name, value]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value,
    ]),
  );
}
