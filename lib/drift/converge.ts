import pMap from 'p-map';
import { KeystoreFault } from '../drivers/driver.ts';
import type { Binding, KeystoreDriver, Seen, StepName } from '../drivers/driver.ts';
import type { Deployment } from '../deployment.ts';
import { flagChange, workChange } from '../history/entry.ts';
import type { ChangeCause, WorkState } from '../history/entry.ts';
import { writeWithHistory } from '../history/write.ts';
import { wantedIn } from '../keys/lifecycle.ts';
import type { KeyInstance, ManagedKey, OpenWork, WorkCause } from '../keys/key.ts';
import type { Change } from '../records/database.ts';
import { fencedInstance, STORED } from '../records/entities.ts';
import { readInstance, readMaterial, readObserved } from '../records/reading.ts';
import { ITEM } from '../records/table.ts';
import { asKeystoreFault, driverOf, keyInKeystore, lookAt } from './look.ts';
import type { Observed, ObservedError } from './observed.ts';
import { planWithin } from './plan.ts';
import { errorOf, observation, sameFinding } from './verdict.ts';
import type { Look } from './verdict.ts';

/** How long whoever works on an instance has it to itself. Longer than any request or function run may take to finish one. */
const LEASE_MS = 60_000;
/** After so many attempts, some three hours, work waits for a person: what is still wrong stays flagged, with its error. */
const MAXIMUM_ATTEMPTS = 20;
/** So long after a create was sent without an answer its key may still appear; until then, absence is looked at again. */
const CREATE_MAY_COME_MS = 300_000;
/** A plan can lead to another look and another plan; more rounds than this mean that the keystore does not do what it says. */
const MAXIMUM_ROUNDS = 4;
const KEYSTORES_AT_ONCE = 16;

/** Somebody newer works on the instance: what we found and did since does not count. */
class Superseded extends Error {}

/** The instance as it is claimed for work, to be written in the transaction that decides. The fence rises: older finishes are void. */
export function claimed(
  instance: KeyInstance,
  cause: WorkCause,
  now: Date,
  options: { readonly details?: boolean } = {},
): KeyInstance {
  return {
    ...instance,
    fence: instance.fence + 1,
    open: {
      cause,
      details: options.details === true || instance.open?.details === true,
      since: now,
      attempts: 1,
      dueAt: new Date(now.getTime() + LEASE_MS),
      lastError: undefined,
      givenUp: false,
    },
  };
}

/** The instance after a decision about its key: what is wanted follows from the key's state, and work is claimed for it. */
export function decided(
  instance: KeyInstance,
  key: ManagedKey,
  cause: WorkCause,
  now: Date,
  options: { readonly details?: boolean } = {},
): KeyInstance {
  return claimed(
    {
      ...instance,
      label: key.label,
      keyState: key.state,
      wanted: wantedIn(key.state, instance.removedByUser),
    },
    cause,
    now,
    options,
  );
}

/** Work on an instance that was claimed before and not finished: the fence rises once more, the attempt is counted. */
export function reclaimed(instance: KeyInstance & { readonly open: OpenWork }, now: Date): KeyInstance {
  return {
    ...instance,
    fence: instance.fence + 1,
    open: { ...instance.open, attempts: instance.open.attempts + 1, dueAt: new Date(now.getTime() + LEASE_MS) },
  };
}

/**
 * Brings claimed instances in line with what is wanted, keystores in parallel, and answers what was found in each at the end. Never
 * throws for a keystore: what did not succeed is in the answer, flagged, and stays in the journal. Can be repeated at any time.
 */
export async function convergeAll(
  deployment: Deployment,
  key: ManagedKey | undefined,
  instances: readonly KeyInstance[],
  signal: AbortSignal,
): Promise<void> {
  // What shares a key with a newer version is looked at when that one is done.
  await convergeEach(
    deployment,
    key,
    instances.filter(({ outgrown }) => !outgrown),
    signal,
  );
  await convergeEach(
    deployment,
    key,
    instances.filter(({ outgrown }) => outgrown),
    signal,
  );
}

