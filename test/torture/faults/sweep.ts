import { randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { auditEvent } from '../../../lib/records/audit.ts';
import type { AuditEvent } from '../../../lib/records/audit.ts';
import type { KeyInstance } from '../../../lib/keys/key.ts';
import type { RawItem } from '../../../lib/records/database.ts';
import { READ } from '../../../lib/records/entities.ts';
import { verifyTrails } from '../../../lib/records/trail.ts';
import { BASE_URL } from '../../functions/deliver.ts';
import type { RawRequest } from '../../functions/deliver.ts';
import type { WireAnswer } from '../../wire/answers.ts';
import { Canaries } from './canaries.ts';
import { startGround } from './ground.ts';
import type { Ground } from './ground.ts';
import { Lane } from './lane.ts';
import type { Asked, Mutation } from './mutations.ts';
import { differenceOf, sameLines, snapshotOf, withRoles } from './snapshot.ts';
import type { Snapshot } from './snapshot.ts';
import type { Stage } from './stage.ts';
import { WIRE_FAULTS } from './wire-proxy.ts';
import type { Strike, WireCall, WireFault } from './wire-proxy.ts';

/** One call on the way of one mutation, and what is to happen to it. */
export interface Case {
  readonly mutation: Mutation;
  readonly site: string;
  readonly fault: WireFault;
}

/** How a case ended. */
export interface Ending {
  readonly case: Case;
  /** HTTP status; `killed` when the process died, `not met` when the call was not made this time. */
  readonly answered: number | 'killed' | 'not met';
  /** Where the mutation stood after recovery; `between` is allowed only of one that is done in steps, and of a repair that stays flagged. */
  readonly state: 'before' | 'after' | 'between';
  /** What is wrong, for people. Empty when nothing is. */
  readonly problems: readonly string[];
}

/** What a mutation does when nothing fails: the calls on its way, and the case before and after it. */
export interface Recording {
  readonly mutation: Mutation;
  readonly sites: readonly string[];
  readonly before: Snapshot;
  readonly after: Snapshot;
}

/** The time of a function that is not in a hurry, however busy this machine is; and of one whose end comes while a call hangs. */
const ENOUGH_MS = 120_000;
const SHORT_MS = 4_000;

/** The lanes of a sweep, and what is looked for everywhere while it runs. */
export class FaultSweep {
  readonly canaries = new Canaries();
  /** Where a canary was found. */
  readonly leaks = new Set<string>();
  readonly #ground: Ground;
  readonly #lanes: readonly Lane[];
  readonly #token: string;
  #stopped = false;

  private constructor(ground: Ground, lanes: readonly Lane[], token: string) {
    this.#ground = ground;
    this.#lanes = lanes;
    this.#token = token;
  }

  static async start(lanes: number): Promise<FaultSweep> {
    const ground = await startGround(lanes);
    const opened: Lane[] = [];
    const sweep = new FaultSweep(ground, opened, await ground.token());
    const log = join(ground.folder, 'functions.log');
    const said = (text: string) => {
      appendFileSync(log, text);
    };
    for (let lane = 0; lane < lanes; lane += 1) opened.push(await Lane.open(ground, lane, said));
    for (const { secretAccessKey } of ground.accounts) {
      sweep.canaries.add('credentials of a keystore', Buffer.from(secretAccessKey));
    }
    sweep.canaries.add('the token of the caller', Buffer.from(sweep.#token.split('.')[2] ?? '', 'base64url'));
    return sweep;
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.close()));
    await this.#ground.close();
  }

  /** Nothing more is begun. */
  stop(): void {
    this.#stopped = true;
  }

  /** Plays all of these, each lane one at a time. `done` hears of each as it ends. */
  async run<Given, Made>(
    work: readonly Given[],
    play: (lane: Lane, given: Given) => Promise<Made>,
    done: (made: Made) => void = () => undefined,
  ): Promise<Made[]> {
    const made: Made[] = [];
    const waiting = [...work.entries()];
    await Promise.all(
      this.#lanes.map(async (lane) => {
        for (let next = waiting.shift(); next !== undefined && !this.#stopped; next = waiting.shift()) {
          const [position, given] = next;
          const ending = await play(lane, given);
          made[position] = ending;
          done(ending);
        }
      }),
    );
    return made;
  }

  /** Runs a mutation with nothing failing. Throws when even so it does not succeed. */
  record = async (lane: Lane, mutation: Mutation): Promise<Recording> => {
    const { stage, asked } = await this.#prepare(lane, mutation);
    const before = await this.#snapshot(lane, stage);
    const { answer, sites } = await this.#ask(lane, stage, asked, randomUUID(), undefined);
    if (answer === undefined || answer.status >= 300) {
      throw new Error(`${mutation.name} does not succeed: ${answer?.status ?? 'no answer'} ${answer?.body ?? ''}`);
    }
    await stage.recover();
    return { mutation, sites, before, after: await this.#snapshot(lane, stage) };
  };

  /** Plays one case: the mutation with its one call failing, the recovery, and the judgement. */
  play = async (lane: Lane, recording: Recording, { site, fault }: Omit<Case, 'mutation'>): Promise<Ending> => {
    const { mutation } = recording;
    const of = { mutation, site, fault };
    const { stage, asked } = await this.#prepare(lane, mutation);
    const trace = randomUUID();
    const { answer, struck } = await this.#ask(lane, stage, asked, trace, { site, fault });
    // What still hangs in it is as lost as in a function that has ended.
    if (answer === undefined || fault.startsWith('timeout')) lane.replaceFunctions();
    const answered = !struck ? 'not met' : (answer?.status ?? 'killed');
    await stage.recover();
    const found = await this.#snapshot(lane, stage);
    const items = await lane.items();
    const state = stateOf(recording, found);
    const problems = [
      ...judgeState(recording, found, state, answer),
      ...judgeTrail(items, mutation, trace, state, answer),
      ...(await verifyTrails(stage.deployment.database)).flatMap(({ broken }) => broken ?? []),
      ...judgeKeys(stage, items, mutation),
      ...((await stage.openWork()) === 0 ? [] : ['Work is still open after two minutes.']),
      ...(state === 'after' && mutation.idempotent !== true
        ? []
        : await this.#again(lane, stage, recording, asked, trace, state)),
    ];
    this.#look(lane, items, answer);
    return { case: of, answered, state, problems };
  };

  /** Whoever was not told that it was done asks again; then it is done, once. */
  async #again(
    lane: Lane,
    stage: Stage,
    recording: Recording,
    asked: Asked,
    trace: string,
    state: Ending['state'],
  ): Promise<string[]> {
    const { answer } = await this.#ask(lane, stage, asked, trace, undefined);
    if (answer === undefined || answer.status >= 300) {
      return [`Asked again, from ${state}: ${answer?.status ?? 'no answer'} ${answer?.body ?? ''}`];
    }
    await stage.recover();
    const found = await this.#snapshot(lane, stage);
    const difference = differenceOf(recording.after, found);
    return [
      ...(difference.length === 0 ? [] : [`Asked again, it is not done: ${difference.join('\n    ')}`]),
      ...judgeKeys(stage, await lane.items(), recording.mutation),
    ];
  }

  async #prepare(lane: Lane, mutation: Mutation): Promise<{ stage: Stage; asked: Asked }> {
    const stage = await lane.stage();
    const asked = await mutation.prepare(stage);
    await stage.scan();
    return { stage, asked };
  }

  async #snapshot(lane: Lane, stage: Stage): Promise<Snapshot> {
    return snapshotOf(await lane.items(), stage.keysInAws(), stage.roles);
  }

  async #ask(
    lane: Lane,
    stage: Stage,
    asked: Asked,
    trace: string,
    strike: Omit<Strike, 'kill'> | undefined,
  ): Promise<{ answer: WireAnswer | undefined; struck: boolean; sites: readonly string[] }> {
    const functions = await lane.functions();
    const kill = () => {
      functions.kill();
    };
    const nameOf = (call: WireCall) => siteName(call, stage.roles);
    lane.proxy.arm(nameOf, strike === undefined ? undefined : { ...strike, kill });
    const remainingMs = strike?.fault.startsWith('timeout') === true ? SHORT_MS : ENOUGH_MS;
    const answer = await functions.send('invoke' in asked ? asked.invoke : this.#request(asked, trace), remainingMs);
    const { struck, sites } = lane.proxy;
    // Whoever recovers meets no fault.
    lane.proxy.arm(nameOf);
    return { answer, struck, sites };
  }

  #request({ method, path, body }: Exclude<Asked, { readonly invoke: string }>, trace: string): RawRequest {
    const { pathname, search } = new URL(`${BASE_URL}/api/v4${path}`);
    return {
      method,
      path: pathname,
      query: search.slice(1),
      headers: {
        authorization: `Bearer ${this.#token}`,
        'x-correlation-id': trace,
        'if-match': '*',
        ...(path === '/managed_keys' ? { 'idempotency-key': trace } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    };
  }

  /** Looks for canaries in what the functions have answered, and in every attribute of every item. */
  #look(lane: Lane, items: readonly RawItem[], answer: WireAnswer | undefined): void {
    for (const plaintext of lane.proxy.takePlaintexts()) {
      this.canaries.add('a plaintext of AWS KMS', Buffer.from(plaintext, 'base64'));
    }
    const report = (where: string, content: Uint8Array | string) => {
      for (const what of this.canaries.foundIn(content)) this.leaks.add(`${what} in ${where}`);
    };
    if (answer !== undefined) report('an answer', JSON.stringify(answer));
    for (const item of items) report(`item ${String(item['pk'])} ${String(item['sk'])}`, bytesIn(item));
  }

  /** Looks for all of them in whatever the functions have printed, and in the files of the database and of the sandbox. */
  lookIntoFiles(): void {
    for (const leak of this.canaries.foundUnder(this.#ground.folder)) this.leaks.add(leak);
  }
}

/** Every string and every byte of a value, one after the other. */
function bytesIn(value: unknown): Buffer {
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (typeof value !== 'object' || value === null) return Buffer.from(String(value));
  return Buffer.concat(
    Object.entries(value).map(([name, member]) => Buffer.concat([Buffer.from(name), bytesIn(member)])),
  );
}

/** What a call is, in words that are the same in every run. */
function siteName({ service, operation, region, input }: WireCall, roles: ReadonlyMap<string, string>): string {
  if (service === 'KMS') return `KMS ${region} ${operation}`;
  const {
    Key,
    Item,
    IndexName,
    ExpressionAttributeValues: values,
  } = input as {
    readonly Key?: Keyed;
    readonly Item?: Keyed;
    readonly IndexName?: string;
    readonly ExpressionAttributeValues?: Readonly<Record<string, { readonly S?: string }>>;
  };
  const { pk, sk } = Key ?? Item ?? {};
  const parts = [operation, IndexName, pk?.S ?? values?.[':pk']?.S, sk?.S];
  const name = parts.filter((part) => part !== undefined).join(' ');
  return `DynamoDB ${withRoles(name, roles)}`
    .replace(/IDEMPOTENCY#[\w-]+/, 'IDEMPOTENCY#*')
    .replace(/EVENT#\d+/, 'EVENT#*')
    .replace(/RATE#.+/, 'RATE#*');
}

interface Keyed {
  readonly pk?: { readonly S?: string };
  readonly sk?: { readonly S?: string };
}

/** In words: “mutation: call: fault”. */
export const nameOf = ({ mutation, site, fault }: Case): string => `${mutation.name}: ${site}: ${fault}`;

/** Every fault at every call of these mutations. In their order, which is not that of a run: keystores are called at the same time. */
export function casesOf(recordings: readonly Recording[]): Case[] {
  return recordings
    .flatMap(({ mutation, sites }) => sites.flatMap((site) => WIRE_FAULTS.map((fault) => ({ mutation, site, fault }))))
    .sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1));
}

function stateOf({ before, after }: Recording, found: Snapshot): Ending['state'] {
  if (sameLines(found.decided, after.decided) && sameLines(found.inKeystores, after.inKeystores)) return 'after';
  if (sameLines(found.decided, before.decided) && sameLines(found.inKeystores, before.inKeystores)) return 'before';
  return 'between';
}

function judgeState(
  { mutation, before, after }: Recording,
  found: Snapshot,
  state: Ending['state'],
  answer: WireAnswer | undefined,
): string[] {
  // What could not be repaired stays flagged; that it does is judged with the keys.
  if (mutation.operation === 'SyncManagedKey' && sameLines(found.decided, after.decided)) return [];
  if (answer !== undefined && answer.status < 300 && state !== 'after') {
    return [`Answered ${answer.status}, but: ${differenceOf(after, found).join('\n    ')}`];
  }
  if (state !== 'between' || mutation.inSteps === true) return [];
  const nearest = sameLines(found.decided, before.decided) ? before : after;
  return [`Neither before nor after: ${differenceOf(nearest, found).join('\n    ')}`];
}

const SCHEDULED = ['auto-repair', 'schedule'];
/** Of the key that a mutation is about. */
const KEYSTORES = 2;

/** One success for what was done, none for what was not; and for every other answer its refusal or failure. */
function judgeTrail(
  items: readonly RawItem[],
  { operation, resource, scheduled, inSteps }: Mutation,
  trace: string,
  state: Ending['state'],
  answer: WireAnswer | undefined,
): string[] {
  const events = items
    .filter(({ pk, sk }) => String(pk).startsWith('AUDIT#') && String(sk).startsWith('EVENT#'))
    .map((item): AuditEvent => auditEvent.decode(item))
    .filter((event) =>
      scheduled === true
        ? event.operation === operation && SCHEDULED.includes(event.subject)
        : event.correlationId === trace,
    );
  const done = events.filter((event) => event.outcome === 'success' && event.resourceType === resource);
  const told = events.filter(({ outcome }) => outcome !== 'success');
  const expected = state === 'after' ? 1 : 0;
  const isSync = operation === 'SyncManagedKey';
  // A keystore that could not be asked in one run is repaired in the next, and each run says what it did.
  const isPerKeystore = scheduled === true && inSteps === true && done.length >= expected;
  return [
    ...(done.length === expected || (isSync && done.length < 2) || (isPerKeystore && done.length <= KEYSTORES)
      ? []
      : [`${done.length} events say that it was done; it is ${state}.`]),
    ...(answer === undefined || answer.status < 300 || told.length === 1 || scheduled === true
      ? []
      : [`${told.length} events tell of the answer ${answer.status}.`]),
  ];
}

/** No twins and no orphans in AWS; and of every instance: what is there is what is wanted, or it is flagged. */
function judgeKeys(stage: Stage, items: readonly RawItem[], { leaves = [] }: Mutation): string[] {
  const instances = items.filter(({ sk }) => String(sk).startsWith('INSTANCE#')).map(READ.keyInstance);
  const flagged = new Set(
    items
      .filter(({ sk, flag_pk: flag }) => String(sk).startsWith('OBSERVED#') && flag !== undefined)
      .map((item) => `${String(item['key_id'])}#${String(item['version'])}#${String(item['keystore_id'])}`),
  );
  const living = stage.keysInAws().filter(({ state }) => state !== 'PendingDeletion');
  const problems: string[] = [];
  const seen = new Set<string>();
  for (const { arn, region, tags, state } of living) {
    const name = `${tags['shearline:key'] ?? ''}#${tags['shearline:version'] ?? ''} in ${region}`;
    if (seen.has(name)) problems.push(`A twin: ${withRoles(name, stage.roles)}.`);
    seen.add(name);
    const isBound = instances.some(({ binding }) => binding?.idInKeystore === arn);
    if (!isBound && !leaves.includes(state)) problems.push(`An orphan: ${withRoles(name, stage.roles)}.`);
  }
  for (const instance of instances) {
    const id = `${instance.keyId}#${instance.version}#${instance.keystoreId}`;
    if (!agrees(stage, instance) && !flagged.has(id)) {
      problems.push(`Not as wanted, and not flagged: ${withRoles(id, stage.roles)}.`);
    }
  }
  return problems;
}

function agrees(stage: Stage, { binding, wanted, outgrown, label, current }: KeyInstance): boolean {
  const found = stage.keysInAws().find(({ arn }) => arn === binding?.idInKeystore);
  switch (wanted) {
    case 'enabled':
      return found?.state === 'Enabled' && found.hasMaterial && (!current || found.aliases.join() === `alias/${label}`);
    case 'disabled':
      return found === undefined || outgrown || found.state === 'Disabled';
    case 'gone':
      return found === undefined || found.state === 'PendingDeletion';
    case 'none':
      return found === undefined;
  }
}
