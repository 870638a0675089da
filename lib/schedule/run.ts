import { ownAttempt, success } from '../attempt.ts';
import type { Attempt } from '../attempt.ts';
import type { Deployment } from '../deployment.ts';
import { Fault, FAULTS, isOvertaken } from '../fault.ts';
import { carryOut, decide } from '../keys/command.ts';
import type { ManagedKey } from '../keys/key.ts';
import { decideRotation, rotate } from '../keys/rotate.ts';
import { commit } from '../records/commit.ts';
import type { Change } from '../records/database.ts';
import { creation } from '../records/entities.ts';
import { readKey } from '../records/reading.ts';
import type { KeyPartition } from '../records/reading.ts';
import { INDEX_KEY, ITEM, SCHEDULE_SHARDS } from '../records/table.ts';
import { ANNOUNCEMENTS, SCHEDULE_ERROR, upcomingOf, wakeAt } from './schedule.ts';
import type { ScheduledAction, Upcoming } from './schedule.ts';
import { inParallel } from '../in-parallel.ts';

/** Who the audit trail says did it. */
export const SCHEDULE = 'schedule';

export interface ScheduleRun {
  readonly announced: number;
  readonly done: number;
  /** Due, and not possible now; tried again. */
  readonly postponed: number;
}

/** Keys that one run takes on in each shard; the next run, a minute later, goes on. */
const AT_MOST = 200;
const AT_ONCE = 4;
/** What could not be done is tried again after so long, and does not hold up what else is due; what was refused, later. */
const AGAIN_AFTER_MS = 60_000;
const REFUSED_MS = 900_000;
/** Work of before is still open in a keystore. */
const WORK_OPEN_MS = 300_000;
const ANNOUNCED_KEPT_SECONDS = 400 * 86_400;

const OPERATIONS: Record<ScheduledAction, string> = {
  activate: 'ActivateManagedKey',
  deactivate: 'DeactivateManagedKey',
  rotate: 'RotateManagedKey',
};

/**
 * Announces and does what is due, by the very commands that people give. It is done by the change of the key that says it was, so that it
 * happens once for a time it is due, whoever else runs; a crash leaves it due, or in the journal. Nothing is ever destroyed by it.
 */
export async function runSchedule(deployment: Deployment, signal: AbortSignal): Promise<ScheduleRun> {
  const run = { announced: 0, done: 0, postponed: 0 };
  await inParallel(
    dueKeys(deployment),
    async (keyId) => {
      if (signal.aborted) return;
      try {
        const { announced, outcome } = await attend(deployment, keyId, signal);
        run.announced += announced;
        if (outcome !== 'nothing') run[outcome] += 1;
      } catch (error) {
        // Somebody decides about the key at this moment: what is due then is found again.
        if (isOvertaken(error)) return;
        deployment.log.error('The schedule of a key broke off.', { keyId, error: error as Error });
      }
    },
    AT_ONCE,
  );
  return run;
}