async function convergeEach(
  deployment: Deployment,
  key: ManagedKey | undefined,
  instances: readonly KeyInstance[],
  signal: AbortSignal,
): Promise<void> {
  await pMap(
    instances,
    async (instance) => {
      try {
        await converge(deployment, key, instance, signal);
      } catch (error) {
        // The journal still has it; `resume` goes on from there.
        deployment.log.error('Work on a key in a keystore broke off.', {
          keyId: instance.keyId,
          keystoreId: instance.keystoreId,
          error: error as Error,
        });
      }
    },
    { concurrency: KEYSTORES_AT_ONCE },
  );
}

async function converge(
  deployment: Deployment,
  key: ManagedKey | undefined,
  claimedInstance: KeyInstance,
  signal: AbortSignal,
): Promise<void> {
  const work: Work = { deployment, key, instance: claimedInstance, signal, sent: new Set() };
  try {
    const end = await approach(work);
    await finish(work, end);
  } catch (error) {
    if (!(error instanceof Superseded)) throw error;
    // A step of ours may have come after the newer decision's last look: let it be looked at once more.
    if (work.sent.size > 0) await reopen(deployment, claimedInstance, work.sent);
  }
}

interface Work {
  readonly deployment: Deployment;
  readonly key: ManagedKey | undefined;
  instance: KeyInstance;
  readonly signal: AbortSignal;
  /** The steps of which anything may have been sent to the keystore. */
  readonly sent: Set<StepName>;
}

/** How an approach ended: the last look, and whether anything is left to be done later. */
interface End {
  readonly look: Look;
  readonly lookedAt: Date;
  readonly failure: KeystoreFault | undefined;
  readonly settled: 'done' | 'later' | 'given_up';
}

async function approach(work: Work): Promise<End> {
  const { deployment, signal } = work;
  let driver: KeystoreDriver;
  let lookedAt = deployment.clock();
  try {
    driver = await driverOf(deployment, work.instance.keystoreId);
  } catch (error) {
    const fault = asKeystoreFault(error);
    return { look: { fault }, lookedAt, failure: fault, settled: fault.retryable ? 'later' : 'given_up' };
  }
  for (let round = 1; ; round += 1) {
    lookedAt = deployment.clock();
    const look = await lookAt(driver, keyInKeystore(work.instance, work.key), signal);
    if ('fault' in look) {
      return { look, lookedAt, failure: look.fault, settled: look.fault.retryable ? 'later' : 'given_up' };
    }
    await adopt(work, look.seen);
    const plan = planWithin(work.instance, look.seen);
    switch (plan.outcome) {
      case 'agrees':
        return {
          look,
          lookedAt,
          failure: undefined,
          settled: mayStillCome(work.instance, look, lookedAt) ? 'later' : 'done',
        };
      case 'wait':
        return { look, lookedAt, failure: undefined, settled: 'later' };
      case 'cannot':
        return { look, lookedAt, failure: undefined, settled: 'given_up' };
      case 'steps': {
        if (round > MAXIMUM_ROUNDS) return { look, lookedAt, failure: undefined, settled: 'later' };
        await rotateFromWhatIsThere(work, look.seen, plan.steps);
        const failure = await run(work, driver, plan.steps);
        if (failure === undefined) break;
        lookedAt = deployment.clock();
        const after = await lookAt(driver, keyInKeystore(work.instance, work.key), signal);
        return { look: after, lookedAt, failure, settled: failure.retryable ? 'later' : 'given_up' };
      }
    }
  }
}

function mayStillCome({ createSentAt }: KeyInstance, look: Look, lookedAt: Date): boolean {
  if (createSentAt === undefined || !('seen' in look) || look.seen.presence === 'present') return false;
  return lookedAt.getTime() - createSentAt.getTime() < CREATE_MAY_COME_MS;
}

