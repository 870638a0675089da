import { instanceId } from '../../../lib/keys/key.ts';
import { readKey, readTemplateKeysCount, readVaultCounters } from '../../../lib/records/reading.ts';
import type { KeyInstance } from '../../../lib/keys/key.ts';
import type { KeyPartition } from '../../../lib/records/reading.ts';
import { INDEX_KEY } from '../../../lib/records/table.ts';
import { verifyTrail } from '../../../lib/records/trail.ts';
import { KEYSTORE_ACCOUNT } from '../../../sandbox/aws-accounts.ts';
import type { EventBridgeEvent, KeyListing } from '../../../sandbox/aws-kms/server.ts';
import type { TestDeployment } from '../../deployment.ts';
import type { Action, Simultaneous, Tampering } from './actions.ts';
import { heldFor, instanceName, listing, newMemory, OWNER, truthOf, VERSION } from './reality.ts';
import type { Memory } from './reality.ts';
import { accept, addressed, copyOf, keyOf, newVault, refusalOf, verdictOn } from './reference.ts';
import type { Addressed, KeystoreName, ModelInstance, ModelKey, Order, TemplateName, Vault } from './reference.ts';
import { descriptionOf, labelOf, REGION_OF, setStage } from './stage.ts';
import type { Outcome, Stage } from './stage.ts';

/** What was done, in numbers. */
export interface Tally {
  commands: number;
  accepted: number;
  refused: number;
  tamperings: number;
  faults: number;
  sweeps: number;
  /** Flags that were held against what is really in a keystore. */
  rows: number;
  atOnce: number;
}

/** Refusals by which the loser of a race may learn of it, whatever the vault says. */
const LOST_RACE = new Set(['precondition_failed', 'being_changed', 'busy']);
const MINUTE = 60_000;
/** How often work that is left is tried again at most; the journal gives up after that. */
const RESUMES = 30;
const SETUP_EVENTS = 9;

class BrokenPromise extends Error {
  override readonly name = 'BrokenPromise';
}

function broken(promise: string, how: string): never {
  throw new BrokenPromise(`${promise}: ${how}`);
}

/** One vault from its making on: plays what happens to it, and holds everything that is seen against the reference. */
export class Episode {
  readonly #stage: Stage;
  readonly #deployment: TestDeployment;
  readonly #tally: Tally;
  readonly #memory: Memory = newMemory();
  readonly #vault: Vault = newVault();
  readonly #unsubscribe: () => void;
  /** What Shearline itself did to KMS keys in this step. */
  #calls: { readonly operation: string; readonly arn: string }[] = [];