async function* dueKeys({ database, clock }: Deployment): AsyncGenerator<string> {
  const now = clock().toISOString();
  for (let shard = 0; shard < SCHEDULE_SHARDS; shard += 1) {
    const query = { index: 'due', pk: INDEX_KEY.scheduled(shard), upTo: now, limit: AT_MOST } as const;
    for await (const entry of database.query(query)) yield String(entry['pk']).replace(/^KEY#/, '');
  }
}

async function attend(
  deployment: Deployment,
  keyId: string,
  signal: AbortSignal,
): Promise<{ readonly announced: number; readonly outcome: 'done' | 'postponed' | 'nothing' }> {
  const partition = await readKey(deployment.database, keyId);
  const { key } = partition;
  // The index lags behind.
  if (key === undefined) return { announced: 0, outcome: 'nothing' };
  const now = deployment.clock();
  let announced = 0;
  for (const each of upcomingOf(key)) {
    if (each.announceAt <= now && now < each.dueAt && (await announce(deployment, key, each))) announced += 1;
  }
  const due = upcomingOf(key).find(({ dueAt }) => dueAt <= now);
  if (due === undefined) {
    await wakeLater(deployment, key, wakeAt(key, now));
    return { announced, outcome: 'nothing' };
  }
  return { announced, outcome: await perform(deployment, partition, key, due, signal) };
}

async function perform(
  deployment: Deployment,
  partition: KeyPartition,
  key: ManagedKey,
  due: Upcoming,
  signal: AbortSignal,
): Promise<'done' | 'postponed'> {
  const now = deployment.clock();
  // A further version on top of one that is not everywhere yet would leave people with two unfinished ones.
  if (partition.instances.some(({ version, open }) => version === key.version && open !== undefined)) {
    await wakeLater(deployment, key, new Date(now.getTime() + WORK_OPEN_MS), 'Work on the key is still open.');
    return 'postponed';
  }
  try {
    await COMMANDS[due.action](deployment, partition, key, signal);
    return 'done';
  } catch (error) {
    if (isOvertaken(error)) throw error;
    deployment.log.error('Something scheduled could not be done.', {
      keyId: key.id,
      action: due.action,
      dueAt: due.dueAt,
      error: error as Error,
    });
    // What failed in here, or in the custody key, says nothing of the key: only what was refused waits for people.
    const isRefusal = error instanceof Fault && error.status < 500 && !FAULTS[error.code].retryable;
    const why = error instanceof Fault ? error.message : 'Because of an internal error.';
    await wakeLater(deployment, key, new Date(now.getTime() + (isRefusal ? REFUSED_MS : AGAIN_AFTER_MS)), why);
    return 'postponed';
  }
}

type Command = (deployment: Deployment, partition: KeyPartition, key: ManagedKey, signal: AbortSignal) => Promise<void>;

const COMMANDS: Record<ScheduledAction, Command> = {
  activate: (deployment, partition, key, signal) => change('activate', deployment, partition, key, signal),
  deactivate: (deployment, partition, key, signal) => change('deactivate', deployment, partition, key, signal),
  rotate: (deployment, partition, key, signal) => {
    const rotation = decideRotation(partition, key, { subject: SCHEDULE, now: deployment.clock() });
    return rotate(deployment, attemptOf(deployment, OPERATIONS.rotate), key, rotation, signal);
  },
};

async function change(
  command: 'activate' | 'deactivate',
  deployment: Deployment,
  partition: KeyPartition,
  key: ManagedKey,
  signal: AbortSignal,
): Promise<void> {
  const { destroyCoolDownHours } = deployment.config;
  const decision = decide(command, partition, key, {
    subject: SCHEDULE,
    now: deployment.clock(),
    destroyCoolDownHours,
  });
  const { schedule } = decision.key;
  // The date is over with this: whoever activates the key again keeps it.
  const enforced =
    command === 'activate' || schedule === undefined
      ? decision.key
      : { ...decision.key, schedule: { ...schedule, enforced: key.expirationDate } };
  const attempt = attemptOf(deployment, OPERATIONS[command]);
  await carryOut(deployment, attempt, command, key, { ...decision, key: enforced }, signal);
}

/** Says once that something is coming: in the audit trail and the key's history, from which the bus and subscribers have it. Answers whether it had not been said before. */
async function announce(deployment: Deployment, key: ManagedKey, { action, dueAt }: Upcoming): Promise<boolean> {
  const { database } = deployment;
  const now = deployment.clock();
  const place = ITEM.announced(key.id, dueAt, action);
  if ((await database.get(place)) !== undefined) return false;
  const changes: Change[] = [
    creation({ ...place, at: now.toISOString(), ttl: Math.floor(dueAt.getTime() / 1000) + ANNOUNCED_KEPT_SECONDS }),
  ];
  const entry = {
    vaultId: key.vaultId,
    type: 'managed_key',
    id: key.id,
    at: now,
    status: 200,
    after: { label: key.label, action, due_at: dueAt.toISOString() },
  } as const;
  const announcement = success(attemptOf(deployment, ANNOUNCEMENTS[action]), entry);
  await commit(database, changes, { ...announcement, severity: 'normal' });
  return true;
}

/** Moves the key on in the index of what is due; whoever changes the key places it anew. Not part of what users decide. */
async function wakeLater(
  { database }: Deployment,
  key: ManagedKey,
  moment: Date | undefined,
  why?: string,
): Promise<void> {
  const gone = [...(moment === undefined ? ['#due_pk', '#due_sk'] : []), ...(why === undefined ? ['#why'] : [])];
  const set = [...(moment === undefined ? [] : ['#due_sk = :moment']), ...(why === undefined ? [] : ['#why = :why'])];
  await database.write({
    op: 'update',
    key: ITEM.key(key.id),
    expression: [
      ...(set.length === 0 ? [] : [`SET ${set.join(', ')}`]),
      ...(gone.length === 0 ? [] : [`REMOVE ${gone.join(', ')}`]),
    ].join(' '),
    condition: '#revision = :revision',
    names: {
      '#revision': 'revision',
      '#due_sk': 'due_sk',
      '#why': SCHEDULE_ERROR,
      ...(moment === undefined ? { '#due_pk': 'due_pk' } : {}),
    },
    values: {
      ':revision': key.revision,
      ...(moment === undefined ? {} : { ':moment': moment.toISOString() }),
      ...(why === undefined ? {} : { ':why': why }),
    },
  });
}

function attemptOf(deployment: Deployment, operation: string): Attempt {
  return ownAttempt(operation, SCHEDULE, deployment.newId());
}
