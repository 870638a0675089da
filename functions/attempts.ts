import type { Attempt as LibraryAttempt } from '../lib/attempt.ts';
import type { RecordDeployment } from '../lib/deployment.ts';
import { RateLimit } from '../lib/access/rate.ts';
import { Fault } from '../lib/fault.ts';
import { once } from '../lib/records/idempotency.ts';
import type { KeptAnswer } from '../lib/records/idempotency.ts';
import { recordRefusal } from '../lib/records/refusal.ts';
import type { OperationId } from '../lib/wire/operations.ts';
import type { Approval } from '../lib/approvals/approval.ts';
import { approvedBy } from '../lib/approvals/write.ts';
import { waitingForApproval } from './approval-gate.ts';
import { rehearsed } from './rehearsal.ts';
import type { Answer, Attempt, Call, ServeOptions } from './http.ts';

/**
 * What a mutating operation runs with: its attempt, to be written down with whatever it changes, and the deployment to change; for a dry run
 * one in which nothing is written.
 */
type Run<Within extends RecordDeployment, Id extends OperationId> = (
  attempt: LibraryAttempt,
  within: Within,
) => Promise<Answer<Id>>;

/** A request that a second person has just approved: it does not wait again, and the approval ends with what it changes. */
export interface Approved {
  readonly approval?: Approval | undefined;
}

/** How often a request is decided anew when work in the background changes what it was decided from. */
const DECISIONS = 8;

/** How the functions of one kind run what changes something, and serve at all. */
export interface Attempts<Within extends RecordDeployment> {
  /**
   * Runs a mutating operation: once for its `Idempotency-Key` (`current` answers from the resource when the first answer was lost), and
   * anew whenever the records it was decided from changed under it without anybody's decision. `decide` must read what it decides from.
   */
  readonly attempted: <Id extends OperationId>(
    call: Call<Id> & Approved,
    decide: Run<Within, Id>,
    current?: (resourceId: string) => Promise<Answer<Id>>,
  ) => Promise<Answer<Id>>;
  /**
   * What every function of the API serves with: callers who ask too often are held off; attempts that were refused or failed are written
   * into the audit trail (those that succeed are written with what they change).
   */
  readonly audited: ServeOptions;
}

/** Attempts in a deployment, which is made at the first of them. */
export function attemptsIn<Within extends RecordDeployment>(deployment: () => Within): Attempts<Within> {
  let rateLimit: RateLimit | undefined;
  return {
    attempted: (call, decide, current) => attempt(deployment(), call, decide, current),
    audited: {
      admit: async ({ subject }) => {
        const { database, clock, config } = deployment();
        await (rateLimit ??= new RateLimit(database, clock, config.rateLimitPerMinute)).admit(subject);
      },
      onAttempt: (finished) => writeDown(deployment(), finished),
    },
  };
}

async function attempt<Within extends RecordDeployment, Id extends OperationId>(
  deployment: Within,
  call: Call<Id> & Approved,
  decide: Run<Within, Id>,
  current: ((resourceId: string) => Promise<Answer<Id>>) | undefined,
): Promise<Answer<Id>> {
  const { database, clock } = deployment;
  const { approval } = call;
  const run: Run<Within, Id> = async (made, within) =>
    (call.dryRun ? undefined : await waitingForApproval(deployment, call, made, decide)) ?? decide(made, within);
  const attemptWith = (alongside: LibraryAttempt['alongside']): LibraryAttempt => ({
    operation: call.operation,
    subject: call.caller.subject,
    sourceIp: call.origin.ip,
    userAgent: call.origin.userAgent,
    correlationId: call.correlationId,
    approval: approval === undefined ? undefined : { id: approval.id, requestedBy: approval.requestedBy },
    alongside: (resourceId) => [
      ...alongside(resourceId),
      ...(approval === undefined ? [] : [approvedBy(approval, call.caller.subject, clock())]),
    ],
  });
  const alone = attemptWith(() => []);
  if (call.dryRun) return rehearsed(deployment, call, (within) => run(alone, within));
  if (call.idempotencyKey === undefined || current === undefined) return decidedAnew(() => run(alone, deployment));
  const request = {
    subject: call.caller.subject,
    key: call.idempotencyKey,
    operation: call.operation,
    fingerprint: call.fingerprint,
  };
  const kept = await once(
    database,
    clock,
    request,
    async (alongside) => keptOf(await decidedAnew(() => run(attemptWith(alongside), deployment))),
    async (resourceId) => keptOf(await current(resourceId)),
  );
  return {
    status: kept.status,
    body: kept.body ?? '',
    contentType: 'application/json; charset=utf-8',
    etag: kept.etag,
    location: kept.location,
  };
}

async function decidedAnew<T>(decide: () => Promise<T>): Promise<T> {
  for (let decision = 1; ; decision += 1) {
    try {
      return await decide();
    } catch (error) {
      if (!(error instanceof Fault && error.code === 'being_changed') || decision === DECISIONS) throw error;
    }
  }
}

function keptOf(answer: Answer<OperationId>): KeptAnswer {
  return {
    status: answer.status ?? 200,
    // What has a content type of its own is text already.
    body: typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body),
    etag: answer.etag,
    location: answer.location,
  };
}

const RESOURCES: readonly (readonly [RegExp, 'managed_key' | 'template' | 'keystore' | 'vault'])[] = [
  [/ManagedKey/, 'managed_key'],
  [/KeyTemplate/, 'template'],
  [/Keystore/, 'keystore'],
  [/Vault/, 'vault'],
];

async function writeDown({ database }: RecordDeployment, finished: Attempt): Promise<void> {
  // Held off before anything was read for them: a flood of requests must not become a flood of writes.
  if (finished.fault?.code === 'rate_limited') return;
  if (finished.outcome === 'success' || finished.dryRun) return;
  const resourceType = RESOURCES.find(([pattern]) => pattern.test(finished.operation))?.[1] ?? 'none';
  await recordRefusal(database, {
    operation: finished.operation,
    resourceType,
    resourceId: finished.id,
    subject: finished.caller?.subject,
    sourceIp: finished.origin.ip,
    userAgent: finished.origin.userAgent,
    correlationId: finished.correlationId,
    at: finished.startedAt,
    status: finished.status,
    reason: finished.fault === undefined ? '' : `${finished.fault.code}: ${finished.fault.message}`,
  });
}