  private constructor(stage: Stage, tally: Tally) {
    this.#stage = stage;
    this.#deployment = stage.deployment;
    this.#tally = tally;
    this.#unsubscribe = this.#deployment.kms.on('event', (event) => {
      this.#calls.push(...ourCalls(event));
    });
  }

  static async begin(deployment: TestDeployment, tally: Tally): Promise<Episode> {
    return new Episode(await setStage(deployment), tally);
  }

  async end(): Promise<void> {
    this.#unsubscribe();
    this.#mend();
    await this.#stage.clear([...this.#vault.keys, ...this.#vault.buried].map(({ id }) => id));
  }

  /** Plays one action, or several at once, and checks what must hold after every step. */
  async play(actions: readonly Action[]): Promise<void> {
    this.#calls = [];
    const owners = new Map(listing(this.#stage).map((each) => [each.arn, each.tags[OWNER]]));
    const destroyedBefore = new Set(this.#destroyed());
    this.#inTheWay = this.#whatIsInTheWay();
    const [only, ...more] = actions;
    if (only === undefined) return;
    if (more.length === 0) await this.#playOne(only);
    else await this.#playTogether(actions.filter(isSimultaneous));
    this.#remember();
    this.#requireNoUncalledFor(owners, destroyedBefore, more.length > 0);
  }

  async #playOne(action: Action): Promise<void> {
    if ('ask' in action) {
      await this.#order(action);
      return;
    }
    this.#tally.commands += 1;
    if ('tamper' in action) await this.#tamper(action);
    else if ('cluster' in action) this.#switchCluster(action.cluster);
    else if ('fault' in action) {
      this.#tally.faults += 1;
      this.#deployment.kms.faults.add(action.fault);
    } else if ('mend' in action) this.#mend();
    else if ('pass' in action) this.#deployment.time.advance(action.pass);
    else if ('background' in action) await this.#background(action.background);
    else if ('sweep' in action) await this.#sweep();
    else await this.#settle();
  }

  async #order(order: Order): Promise<void> {
    const to = addressed(this.#vault, order);
    if (isAimless(to)) return;
    this.#tally.commands += 1;
    const now = this.#deployment.clock();
    const expected = refusalOf(this.#vault, to, now.getTime());
    this.#noteMaterials([to]);
    const before = order.ask === 'rehearse_realign' ? await this.#everythingOf(to) : '';
    const outcome = await this.#stage.order(to, now);
    const refused = 'refused' in outcome ? outcome.refused : undefined;
    if (refused !== expected) {
      broken(
        'The answer is the contract’s',
        `${JSON.stringify(to)} was ${refused ?? 'accepted'}, not ${expected ?? 'accepted'}`,
      );
    }
    this.#count(outcome);
    if ('refused' in outcome) return;
    accept(this.#vault, to, now.getTime(), outcome.made);
    const id = outcome.made ?? to.id;
    if (order.ask === 'rehearse_realign') {
      if ((await this.#everythingOf(to)) !== before) broken('A dry run changes nothing', JSON.stringify(to));
      if (this.#calls.length > 0) broken('A dry run changes no keystore', JSON.stringify(this.#calls));
    }
    if (id !== undefined) await this.#requireAsDecided(id);
    if (order.ask === 'sync' || order.ask === 'verify') await this.#requireTruth(order.ask, id);
  }

  async #everythingOf({ id }: Addressed): Promise<string> {
    return JSON.stringify(await readKey(this.#deployment.database, id ?? ''));
  }

  #count(outcome: Outcome): void {
    if ('refused' in outcome) this.#tally.refused += 1;
    else this.#tally.accepted += 1;
  }

  /** Several at once: their outcomes must be those of some order of them, one after another. */
  async #playTogether(actions: readonly Simultaneous[]): Promise<void> {
    const now = this.#deployment.clock();
    const orders = actions
      .flatMap((action) => ('ask' in action ? [addressed(this.#vault, action)] : []))
      .filter((order) => !isAimless(order));
    this.#noteMaterials(orders);
    const others = actions.flatMap((action) => ('ask' in action ? [] : [action]));
    this.#tally.commands += orders.length + others.length;
    this.#tally.atOnce += orders.length;
    const [outcomes] = await Promise.all([
      Promise.all(orders.map((order) => this.#stage.order(order, now))),
      Promise.all(
        others.map((other) => ('tamper' in other ? this.#tamper(other) : this.#background(other.background))),
      ),
    ]);
    for (const outcome of outcomes) this.#count(outcome);
    await this.#requireSomeOrder(orders, outcomes, now.getTime());
  }

  async #requireSomeOrder(orders: readonly Addressed[], outcomes: readonly Outcome[], now: number): Promise<void> {
    const done = orders.flatMap((order, at) => {
      const outcome = outcomes[at];
      return outcome === undefined || 'refused' in outcome ? [] : [{ order, id: outcome.made ?? '' }];
    });
    const refused = orders.flatMap((order, at) => {
      const outcome = outcomes[at];
      return outcome !== undefined && 'refused' in outcome ? [{ order, code: outcome.refused }] : [];
    });
    const said: string[] = [];
    for (const sequence of permutations(done)) {
      const states = inSequence(this.#vault, sequence, now);
      const last = states?.at(-1);
      if (states === undefined || last === undefined) continue;
      const unexplained = refused.filter(
        ({ order, code }) => !LOST_RACE.has(code) && !states.some((vault) => refusalOf(vault, order, now) === code),
      );
      const mismatch = await this.#mismatch(last);
      if (unexplained.length === 0 && mismatch === undefined) {
        Object.assign(this.#vault, last);
        return;
      }
      said.push(mismatch ?? JSON.stringify(unexplained));
    }
    broken(
      'What happens at the same time is as if it happened one after another',
      `${JSON.stringify(orders)} ended ${JSON.stringify(outcomes)}, which no order of them explains; ${said[0] ?? ''}`,
    );
  }

  /** In what a vault's records are not as they should be; undefined when they are. */
  async #mismatch(vault: Vault): Promise<string | undefined> {
    for (const key of vault.keys) {
      const difference = differenceOf(this.#stage, key, await readKey(this.#deployment.database, key.id));
      if (difference !== undefined) return difference;
    }
    return undefined;
  }

  async #requireAsDecided(id: string): Promise<void> {
    const partition = await readKey(this.#deployment.database, id);
    const key = this.#vault.keys.find((each) => each.id === id);
    if (key === undefined) {
      if (partition.key !== undefined) broken('A removed key is gone', id);
      return;
    }
    const difference = differenceOf(this.#stage, key, partition);
    if (difference !== undefined) broken('The record is what users decided', difference);
  }

  /** Which materials are current when a rotation is decided: of no later version. */
  #noteMaterials(orders: readonly Addressed[]): void {
    for (const { ask, id } of orders) {
      if (ask !== 'rotate') continue;
      for (const found of listing(this.#stage)) {
        if (found.tags[OWNER] === id && found.currentKeyMaterialId !== undefined) {
          this.#noted.set(found.currentKeyMaterialId, id ?? '');
        }
      }
    }
  }

  readonly #noted = new Map<string, string>();

  async #background(what: 'scan' | 'resume'): Promise<void> {
    if (what === 'scan') {
      this.#tally.sweeps += 1;
      await this.#stage.scan();
    } else await this.#deployment.resume();
  }

  async #tamper({ tamper, key: keyNumber, which, other }: Tampering): Promise<void> {
    const key = keyOf(this.#vault, { ask: 'verify', key: keyNumber });
    if (key === undefined) return;
    const held = listing(this.#stage).filter(({ tags }) => tags[OWNER] === key.id);
    const found = held[which % Math.max(1, held.length)];
    if (found === undefined) return;
    this.#tally.tamperings += 1;
    const { operator } = this.#deployment.kms;
    try {
      switch (tamper) {
        case 'disable':
          await operator.disable(found.arn);
          return;
        case 'enable':
          await operator.enable(found.arn);
          return;
        case 'schedule_deletion':
          await operator.scheduleDeletion(found.arn);
          return;
        case 'cancel_deletion':
          await operator.cancelDeletion(found.arn);
          return;
        case 'purge':
          operator.purge(found.arn);
          return;
        case 'lose_material':
          operator.loseMaterial(found.arn);
          return;
        case 'replace_material':
          await this.#replaceMaterial(key, found);
          return;
        case 'delete_backing_key':
          operator.deleteBackingKey(found.arn);
          return;
        case 'delete_alias':
        case 'move_alias':
          await this.#touchName(tamper, found, other);
      }
    } catch (error) {
      // The cloud does not let its own console do everything in every state.
      if (!(error instanceof Error && error.name === 'KmsError')) throw error;
    }
  }

  async #replaceMaterial(key: ModelKey, found: KeyListing): Promise<void> {
    // Of other keys AWS tells nothing by which one material could be known from another.
    if (found.keySpec !== 'SYMMETRIC_DEFAULT' || found.origin === 'AWS_CLOUDHSM') return;
    const material = await this.#deployment.kms.operator.replaceMaterial(found.arn);
    this.#memory.meddledWith.add(found.arn);
    // Native material that comes while a rotation is on its way is a rotation like ours, whoever asked for it.
    const isRotation = this.#vault.templates[key.template].native && Number(found.tags[VERSION]) < key.version;
    if (!isRotation) this.#memory.foreign.add(material);
  }

  async #touchName(how: 'delete_alias' | 'move_alias', found: KeyListing, other: number): Promise<void> {
    const [alias] = found.aliases;
    if (alias === undefined) return;
    this.#memory.namesTouched = true;
    if (how === 'delete_alias') {
      await this.#deployment.kms.operator.deleteAlias(alias, found.arn);
      return;
    }
    const taker = keyOf(this.#vault, { ask: 'verify', key: other });
    const to = listing(this.#stage).find(
      ({ region, tags }) => region === found.region && tags[OWNER] === taker?.id && taker !== undefined,
    );
    if (to !== undefined) {
      await this.#deployment.kms.operator.moveAlias(alias, { key: to.keyId, region: found.region });
    }
  }

  #switchCluster(to: 'disconnect' | 'connect'): void {
    const { operator } = this.#deployment.kms;
    if (to === 'disconnect') operator.disconnectCustomKeyStore(this.#deployment.customKeyStoreId);
    else operator.connectCustomKeyStore(this.#deployment.customKeyStoreId);
  }

  #mend(): void {
    this.#deployment.kms.faults.clear();
    this.#switchCluster('connect');
  }

  /** A scan with nothing of ours on the way: from then on every flag is true. */
  async #sweep(): Promise<void> {
    this.#tally.sweeps += 1;
    this.#deployment.time.advance(2 * MINUTE);
    await this.#stage.scan();
    await this.#requireTruth('scan', undefined);
  }

  /** Nothing is in the way any more: what is left is done, every key is synced, and then everything that can be right is. */
  async #settle(): Promise<void> {
    this.#mend();
    this.#inTheWay = new Set();
    await this.#finishWork();
    for (const { id } of this.#vault.keys) await this.#syncNow(id);
    await this.#finishWork();
    // A name that one key had to give back first can be taken now.
    for (const id of await this.#flagged()) await this.#syncNow(id);
    await this.#finishWork();
    await this.#sweep();
    await this.#requireRepaired();
    await this.#requireCounted();
  }

  async #syncNow(id: string): Promise<void> {
    const outcome = await this.#stage.order({ ask: 'sync', key: 0, id }, this.#deployment.clock());
    if ('refused' in outcome) broken('Any key can be synced', outcome.refused);
    this.#vault.accepted += 1;
  }

  /** Keys in the vault of which anything is not well. */
  async #flagged(): Promise<string[]> {
    const flagged = await this.#deployment.flagged(this.#stage.vaultId);
    return this.#vault.keys.map(({ id }) => id).filter((id) => flagged.some(({ keyId }) => keyId === id));
  }

  async #finishWork(): Promise<void> {
    for (let round = 0; round < RESUMES; round += 1) {
      if ((await this.#openWork()) === 0) return;
      this.#deployment.time.advance(20 * MINUTE);
      await this.#deployment.resume();
    }
    if ((await this.#openWork()) > 0) broken('Work comes to an end', `${await this.#openWork()} entries are open`);
  }

  async #openWork(): Promise<number> {
    const { database } = this.#deployment;
    const shards = [0, 1, 2, 3].map((shard) => database.queryAll({ index: 'due', pk: INDEX_KEY.openWork(shard) }));
    return (await Promise.all(shards)).flat().length;
  }

  /** What has been in which keystore, for telling later what is gone from what never came. */
  #remember(): void {
    const all = listing(this.#stage);
    for (const key of this.#vault.keys) {
      for (const instance of key.instances) {
        if (heldFor(key.id, instance, all).some(({ tags }) => Number(tags[VERSION]) === instance.version)) {
          this.#memory.arrived.add(instanceName(key, instance));
        }
      }
    }
    for (const [material, id] of this.#noted) {
      const key = this.#vault.keys.find((each) => each.id === id);
      // Only of a rotation that was accepted.
      if (key !== undefined && key.version > (this.#versions.get(id) ?? 1)) this.#memory.outdated.add(material);
    }
    this.#noted.clear();
    for (const { id, version } of this.#vault.keys) this.#versions.set(id, version);
  }

  readonly #versions = new Map<string, number>();

  #destroyed(): string[] {
    return [...this.#vault.keys.filter(({ state }) => state === 'destroyed'), ...this.#vault.buried].map(
      ({ id }) => id,
    );
  }

  /** After every step: nothing was sent on its way to deletion but by command, and nothing destroyed came back. */
  #requireNoUncalledFor(
    before: ReadonlyMap<string, string | undefined>,
    destroyedBefore: ReadonlySet<string>,
    atOnce: boolean,
  ): void {
    const destroyed = new Set(this.#destroyed());
    const now = new Map(listing(this.#stage).map((each) => [each.arn, each.tags[OWNER]]));
    for (const { operation, arn } of this.#calls) {
      const owner = now.get(arn) ?? before.get(arn);
      if (owner === undefined) continue;
      // One that was made in this very step, for a name that somebody took meanwhile, is not left behind.
      if (operation === 'ScheduleKeyDeletion' && !destroyed.has(owner) && before.has(arn)) {
        broken('A key is deleted by command only', `${arn} of ${owner}`);
      }
      const revives =
        operation === 'CancelKeyDeletion' || operation === 'EnableKey' || operation === 'ImportKeyMaterial';
      if (revives && destroyedBefore.has(owner) && !atOnce) broken('What is destroyed stays so', `${operation} ${arn}`);
    }
  }

  /** Holds the flags of one key, or of all, against what is really in the keystores. */
  async #requireTruth(by: 'scan' | 'sync' | 'verify', only: string | undefined): Promise<void> {
    const all = listing(this.#stage);
    const keys = [...this.#vault.keys, ...this.#vault.buried].filter(({ id }) => only === undefined || id === only);
    for (const key of keys) {
      const partition = await readKey(this.#deployment.database, key.id);
      for (const instance of key.instances) this.#requireTrueRow(by, key, instance, partition, all);
    }
  }

  #requireTrueRow(
    by: 'scan' | 'sync' | 'verify',
    key: ModelKey,
    instance: ModelInstance,
    partition: KeyPartition,
    all: readonly KeyListing[],
  ): void {
    const name = { version: instance.version, keystoreId: this.#stage.keystores[instance.keystore] };
    const record = partition.instances.find((each) => instanceId(each) === instanceId(name));
    const { templates } = this.#vault;
    const truth = truthOf(this.#stage, this.#memory, templates[key.template], key, instance, partition, all);
    const where = `${labelOf(key.label)} v${instance.version} in ${instance.keystore} after ${by}`;
    if (record === undefined) {
      // A key that was removed is followed until each keystore has said that it is gone.
      const isGone =
        !this.#vault.keys.includes(key) && truth.status === 'not_present' && truth.pendingUntil === undefined;
      if (!isGone) broken('A key is followed until it is gone', where);
      return;
    }
    const now = this.#deployment.clock();
    const isOnItsWay = record.open !== undefined && record.open.attempts === 1 && record.open.dueAt > now;
    if (isOnItsWay) return;
    const row = partition.observed.get(instanceId(name));
    if (row === undefined) broken('Every key in a keystore has been looked at', where);
    this.#tally.rows += 1;
    const unaskable = this.#unaskable(instance.keystore);
    const isError = row.keystoreSyncFlag === 'error';
    if (unaskable === 'surely' && by === 'scan' && !isError) {
      broken('What could not be asked is an error', `${where} says ${row.keystoreSyncFlag}`);
    }
    if (isError && (unaskable !== 'no' || truth.status === 'error')) return;
    // Whether it is the kept material was not seen by anybody: that is said, and never ok.
    if (row.keystoreSyncFlag === 'verifying_sync' && isNotProven(record)) return;
    const verdict = verdictOn(truth.of, truth.status);
    const verdicts = [truth.status, ...truth.or].map((status) => verdictOn(truth.of, status));
    if (!verdicts.some(({ flag, detail }) => row.keystoreSyncFlag === flag && row.keystoreSyncFlagDetail === detail)) {
      broken(
        'The flag says the truth',
        `${where} says ${row.keystoreSyncFlagDetail} (${row.status}: ${row.reason}), but it is ${verdict.detail} (${truth.status})`,
      );
    }
    if (row.status !== truth.status && !truth.or.some((status) => status === row.status)) {
      broken('The status says the truth', `${where} says ${row.status} (${row.reason}), but it is ${truth.status}`);
    }
  }

  #unaskable(keystore: KeystoreName): 'no' | 'perhaps' | 'surely' {
    // What struck in this very step may be spent by now.
    if (!this.#inTheWay.has(keystore)) return 'no';
    const faults = this.#deployment.kms.faults.list().filter(({ region }) => region === REGION_OF[keystore]);
    const isSilent = faults.some(({ operation, times }) => operation === undefined && times === undefined);
    return isSilent || (keystore === 'cluster' && !this.#isClusterConnected()) ? 'surely' : 'perhaps';
  }

  /** Keystores that something was in the way to when this step began. */
  #inTheWay: ReadonlySet<KeystoreName> = new Set();

  #whatIsInTheWay(): ReadonlySet<KeystoreName> {
    const regions = new Set(this.#deployment.kms.faults.list().map(({ region }) => region));
    const names: KeystoreName[] = ['first', 'second', 'cluster'];
    return new Set(
      names.filter((name) => regions.has(REGION_OF[name]) || (name === 'cluster' && !this.#isClusterConnected())),
    );
  }

  #isClusterConnected(): boolean {
    return this.#deployment.kms.operator.customKeyStores()[0]?.connectionState === 'CONNECTED';
  }

  async #requireRepaired(): Promise<void> {
    const all = listing(this.#stage);
    for (const key of this.#vault.keys) {
      const partition = await readKey(this.#deployment.database, key.id);
      for (const instance of key.instances) {
        const { templates } = this.#vault;
        const truth = truthOf(this.#stage, this.#memory, templates[key.template], key, instance, partition, all);
        const { flag } = verdictOn(truth.of, truth.status);
        const where = `${labelOf(key.label)} v${instance.version} in ${instance.keystore}`;
        if (flag !== 'ok' && truth.excuse === undefined) {
          const row = partition.observed.get(
            instanceId({ version: instance.version, keystoreId: this.#stage.keystores[instance.keystore] }),
          );
          const why = row?.error === undefined ? '' : ` (${row.error.message})`;
          broken('What can be repaired is repaired', `${where} is ${truth.status}: ${row?.reason ?? ''}${why}`);
        }
        if (key.state !== 'destroyed' && truth.pendingUntil !== undefined) {
          broken('Sync cancels a deletion that nobody decided', where);
        }
      }
      this.#requireNoTwins(key, partition, all);
    }
  }

  #requireNoTwins(key: ModelKey, partition: KeyPartition, all: readonly KeyListing[]): void {
    const bound = new Set(partition.instances.map(({ binding }) => binding?.idInKeystore));
    for (const found of all.filter(({ tags }) => tags[OWNER] === key.id)) {
      if (found.state === 'PendingDeletion') continue;
      if (!bound.has(found.arn)) broken('No key is left that nobody follows', `${found.arn} of ${labelOf(key.label)}`);
      const twins = all.filter(
        ({ tags, region, state }) =>
          tags[OWNER] === key.id &&
          tags[VERSION] === found.tags[VERSION] &&
          region === found.region &&
          state !== 'PendingDeletion',
      );
      if (twins.length > 1) broken('A key is once in a keystore', twins.map(({ arn }) => arn).join(', '));
      const strangers = found.aliases.filter((alias) => alias !== `alias/${labelOf(key.label)}`);
      // A name is not moved to other material than the key's: it waits until a rotation has brought that.
      const isMeddledWith = this.#memory.meddledWith.has(found.arn);
      if (!this.#memory.namesTouched && !isMeddledWith && strangers.length > 0)
        broken('A key has its one name', strangers.join(', '));
    }
  }

  async #requireCounted(): Promise<void> {
    const { database } = this.#deployment;
    const { keys, templates, keystores } = await readVaultCounters(database, this.#stage.vaultId);
    const counted = { keys, templates, keystores };
    const expected = { keys: this.#vault.keys.length, templates: 5, keystores: 3 };
    if (JSON.stringify(counted) !== JSON.stringify(expected)) {
      broken('Counters are exact', `${JSON.stringify(counted)}, not ${JSON.stringify(expected)}`);
    }
    for (const [name, id] of Object.entries(this.#stage.templates) as [TemplateName, string][]) {
      const made = this.#vault.keys.filter((key) => key.template === name).length;
      const count = await readTemplateKeysCount(database, id);
      if (count !== made) broken('Counters are exact', `${name} counts ${count} keys and has ${made}`);
    }
    const trail = await verifyTrail(database, this.#stage.vaultId);
    if (trail.broken !== undefined) broken('The audit trail is whole', trail.broken);
    const events = SETUP_EVENTS + this.#vault.accepted;
    if (trail.events !== events) {
      broken('Every accepted change is in the audit trail once', `${trail.events} events for ${events} changes`);
    }
  }
}

function isSimultaneous(action: Action): action is Simultaneous {
  return 'ask' in action || 'tamper' in action || 'background' in action;
}

/** About a key, where there is none. */
function isAimless(order: Addressed): boolean {
  return 'key' in order && order.id === undefined;
}

function ourCalls({ detail }: EventBridgeEvent): { readonly operation: string; readonly arn: string }[] {
  const identity = detail['userIdentity'] as { readonly accessKeyId?: string } | undefined;
  if (identity?.accessKeyId !== KEYSTORE_ACCOUNT.accessKeyId || detail['errorCode'] !== undefined) return [];
  const resources = detail['resources'] as readonly { readonly ARN: string }[];
  return resources.map(({ ARN }) => ({ operation: String(detail['eventName']), arn: ARN }));
}

interface Done {
  readonly order: Addressed;
  readonly id: string;
}

/** The vault before, between and after these, one after another; undefined when the contract does not let them follow so. */
function inSequence(from: Vault, sequence: readonly Done[], now: number): Vault[] | undefined {
  const states = [copyOf(from)];
  for (const { order, id } of sequence) {
    const vault = copyOf(states.at(-1) ?? from);
    if (refusalOf(vault, order, now) !== undefined) return undefined;
    accept(vault, order, now, id);
    states.push(vault);
  }
  return states;
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((first, at) =>
    permutations([...items.slice(0, at), ...items.slice(at + 1)]).map((rest) => [first, ...rest]),
  );
}

/** In what a key's record differs from what was decided; undefined when it is that. */
function differenceOf(stage: Stage, key: ModelKey, partition: KeyPartition): string | undefined {
  const { key: stored } = partition;
  if (stored === undefined) return `${labelOf(key.label)} is gone`;
  const idOf = (name: KeystoreName) => stage.keystores[name];
  const expected = {
    state: key.state,
    version: key.version,
    revision: key.revision,
    label: labelOf(key.label),
    description: descriptionOf(key.description),
    keystores: key.keystores.map(idOf).sort(),
    templateVersion: key.templateVersion,
    deactivateOnRotation: key.deactivateOnRotation,
    versions: key.versions.map(({ version, state }) => `${version} ${state}`),
    instances: key.instances
      .map(({ version, keystore, removed }) => `${version} ${idOf(keystore)} ${removed ? 'removed' : ''}`)
      .sort(),
  };
  const found = {
    state: stored.state,
    version: stored.version,
    revision: stored.revision,
    label: stored.label,
    description: stored.description,
    keystores: [...stored.keystoreIds].sort(),
    templateVersion: stored.templateVersion,
    deactivateOnRotation: stored.deactivateOnRotation,
    versions: partition.versions.map(({ version, state }) => `${version} ${state}`),
    instances: partition.instances
      .map(({ version, keystoreId, removedByUser }) => `${version} ${keystoreId} ${removedByUser ? 'removed' : ''}`)
      .sort(),
  };
  const [should, is] = [JSON.stringify(expected), JSON.stringify(found)];
  return should === is ? undefined : `${is}, not ${should}`;
}

function isNotProven({ spec, wanted, binding }: KeyInstance): boolean {
  return spec.material === 'imported' && wanted === 'enabled' && binding?.fingerprint === undefined;
}
