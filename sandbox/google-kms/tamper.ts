import * as z from 'zod/mini';
import { parseBody } from '../control.ts';
import type { Operator } from './operator.ts';

const text = z.string().check(z.minLength(1));
const version = { version: text };
const action = <const A extends string, S extends z.core.$ZodLooseShape>(name: A, shape: S) =>
  z.strictObject({ action: z.literal(name), ...shape });

const tampering = z.discriminatedUnion('action', [
  action('disable', version),
  action('enable', version),
  action('schedule_destruction', version),
  action('restore', version),
  action('destroy_now', version),
  action('set_primary', version),
  action('label', { key: text, labels: z.record(z.string(), z.nullable(z.string())) }),
  action('add_version', { key: text }),
  action('hold', {
    ...version,
    state: z.enum(['PENDING_GENERATION', 'PENDING_IMPORT']),
    ms: z.int().check(z.minimum(0)),
  }),
  action('fail', { ...version, state: z.enum(['IMPORT_FAILED', 'GENERATION_FAILED']), reason: text }),
  action('expire_import_jobs', {}),
  action('revoke_tokens', {}),
  action('grant', { client_email: text, permissions: z.nullable(z.array(text)) }),
]);
type Tampering = z.output<typeof tampering>;

/** One action of the operator, asked for in JSON. */
export function tamper(operator: Operator, body: unknown): unknown {
  const given = parseBody(tampering, body);
  return act(operator, given) ?? { done: given.action };
}

function act(operator: Operator, given: Tampering): Record<string, unknown> | undefined {
  switch (given.action) {
    case 'disable':
      operator.disable(given.version);
      return undefined;
    case 'enable':
      operator.enable(given.version);
      return undefined;
    case 'schedule_destruction':
      operator.scheduleDestruction(given.version);
      return undefined;
    case 'restore':
      operator.restore(given.version);
      return undefined;
    case 'destroy_now':
      operator.destroyNow(given.version);
      return undefined;
    case 'set_primary':
      operator.setPrimary(given.version);
      return undefined;
    case 'label':
      operator.label(
        given.key,
        Object.fromEntries(Object.entries(given.labels).map(([name, value]) => [name, value ?? undefined])),
      );
      return undefined;
    case 'add_version':
      return { version: operator.addVersion(given.key) };
    case 'hold':
      operator.hold(given.version, given.state, given.ms);
      return undefined;
    case 'fail':
      operator.fail(given.version, given.state, given.reason);
      return undefined;
    case 'expire_import_jobs':
      operator.expireImportJobs();
      return undefined;
    case 'revoke_tokens':
      operator.revokeTokens();
      return undefined;
    case 'grant':
      operator.grant(given.client_email, given.permissions ?? undefined);
      return undefined;
  }
}

const KEY = 'projects/shearline-dev/locations/europe-west3/keyRings/shearline/cryptoKeys/orders';
const VERSION = `${KEY}/cryptoKeyVersions/1`;

/** A body for every action, for people to copy from. */
export const tamperExamples: readonly Tampering[] = [
  { action: 'disable', version: VERSION },
  { action: 'enable', version: VERSION },
  { action: 'schedule_destruction', version: VERSION },
  { action: 'restore', version: VERSION },
  { action: 'destroy_now', version: VERSION },
  { action: 'set_primary', version: VERSION },
  { action: 'label', key: KEY, labels: { owner: 'somebody-else', shearline_version: null } },
  { action: 'add_version', key: KEY },
  { action: 'hold', version: VERSION, state: 'PENDING_IMPORT', ms: 5000 },
  { action: 'fail', version: VERSION, state: 'IMPORT_FAILED', reason: 'The key material could not be unwrapped' },
  { action: 'expire_import_jobs' },
  { action: 'revoke_tokens' },
  {
    action: 'grant',
    client_email: 'shearline@shearline-dev.iam.gserviceaccount.com',
    permissions: ['cloudkms.cryptoKeys.get', 'cloudkms.cryptoKeys.list'],
  },
];