/** Records the id of a key that was made but whose answer was lost, also in place of one that is gone. */
async function adopt(work: Work, seen: Seen): Promise<void> {
  const { binding, createSentAt, spec } = work.instance;
  if (seen.presence === 'absent') return;
  const isLost = createSentAt !== undefined && binding?.idInKeystore !== seen.idInKeystore;
  if (binding !== undefined && !isLost) return;
  // Whether its material is the right one is not known from seeing it: the plan has it imported again, which proves it.
  const fingerprint = spec.material === 'imported' ? undefined : seen.fingerprint;
  await record(work, {
    binding: { idInKeystore: seen.idInKeystore, fingerprint },
    createSentAt: undefined,
    // A key that was made for this very version has no version before it to be rotated from.
    ...(spec.material === 'native' ? { rotating: false, rotationSentAt: undefined } : {}),
  });
}

/**
 * A rotation starts from the material that the keystore has when it is first sent, also where that is not the one we recorded; from then on
 * a current material that is another means that this rotation has had its effect.
 */
async function rotateFromWhatIsThere(work: Work, seen: Seen, steps: readonly StepName[]): Promise<void> {
  const { rotationSentAt, binding } = work.instance;
  if (!steps.includes('rotate') || rotationSentAt !== undefined) return;
  if (binding === undefined || seen.presence === 'absent' || seen.fingerprint === binding.fingerprint) return;
  await record(work, { binding: { ...binding, fingerprint: seen.fingerprint } });
}

async function run(work: Work, driver: KeystoreDriver, steps: readonly StepName[]): Promise<KeystoreFault | undefined> {
  const { deployment, signal } = work;
  for (const name of steps) {
    const step = driver.steps[name];
    if (step === undefined) {
      return new KeystoreFault('unsupported', `This keystore cannot carry out the step “${name}”.`);
    }
    // Nothing lost is to be looked for where no create can have been sent.
    const firstAttempt = work.instance.createSentAt === undefined;
    if (name === 'create') await record(work, { createSentAt: deployment.clock() });
    else if (name === 'rotate')
      await record(work, { rotationSentAt: work.instance.rotationSentAt ?? deployment.clock() });
    else await requireFence(work);
    try {
      work.sent.add(name);
      const binding = await step(keyInKeystore(work.instance, work.key), {
        signal,
        firstAttempt,
        withMaterial: (use, version = work.instance.version) =>
          lendMaterial(deployment, { keyId: work.instance.keyId, version }, use),
      });
      await record(work, {
        binding: binding ?? work.instance.binding,
        touchedAt: deployment.clock(),
        ...(bringsVersion(name, work.instance, binding) ? { rotating: false, rotationSentAt: undefined } : {}),
        ...(name === 'create' ? { createSentAt: undefined } : {}),
      });
    } catch (error) {
      if (error instanceof Superseded) throw error;
      const fault = asKeystoreFault(error);
      deployment.log.warn('A step in a keystore failed.', {
        step: name,
        keyId: work.instance.keyId,
        keystoreId: work.instance.keystoreId,
        kind: fault.kind,
        providerCode: fault.providerCode,
        ...(fault.kind === 'broken' && fault.cause instanceof Error ? { error: fault.cause } : {}),
      });
      return fault;
    }
    // What a cancelled deletion leaves behind (disabled, or without material) is the keystore's to tell.
    if (name === 'cancel_deletion') return undefined;
  }
  if (steps.includes('tag')) {
    const { open } = work.instance;
    if (open !== undefined) await record(work, { open: { ...open, details: false } });
  }
  return undefined;
}

/** Whether this version's own material is current in the keystore by that step. */
function bringsVersion(step: StepName, { spec, rotating, binding: before }: KeyInstance, after: Binding | undefined) {
  if (step === 'create') return spec.material === 'native';
  // Into a key that is to be rotated an import may have brought back only what was there before.
  if (step === 'import') return !rotating || (after ?? before)?.fingerprint !== before?.fingerprint;
  return step === 'rotate';
}

