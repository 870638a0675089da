import { READ } from '../records/entities.ts';
import type { Database } from '../records/database.ts';
import { snakeCase } from '../records/item.ts';
import { INDEX_KEY } from '../records/table.ts';
import { fromText, itemText, stringIn } from '../records/item-text.ts';
import type { ItemText } from '../records/item-text.ts';
import type { WireItem } from '../records/wire.ts';
import type { KeyInstance } from '../keys/key.ts';
import type { Observed } from '../drift/observed.ts';

/** An instance with what was last observed of it, as stored. They lie side by side in the index, the instance first. */
export interface Pair {
  readonly instance: ItemText;
  readonly observed: ItemText | undefined;
}

/** Taken apart and checked: what anything but the comparison of the hot path works with. Throws `UnreadableItem`. */
export function readPair({ instance, observed }: Pair): {
  readonly instance: KeyInstance;
  readonly before: Observed | undefined;
} {
  return {
    instance: READ.keyInstance(fromText(instance)),
    before: observed === undefined ? undefined : READ.observed(fromText(observed)),
  };
}

/** Reads a page of the index by keystore, from a place on: the JSON of each item. */
export type ReadPage = (
  after: WireItem | undefined,
) => Promise<{ readonly items: readonly string[]; readonly next: WireItem | undefined }>;

/** All that is told of an instance or of what was observed, and nothing of what only indexes need: that is a quarter of a page. */
const FIELDS: Readonly<Record<keyof KeyInstance | keyof Observed, true>> = {
  keyId: true,
  version: true,
  keystoreId: true,
  vaultId: true,
  label: true,
  spec: true,
  keyState: true,
  current: true,
  wanted: true,
  outgrown: true,
  rotating: true,
  keyRemoved: true,
  removedByUser: true,
  binding: true,
  intendedAt: true,
  createSentAt: true,
  rotationSentAt: true,
  fence: true,
  touchedAt: true,
  open: true,
  status: true,
  keystoreSyncFlag: true,
  keystoreSyncFlagDetail: true,
  reason: true,
  since: true,
  seenAt: true,
  error: true,
  keyIdInKeystore: true,
  pendingDestructionUntil: true,
  judgedFence: true,
};
const PLACE = 'keystore_sk';
const ATTRIBUTES = [PLACE, ...Object.keys(FIELDS).map(snakeCase)];

/** The pages of a keystore's instances in the table. */
export function pagesOf(database: Database, keystoreId: string): ReadPage {
  const query = { index: 'by_keystore', pk: INDEX_KEY.instancesInKeystore(keystoreId) } as const;
  return (after) => database.pageText(query, ATTRIBUTES, after);
}

/** Where a sweep of a keystore goes on: the index's sort key of the last instance that was dealt with. */
export type Position = string;

/**
 * The instances of a keystore, page by page, the next page asked for while this one is worked on: two pages in memory, whatever the number
 * of keys. `take` answers at once as long as there are any, so that many workers can take from one source cheaply.
 */
export class Pairs {
  readonly #readPage: ReadPage;
  readonly #keystoreId: string;
  #page: readonly string[] = [];
  #at = 0;
  #next: Promise<readonly string[] | undefined> | undefined;
  #after: WireItem | undefined;
  #last = false;
  /** An instance at the end of a page, whose observation may be the first of the next. */
  #waiting: ItemText | undefined;
  readonly #from: Position | undefined;
  #taken: Pair | undefined;
  /** One worker's wait for the next page is everybody's. */
  #turning: Promise<void> | undefined;
  #isEnd = false;

  constructor(readPage: ReadPage, keystoreId: string, from?: Position) {
    this.#readPage = readPage;
    this.#keystoreId = keystoreId;
    this.#from = from;
    this.#after = from === undefined ? undefined : startAfter(keystoreId, from);
    this.#next = this.#read();
    // Whoever takes sees it; nobody may before this process would end of it.
    this.#next.catch(() => undefined);
  }

  /** Of the pair that was taken last; undefined before the first. */
  get position(): Position | undefined {
    return this.#taken === undefined ? this.#from : stringIn(this.#taken.instance.get(PLACE));
  }

  /** Whether there are more than so many, without taking any. Only before the first is taken. */
  async hasMoreThan(count: number): Promise<boolean> {
    await this.#turnOnce();
    return (
      !this.#last ||
      this.#page.length > 2 * count ||
      this.#page.filter((json) => isInstance(itemText(json))).length > count
    );
  }

  /** The next pair; undefined after the last. A promise only where a page has to be waited for. */
  take(): Pair | undefined | Promise<Pair | undefined> {
    return this.#takeNow() ?? (this.#isEnd ? undefined : this.#takeLater());
  }

  #takeNow(): Pair | undefined {
    for (let json = this.#page[this.#at]; json !== undefined; json = this.#page[this.#at]) {
      this.#at += 1;
      const item = itemText(json);
      const instance = this.#waiting;
      if (isInstance(item)) {
        this.#waiting = item;
        if (instance !== undefined) return this.#taking({ instance, observed: undefined });
      } else if (instance !== undefined && sameInstance(instance, item)) {
        this.#waiting = undefined;
        return this.#taking({ instance, observed: item });
      }
    }
    const last = this.#isEnd ? this.#waiting : undefined;
    if (last === undefined) return undefined;
    this.#waiting = undefined;
    return this.#taking({ instance: last, observed: undefined });
  }

  #taking(pair: Pair): Pair {
    this.#taken = pair;
    return pair;
  }

  async #takeLater(): Promise<Pair | undefined> {
    for (;;) {
      const pair = this.#takeNow();
      if (pair !== undefined || this.#isEnd) return pair;
      await this.#turnOnce();
    }
  }

  #turnOnce(): Promise<void> {
    this.#turning ??= this.#turn().finally(() => {
      this.#turning = undefined;
    });
    return this.#turning;
  }

  async #turn(): Promise<void> {
    const page = await this.#next;
    if (page === undefined) {
      this.#isEnd = true;
      return;
    }
    this.#page = page;
    this.#at = 0;
    this.#next = this.#read();
    this.#next.catch(() => undefined);
  }

  async #read(): Promise<readonly string[] | undefined> {
    if (this.#last) return undefined;
    const { items, next } = await this.#readPage(this.#after);
    this.#after = next;
    this.#last = next === undefined;
    return items;
  }
}

function isInstance(item: ItemText): boolean {
  return item.get(PLACE)?.endsWith('#1"}') === true;
}

function sameInstance(instance: ItemText, observed: ItemText): boolean {
  return instance.get('key_id') === observed.get('key_id') && instance.get('version') === observed.get('version');
}

/** As DynamoDB names the place of an item in the index: by the keys of both. Of an instance, all follow from its place. */
function startAfter(keystoreId: string, position: Position): WireItem {
  const [keyId = '', version = ''] = position.split('#');
  return {
    pk: { S: `KEY#${keyId}` },
    sk: { S: `OBSERVED#${version}#${keystoreId}` },
    keystore_pk: { S: INDEX_KEY.instancesInKeystore(keystoreId) },
    keystore_sk: { S: `${keyId}#${version}#2` },
  };
}
