import fc from 'fast-check';
import type { FaultKind, FaultRule } from '../../../sandbox/aws-kms/server.ts';
import type { KeystoreName, Order, TemplateName } from './reference.ts';

/** What somebody at the cloud's own console does to a key. `which` chooses one of its KMS keys, `other` another key. */
export interface Tampering {
  readonly tamper:
    | 'disable'
    | 'enable'
    | 'schedule_deletion'
    | 'cancel_deletion'
    | 'purge'
    | 'lose_material'
    | 'replace_material'
    | 'delete_alias'
    | 'move_alias'
    | 'delete_backing_key';
  readonly key: number;
  readonly which: number;
  readonly other: number;
}

export type Action =
  | Order
  | Tampering
  | { readonly cluster: 'disconnect' | 'connect' }
  | { readonly fault: FaultRule }
  | { readonly mend: 'all' }
  | { readonly pass: number }
  | { readonly background: 'scan' | 'resume' }
  | { readonly sweep: 'all' }
  | { readonly settle: 'all' };

/** What can be done by several at once. */
export type Simultaneous = Order | Tampering | { readonly background: 'scan' | 'resume' };

const MINUTE = 60_000;
const KEYS = 5;
const key = fc.nat(KEYS - 1);
const template = fc.constantFrom<TemplateName[]>('imported', 'imported', 'native', 'waiting', 'mac', 'hsm');

const ask = (...asks: Exclude<Order, { template: unknown } | { keystore: unknown } | { label: unknown }>['ask'][]) =>
  fc.record({ ask: fc.constantFrom(...asks), key });

const create = fc.record({ ask: fc.constant('create' as const), template, label: key });
const life = ask('activate', 'deactivate', 'destroy', 'rotate', 'deactivate', 'activate', 'rotate');
const alignment = ask('realign', 'realign', 'rehearse_realign');
const care = ask('sync', 'sync', 'verify');
const end = ask('remove', 'destroy');
const edit = fc.record({
  ask: fc.constant('edit' as const),
  key,
  label: fc.option(key, { nil: undefined }),
  description: fc.nat(3),
});
const membership = fc.record({
  ask: fc.constantFrom('join' as const, 'leave' as const, 'join' as const),
  keystore: fc.constantFrom<KeystoreName[]>('first', 'second', 'cluster'),
});
const templates = fc.oneof(
  fc.record({ ask: fc.constant('edit_template' as const), template, deactivateOnRotation: fc.boolean() }),
  fc.record({ ask: fc.constantFrom('archive' as const, 'unarchive' as const, 'unarchive' as const), template }),
);
const order: fc.Arbitrary<Order> = fc.oneof(create, life, life, alignment, care, edit, end, membership, templates);

const tampering: fc.Arbitrary<Tampering> = fc.record({
  tamper: fc.constantFrom(
    'disable',
    'disable',
    'enable',
    'enable',
    'schedule_deletion',
    'cancel_deletion',
    'purge',
    'lose_material',
    'lose_material',
    'replace_material',
    'delete_alias',
    'delete_alias',
    'move_alias',
    'delete_backing_key',
  ),
  key,
  which: fc.nat(3),
  other: key,
});

const OPERATIONS = [
  'DescribeKey',
  'CreateKey',
  'CreateAlias',
  'UpdateAlias',
  'DeleteAlias',
  'GetParametersForImport',
  'ImportKeyMaterial',
  'RotateKeyOnDemand',
  'EnableKey',
  'DisableKey',
  'ScheduleKeyDeletion',
  'CancelKeyDeletion',
  'TagResource',
  'ListResourceTags',
  'ListKeys',
  'ListKeyRotations',
  'UpdateKeyDescription',
] as const;
const KINDS = [
  'throttle',
  'denied',
  'internal',
  'dependency_timeout',
  'reset_before',
  'reset_after',
] as const satisfies readonly FaultKind[];
const REGIONS = ['us-east-1', 'eu-central-1'] as const;
const KEYSTORES = '111122223333';

const passing: fc.Arbitrary<FaultRule> = fc.record({
  kind: fc.constantFrom(...KINDS),
  operation: fc.constantFrom(...OPERATIONS),
  region: fc.constantFrom(...REGIONS),
  accountId: fc.constant(KEYSTORES),
  times: fc.integer({ min: 1, max: 4 }),
});
const lasting: fc.Arbitrary<FaultRule> = fc.oneof(
  fc.record({ kind: fc.constant('unreachable' as const), region: fc.constantFrom(...REGIONS) }),
  fc.record({
    kind: fc.constantFrom('denied' as const, 'throttle' as const),
    region: fc.constantFrom(...REGIONS),
    accountId: fc.constant(KEYSTORES),
  }),
);

const simultaneous: fc.Arbitrary<Simultaneous> = fc.oneof(
  { arbitrary: order, weight: 6 },
  { arbitrary: tampering, weight: 1 },
  { arbitrary: fc.record({ background: fc.constantFrom('scan' as const, 'resume' as const) }), weight: 2 },
);
/** Several at once, and the same one more than once. */
const together = fc.oneof(
  fc.array(simultaneous, { minLength: 2, maxLength: 4 }),
  fc.tuple(order, fc.integer({ min: 2, max: 3 })).map(([same, times]) => Array.from({ length: times }, () => same)),
);

const one = (arbitrary: fc.Arbitrary<Action>, weight: number): fc.WeightedArbitrary<readonly Action[]> => ({
  arbitrary: arbitrary.map((each) => [each]),
  weight,
});

/** What happens next: a single action, or several at the same time. */
export const step: fc.Arbitrary<readonly Action[]> = fc.oneof<fc.WeightedArbitrary<readonly Action[]>[]>(
  one(create, 14),
  one(life, 26),
  one(alignment, 8),
  one(care, 8),
  one(edit, 6),
  one(end, 6),
  one(membership, 8),
  one(templates, 6),
  one(tampering, 34),
  one(fc.record({ cluster: fc.constantFrom('disconnect' as const, 'connect' as const, 'connect' as const) }), 3),
  one(
    passing.map((fault) => ({ fault })),
    14,
  ),
  one(
    lasting.map((fault) => ({ fault })),
    2,
  ),
  one(fc.constant({ mend: 'all' as const }), 6),
  one(
    fc.constantFrom(MINUTE, 10 * MINUTE, 70 * MINUTE, 300 * MINUTE).map((pass) => ({ pass })),
    11,
  ),
  // Longer than any waiting period in AWS KMS.
  one(fc.constant({ pass: 8 * 24 * 60 * MINUTE }), 1),
  one(fc.record({ background: fc.constantFrom('scan' as const, 'resume' as const, 'resume' as const) }), 10),
  one(fc.constant({ sweep: 'all' as const }), 6),
  one(fc.constant({ settle: 'all' as const }), 2),
  { arbitrary: together, weight: 10 },
);