async function lendMaterial<T>(
  deployment: Deployment,
  of: Pick<KeyInstance, 'keyId' | 'version'>,
  use: (material: Uint8Array) => Promise<T>,
): Promise<T> {
  const wrapped = await readMaterial(deployment.database, of.keyId, of.version);
  if (wrapped === undefined) {
    throw new KeystoreFault('broken', 'No material is kept for this version of the key.');
  }
  return deployment.custody.lend(wrapped, of, use);
}

async function requireFence(work: Work): Promise<void> {
  const stored = await readInstance(work.deployment.database, work.instance);
  if (stored?.fence !== work.instance.fence) throw new Superseded();
}

async function record(
  work: Work,
  change: Partial<Pick<KeyInstance, 'touchedAt' | 'open' | 'rotating' | 'createSentAt' | 'rotationSentAt'>> & {
    readonly binding?: Binding | undefined;
  },
  told?: { readonly state: WorkState; readonly error: string | undefined },
): Promise<void> {
  const { deployment, instance } = work;
  const next: KeyInstance = { ...instance, ...change, fence: instance.fence + 1 };
  // Of work that has ended, how it stood before.
  const open = next.open ?? instance.open;
  const entry =
    told === undefined || open === undefined
      ? undefined
      : workChange(next, { ...open, lastError: told.error ?? open.lastError }, told.state, {
          id: deployment.newId(),
          at: deployment.clock(),
        });
  if (!(await writeWithHistory(deployment.database, fencedInstance(next, instance.fence), entry))) {
    throw new Superseded();
  }
  work.instance = next;
}

async function finish(work: Work, end: End): Promise<void> {
  const { deployment, instance } = work;
  const failure = end.failure === undefined ? undefined : errorOf(end.failure);
  // Judged against the instance as the write below leaves it, so that the next look has nothing to say anew.
  const finished = { ...instance, fence: instance.fence + 1 };
  await storeObservation(deployment, finished, end.look, end.lookedAt, failure, undefined, instance.open?.cause);
  const gone = 'seen' in end.look && end.look.seen.presence === 'absent' && instance.wanted === 'gone';
  if (gone && instance.keyRemoved && end.settled === 'done') {
    await forget(deployment, instance);
    return;
  }
  const open = openAfter(instance.open, end, failure, deployment.clock());
  const state = toldOf(instance.open, open, end.settled);
  await record(
    work,
    { open, ...(end.settled === 'done' ? { createSentAt: undefined } : {}) },
    state === undefined ? undefined : { state, error: failure?.message },
  );
}

/** What the key's history says of the end of an attempt; nothing of work that is done at once, nor of each further attempt. */
function toldOf(
  before: OpenWork | undefined,
  after: OpenWork | undefined,
  settled: End['settled'],
): WorkState | undefined {
  if (before === undefined) return undefined;
  if (after === undefined) {
    if (settled === 'given_up') return 'given_up';
    return before.attempts > 1 ? 'finished' : undefined;
  }
  if (after.givenUp) return 'given_up';
  return before.attempts === 1 ? 'waiting' : undefined;
}

function openAfter(
  open: OpenWork | undefined,
  end: End,
  failure: ObservedError | undefined,
  now: Date,
): OpenWork | undefined {
  if (open === undefined || end.settled !== 'later') return undefined;
  const lastError = failure?.message;
  if (open.attempts >= MAXIMUM_ATTEMPTS) return { ...open, dueAt: now, lastError, givenUp: true };
  return { ...open, dueAt: new Date(now.getTime() + retryAfter(open.attempts)), lastError };
}

/** Milliseconds until a further attempt: 5 s, doubling to 15 minutes. */
function retryAfter(attempts: number): number {
  return Math.min(5_000 * 2 ** (attempts - 1), 900_000);
}

/** The keystore confirmed that the key of a removed record is gone: nothing is left to be followed. */
export async function forget(deployment: Deployment, instance: KeyInstance): Promise<void> {
  const { keyId, version, keystoreId } = instance;
  const record: Change = {
    op: 'delete',
    key: ITEM.instance(keyId, version, keystoreId),
    condition: '#fence = :fence',
    names: { '#fence': 'fence' },
    values: { ':fence': instance.fence },
  };
  const finding: Change = { op: 'delete', key: ITEM.observed(keyId, version, keystoreId) };
  await writeWithHistory(deployment.database, record, undefined, [finding]);
}

/** What a late step left, a look sees; but not a name or a tag that the key had in between: those are brought in line once more. */
async function reopen(deployment: Deployment, of: KeyInstance, sent: ReadonlySet<StepName>): Promise<void> {
  const details = sent.has('create') || sent.has('rename') || sent.has('tag');
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const instance = await readInstance(deployment.database, of);
    // Whoever has it open looks again by itself.
    if (instance === undefined || instance.open !== undefined) return;
    const now = deployment.clock();
    const again = claimed(instance, 'sync', now, { details });
    const open = again.open === undefined ? undefined : { ...again.open, dueAt: now };
    if (await deployment.database.write(fencedInstance({ ...again, open }, instance.fence))) return;
  }
}

/** How often a judgement is made anew because another was stored between reading the one before and writing this one. */
const JUDGEMENTS = 5;

/**
 * Judges a look and stores the judgement, if it says something new and nothing newer was stored meanwhile, with an entry of the key's
 * history where flag, detail or status became another. Answers what stands now. `known` is the judgement before, as far as the caller has
 * just read it; `cause` is why anybody looked.
 */
export async function storeObservation(
  deployment: Deployment,
  instance: KeyInstance,
  look: Look,
  lookedAt: Date,
  failure?: ObservedError,
  known?: Observed,
  cause: ChangeCause = 'scan',
): Promise<{ readonly observed: Observed; readonly changed: boolean }> {
  const { database } = deployment;
  let before = known ?? (await readObserved(database, instance));
  for (let judgement = 1; ; judgement += 1) {
    const next = observation(instance, look, before, lookedAt, failure);
    if (before !== undefined && sameFinding(before, next) && before.judgedFence === next.judgedFence) {
      return { observed: before, changed: false };
    }
    const entry = flagChange(before, next, {
      id: deployment.newId(),
      at: deployment.clock(),
      cause,
      label: instance.label,
    });
    if (await writeWithHistory(database, replacingObserved(before, next), entry, stillThere(before, instance))) {
      return { observed: next, changed: before === undefined || !sameFinding(before, next) };
    }
    const stored = await readObserved(database, instance);
    // Forgotten meanwhile, with the key itself.
    if (stored === undefined) return { observed: next, changed: false };
    if (isNewer(stored, next) || judgement === JUDGEMENTS) return { observed: stored, changed: false };
    before = stored;
  }
}

/** From the very finding that the history says: a change that is lost, or told twice, would be a wrong history. */
/** A first finding is written only of what is still followed: whoever looks for long would bring back the finding of what was forgotten. */
function stillThere(before: Observed | undefined, { keyId, version, keystoreId }: KeyInstance): readonly Change[] {
  if (before !== undefined) return [];
  return [{ op: 'check', key: ITEM.instance(keyId, version, keystoreId), condition: 'attribute_exists(pk)' }];
}

function replacingObserved(before: Observed | undefined, next: Observed): Change {
  const item = STORED.observed(next);
  if (before === undefined) return { op: 'put', item, condition: 'attribute_not_exists(pk)' };
  return {
    op: 'put',
    item,
    condition:
      '(judged_fence < :fence OR (judged_fence = :fence AND seen_at <= :seen_at)) AND #since = :since AND #status = :status AND keystore_sync_flag = :flag AND keystore_sync_flag_detail = :detail',
    names: { '#since': 'since', '#status': 'status' },
    values: {
      ':fence': next.judgedFence,
      ':seen_at': next.seenAt.toISOString(),
      ':since': before.since.toISOString(),
      ':status': before.status,
      ':flag': before.keystoreSyncFlag,
      ':detail': before.keystoreSyncFlagDetail,
    },
  };
}

function isNewer(stored: Observed, next: Observed): boolean {
  if (stored.judgedFence !== next.judgedFence) return stored.judgedFence > next.judgedFence;
  return stored.seenAt > next.seenAt;
}
