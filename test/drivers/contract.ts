import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type {
  Binding,
  FoundKey,
  KeyInKeystore,
  KeySpec,
  KeystoreDriver,
  KeystoreFaultKind,
  KeystoreKind,
  Seen,
  StepName,
} from '../../lib/drivers/driver.ts';
import { KeystoreFault } from '../../lib/drivers/driver.ts';

/** What the suite needs to know of a keystore beside its driver: how to look behind it, and how to make it misbehave. */
export interface Keystore {
  /** A driver of the keystore, freshly connected. */
  connect(): KeystoreDriver;
  /** The present moment, as the keystore sees it. */
  now(): Date;
  /** Makes the next calls of this sort fail in this way, as often as given; until `mend` when `times` is left out. */
  strike(
    during: 'look' | 'create' | 'list',
    how: 'throttled' | 'denied' | 'answer_lost' | 'no_answer',
    times?: number,
  ): void;
  mend(): void;
  /** A key of somebody else, under this name. */
  takeName(label: string): Promise<void>;
  /** The same where a name that we could give is taken for a mark of ours: a key that is called so, by a name of other people's. */
  makeForeign?(name: string): Promise<void>;
  /** How many keys exist that carry the managed key's id, whatever their name. */
  countOf(keyId: string): Promise<number>;
  /** Lets the waiting period of a deletion pass. */
  letDeletionsEnd(): void;
  /** Takes the material out of the key, as somebody with access to the keystore could; undefined where nobody can. */
  readonly loseMaterial: ((idInKeystore: string) => Promise<void>) | undefined;
  /** Puts other material into the key, likewise. */
  readonly changeMaterial: ((idInKeystore: string) => Promise<void>) | undefined;
  /** Throws unless the key holds exactly these bytes, shown by using it. */
  readonly provesMaterial: ((idInKeystore: string, spec: KeySpec, material: Uint8Array) => Promise<void>) | undefined;
  close(): Promise<void>;
}

export interface Subject {
  readonly kind: KeystoreKind;
  open(): Promise<Keystore>;
  /** A key that everything but the import of all sorts is tried with. */
  readonly spec: KeySpec;
  /** Every sort of key with imported material, with bytes for it. */
  readonly imports: readonly { readonly spec: KeySpec; makeMaterial(): Uint8Array }[];
  /** Steps that the driver must not have, each with the reason. */
  readonly unsupported: Partial<Record<StepName, string>>;
  /** Why there are no keys without material here: `create` then brings the material, and `import` only proves it. */
  readonly noEmptyKeys?: string;
  /** Why a key cannot get another name here. */
  readonly fixedNames?: string;
  /** Why a key that is made anew has the id of the one before it. */
  readonly sameIdAnew?: string;
  /** Why nothing is created in place of a key that is gone. */
  readonly noneAnew?: string;
  /** A label that this keystore takes; `contract/<id>` when left out. */
  label?(id: string): string;
  /** Labels as much alike as two can be that must not become one name. */
  similarLabels?(label: string): readonly string[];
  /** Why there can be no keys of others here. */
  readonly noForeignKeys?: string;
  /** How the listing writes the id that `observe` answers; the same when left out. */
  idInList?(idInKeystore: string): string;
}

export const patience = (): AbortSignal => AbortSignal.timeout(20_000);

/** The keystore must not ask for material in this step. */
export function withoutMaterial(): Promise<never> {
  return Promise.reject(new Error('This step must not ask for key material.'));
}

export function present(seen: Seen): Extract<Seen, { presence: 'present' }> {
  if (seen.presence === 'present') return seen;
  throw new Error('The key is absent.');
}

export async function faultOf(work: Promise<unknown>): Promise<KeystoreFault> {
  try {
    await work;
  } catch (error) {
    if (error instanceof KeystoreFault) return error;
    throw error;
  }
  throw new Error('It succeeded.');
}

export function newKey(spec: KeySpec, now: Date, changes: Partial<KeyInKeystore> = {}): KeyInKeystore {
  const keyId = randomUUID();
  return {
    keyId,
    version: 1,
    current: true,
    label: `contract/${keyId}`,
    description: 'A key of the contract suite',
    tags: [{ name: 'team', value: 'payments' }],
    spec,
    binding: undefined,
    intendedAt: now,
    ...changes,
  };
}

/** A look may leave the fingerprint out where the id stands for it. */
function fingerprintSeen({ binding }: FoundKey): unknown {
  return expect.toSatisfy((seen: unknown) => seen === undefined || seen === binding.fingerprint);
}

/** Runs a step that the driver must have, and answers the key with the binding that it has from then on. */
export async function run(
  driver: KeystoreDriver,
  step: StepName,
  key: KeyInKeystore,
  material?: Uint8Array,
): Promise<KeyInKeystore> {
  const carryOut = driver.steps[step];
  if (carryOut === undefined) throw new Error(`The driver has no step ${step}.`);
  const binding: Binding | undefined = await carryOut(key, {
    signal: patience(),
    withMaterial: material === undefined ? withoutMaterial : (use) => lend(material, use),
  });
  return { ...key, binding: binding ?? key.binding };
}

async function lend<T>(material: Uint8Array, use: (bytes: Uint8Array) => Promise<T>): Promise<T> {
  const lent = Uint8Array.from(material);
  try {
    return await use(lent);
  } finally {
    lent.fill(0);
  }
}

/** What every driver must do alike. A behaviour that a keystore type cannot have is left out by a reason in its `Subject`. */
export function driverContract(name: string, subject: Subject): void {
  describe(`${name}: the contract of every driver`, () => {
    let keystore: Keystore;
    let driver: KeystoreDriver;

    beforeAll(async () => {
      keystore = await subject.open();
      driver = keystore.connect();
    });
    afterAll(() => keystore.close());
    beforeEach(() => {
      keystore.mend();
    });

    const { spec } = subject;
    const sample = subject.imports.find(
      (each) => each.spec.algorithm === spec.algorithm && each.spec.size === spec.size,
    );
    const ownMaterial = spec.material === 'imported' ? sample?.makeMaterial() : undefined;
    const otherMaterial = () => sample?.makeMaterial();
    const labelled = (key: KeyInKeystore, label = subject.label?.(key.keyId) ?? key.label) => ({ ...key, label });
    const fresh = (changes: Partial<KeyInKeystore> = {}) =>
      labelled(newKey(spec, keystore.now(), changes), changes.label);
    const create = (on: KeystoreDriver, key: KeyInKeystore, material = ownMaterial) =>
      run(on, 'create', key, subject.noEmptyKeys === undefined ? undefined : material);
    const look = (key: KeyInKeystore) => driver.observe(key, patience());

    /** A usable key: created, and with its material. */
    async function made(changes: Partial<KeyInKeystore> = {}): Promise<KeyInKeystore> {
      const created = await create(driver, fresh(changes));
      return spec.material === 'imported' ? run(driver, 'import', created, ownMaterial) : created;
    }

    describe('observe', () => {
      it('takes a key that was never created for absent', async () => {
        expect(await look(fresh())).toEqual({ presence: 'absent' });
      });

      it('sees a created key enabled, under its name and with the fingerprint that was recorded', async () => {
        const key = await made();
        const seen = present(await look(key));
        expect(seen).toMatchObject({ idInKeystore: key.binding?.idInKeystore, state: 'enabled', name: 'leads_here' });
        expect([key.binding?.fingerprint, undefined]).toContain(seen.fingerprint);
      });

      it('finds a key by its name when no binding is known', async () => {
        const key = await made();
        expect(present(await look({ ...key, binding: undefined })).idInKeystore).toBe(key.binding?.idInKeystore);
      });

      it('does not take a foreign key under its name for its own', async () => {
        const key = fresh();
        await keystore.takeName(key.label);
        expect(await look(key)).toEqual({ presence: 'absent' });
      });

      it('answers the same when asked twice, and changes nothing', async () => {
        const key = await made();
        expect(await look(key)).toEqual(await look(key));
        expect(await keystore.countOf(key.keyId)).toBe(1);
      });

      const unknowable = [
        ['throttled', 'throttled'],
        ['denied', 'denied'],
        ['no_answer', 'unreachable'],
      ] as const satisfies readonly (readonly [string, KeystoreFaultKind])[];
      it.each(unknowable)('throws, and never says absent, when its call is %s', async (how, kind) => {
        const key = await made();
        keystore.strike('look', how);
        expect(await faultOf(look(key))).toMatchObject({ kind, retryable: true });
        expect(await faultOf(look(fresh()))).toMatchObject({ kind });
      });

      describe('of a key whose create was sent and never answered', () => {
        /** As the journal has it: no binding, and when the create was sent. */
        const lost = async (): Promise<KeyInKeystore> => {
          // Whatever else the first key of a keystore has made.
          await made();
          const key = fresh();
          keystore.strike('create', 'answer_lost', 1);
          expect(await faultOf(create(driver, key))).toMatchObject({ kind: 'unreachable' });
          keystore.mend();
          return { ...key, createSent: true };
        };

        it('sees what the create made, also before it has its name', async () => {
          const key = await lost();
          expect(await keystore.countOf(key.keyId)).toBe(1);
          const seen = present(await keystore.connect().observe(key, patience()));
          const finished = await create(keystore.connect(), key);
          expect(seen.idInKeystore).toBe(finished.binding?.idInKeystore);
          expect(await keystore.countOf(key.keyId)).toBe(1);
        });

        it.each(unknowable)('throws, and never says absent, when its call is %s', async (how, kind) => {
          const key = await lost();
          keystore.strike('look', how);
          keystore.strike('list', how);
          expect(await faultOf(keystore.connect().observe(key, patience()))).toMatchObject({ kind, retryable: true });
        });

        it('does not take a foreign key under its name for what the create made', async () => {
          const key = { ...fresh(), createSent: true };
          await keystore.takeName(key.label);
          expect(await look(key)).toEqual({ presence: 'absent' });
        });

        it('says absent when the create made nothing', async () => {
          const key = fresh();
          keystore.strike('create', 'no_answer', 1);
          expect(await faultOf(create(driver, key))).toMatchObject({ kind: 'unreachable' });
          keystore.mend();
          expect(await keystore.countOf(key.keyId)).toBe(0);
          expect(await look({ ...key, createSent: true })).toEqual({ presence: 'absent' });
        });

        it.skipIf(subject.noneAnew !== undefined)(
          'sees the key anew that is made in the place of one that is gone',
          async () => {
            const before = await made();
            await run(driver, 'schedule_deletion', before);
            keystore.letDeletionsEnd();
            const key = { ...before, intendedAt: keystore.now(), createSent: true };
            keystore.strike('create', 'answer_lost', 1);
            expect(await faultOf(create(driver, key))).toMatchObject({ kind: 'unreachable' });
            keystore.mend();
            const seen = present(await keystore.connect().observe(key, patience()));
            expect(seen.idInKeystore).toBe((await create(driver, key)).binding?.idInKeystore);
          },
        );
      });

      it('stops when the signal aborts', async () => {
        const key = await made();
        const fault = await faultOf(driver.observe(key, AbortSignal.abort()));
        expect(fault.kind).toBe('unreachable');
      });
    });

    describe('create', () => {
      it('makes one key when it runs twice', async () => {
        const key = fresh();
        const first = await create(driver, key);
        const second = await create(driver, key);
        expect(second.binding).toEqual(first.binding);
        expect(await keystore.countOf(key.keyId)).toBe(1);
      });

      it('finds the key again whose creation was answered to nobody', async () => {
        const key = fresh();
        keystore.strike('create', 'answer_lost', 1);
        expect(await faultOf(create(driver, key))).toMatchObject({ kind: 'unreachable', retryable: true });
        expect(await keystore.countOf(key.keyId)).toBe(1);

        const again = await create(keystore.connect(), key);
        expect(await keystore.countOf(key.keyId)).toBe(1);
        expect(present(await look(again))).toMatchObject({ name: 'leads_here' });
      });

      it('makes nothing when the keystore refuses, and succeeds later', async () => {
        const key = fresh();
        keystore.strike('create', 'denied', 1);
        expect(await faultOf(create(driver, key))).toMatchObject({ kind: 'denied' });
        expect(await keystore.countOf(key.keyId)).toBe(0);
        await create(driver, key);
        expect(await keystore.countOf(key.keyId)).toBe(1);
      });

      it('takes a name that belongs to a foreign key for a conflict, naming it', async () => {
        const key = fresh();
        await keystore.takeName(key.label);
        const fault = await faultOf(create(driver, key));
        expect(fault).toMatchObject({ kind: 'conflict', retryable: false });
        expect(fault.message).toContain(key.label);
        expect(await keystore.countOf(key.keyId)).toBe(0);
      });

      it('gives keys names of their own whose labels are as alike as can be', async () => {
        const label = subject.label?.(randomUUID()) ?? `injective/${randomUUID()}`;
        const labels = subject.similarLabels?.(label) ?? [label, label.toUpperCase(), `${label}-`, `${label}_`];
        const keys = [];
        for (const each of labels) keys.push(await create(driver, fresh({ label: each })));
        expect(new Set(keys.map((key) => key.binding?.idInKeystore)).size).toBe(labels.length);
      });

      it('stops when the signal aborts, having made nothing', async () => {
        const key = fresh();
        const context = { signal: AbortSignal.abort(), withMaterial: withoutMaterial };
        expect(await faultOf(driver.steps.create?.(key, context) ?? Promise.resolve())).toMatchObject({
          kind: 'unreachable',
        });
        expect(await keystore.countOf(key.keyId)).toBe(0);
      });

      it('makes the key anew after it was destroyed', async () => {
        const key = await made();
        await run(driver, 'schedule_deletion', key);
        keystore.letDeletionsEnd();
        expect(await look(key)).toEqual({ presence: 'absent' });
        const anew = await create(driver, { ...key, intendedAt: keystore.now() });
        const same = anew.binding?.idInKeystore === key.binding?.idInKeystore;
        expect(same, subject.sameIdAnew).toBe(subject.sameIdAnew !== undefined);
        expect(present(await look(anew)).name).toBe('leads_here');
      });
    });

    describe('steps', () => {
      it('has exactly those that this keystore can carry out', () => {
        for (const [step, why] of Object.entries(subject.unsupported)) {
          expect(Object.keys(driver.steps), why).not.toContain(step);
        }
      });

      it('disables, and enables again; each can run twice', async () => {
        const key = await made();
        await run(driver, 'disable', key);
        await run(driver, 'disable', key);
        expect(present(await look(key)).state).toBe('disabled');
        await run(driver, 'enable', key);
        await run(driver, 'enable', key);
        expect(present(await look(key)).state).toBe('enabled');
      });

      if (subject.fixedNames === undefined) {
        it('renames: the new name leads here, the old one is free', async () => {
          const key = await made();
          const renamed = { ...key, label: `${key.label}-new` };
          expect(present(await look(renamed)).name).toBe('missing');
          await run(driver, 'rename', renamed);
          await run(driver, 'rename', renamed);
          expect(present(await look(renamed)).name).toBe('leads_here');
          const successor = fresh({ label: key.label });
          expect(present(await look(await create(driver, successor))).name).toBe('leads_here');
        });

        it('does not take a foreign name in a rename', async () => {
          const key = await made();
          const label = `${key.label}-taken`;
          await keystore.takeName(label);
          expect(present(await look({ ...key, label })).name).toBe('leads_elsewhere');
          expect(await faultOf(run(driver, 'rename', { ...key, label }))).toMatchObject({ kind: 'conflict' });
          expect(present(await look(key)).name).toBe('leads_here');
        });
      } else {
        it('cannot rename, and leaves the name as it is', async () => {
          const key = await made();
          const { rename } = driver.steps;
          if (rename !== undefined) {
            const renamed = run(driver, 'rename', { ...key, label: `${key.label}-new` });
            expect(await faultOf(renamed), subject.fixedNames).toMatchObject({ kind: 'unsupported' });
          }
          expect(present(await look(key)).name).toBe('leads_here');
        });
      }

      it('brings tags and description in line, twice over', async () => {
        const key = await made();
        const changed = { ...key, description: 'Another purpose', tags: [{ name: 'stage', value: 'prod' }] };
        await run(driver, 'tag', changed);
        await run(driver, 'tag', changed);
        expect(present(await look(changed)).state).toBe('enabled');
      });

      if (subject.kind.pendingDeletionDays === 0) {
        it('deletes at once, and has nothing to do the second time', async () => {
          const key = await made();
          await run(driver, 'schedule_deletion', key);
          expect(await look(key)).toEqual({ presence: 'absent' });
          await run(driver, 'schedule_deletion', key);
          expect(await keystore.countOf(key.keyId)).toBe(0);
        });
      } else {
        it('schedules the deletion, and cancels it; each can run twice', async () => {
          const key = await made();
          await run(driver, 'schedule_deletion', key);
          await run(driver, 'schedule_deletion', key);
          const pending = present(await look(key));
          expect(pending.state).toBe('pending_deletion');
          const days = ((pending.pendingDeletionUntil?.getTime() ?? 0) - keystore.now().getTime()) / 86_400_000;
          expect(days).toBeCloseTo(subject.kind.pendingDeletionDays, 1);

          await run(driver, 'cancel_deletion', key);
          await run(driver, 'cancel_deletion', key);
          expect(['disabled', 'enabled']).toContain(present(await look(key)).state);
          await run(driver, 'enable', key);
          expect(present(await look(key)).state).toBe('enabled');
        });
      }

      it('has nothing to do when a key to be deleted is gone', async () => {
        const key = await made();
        await run(driver, 'schedule_deletion', key);
        keystore.letDeletionsEnd();
        await run(driver, 'schedule_deletion', key);
        expect(await look(key)).toEqual({ presence: 'absent' });
      });

      it.each(['enable', 'disable', 'rename', 'tag', 'schedule_deletion', 'cancel_deletion'] as const)(
        '%s of a key that was never created is not_found',
        async (step) => {
          if (subject.unsupported[step] !== undefined) return;
          expect(await faultOf(run(driver, step, fresh()))).toMatchObject({ kind: 'not_found', retryable: false });
        },
      );
    });

    describe('imported material', () => {
      it.skipIf(subject.imports.length > 0)('cannot be brought into this type of keystore', () => {
        expect(subject.kind.materials).not.toContain('imported');
        expect(Object.keys(driver.steps)).not.toContain('import');
      });

      it.each(subject.imports.map((each) => [`${each.spec.algorithm} ${each.spec.size}`, each] as const))(
        '%s is the very material, shown by use',
        async (_name, sort) => {
          const imported = sort.spec;
          const material = sort.makeMaterial();
          const created = await create(driver, labelled(newKey(imported, keystore.now())), material);
          const without = subject.noEmptyKeys === undefined ? 'no_material' : 'enabled';
          expect(present(await look(created)).state).toBe(without);

          const key = await run(driver, 'import', created, material);
          const id = key.binding?.idInKeystore ?? '';
          expect(present(await look(key)).state).toBe('enabled');
          await keystore.provesMaterial?.(id, imported, material);

          const again = await run(driver, 'import', key, material);
          expect(again.binding).toEqual(key.binding);

          if (keystore.loseMaterial === undefined) return;
          await keystore.loseMaterial(id);
          expect(present(await look(key)).state).toBe('no_material');
          const restored = await run(driver, 'import', key, material);
          expect(restored.binding).toEqual(key.binding);
          expect(present(await look(restored)).state).toBe('enabled');
          await keystore.provesMaterial?.(id, imported, material);
        },
      );

      it.skipIf(sample === undefined)('refuses other bytes than those the key once had', async () => {
        const key = await made();
        await keystore.loseMaterial?.(key.binding?.idInKeystore ?? '');
        expect(await faultOf(run(driver, 'import', key, otherMaterial()))).toMatchObject({ kind: 'conflict' });
      });

      it.skipIf(sample === undefined)('shows wrong material by its fingerprint', async () => {
        if (keystore.changeMaterial === undefined) return;
        const key = await made();
        await keystore.changeMaterial(key.binding?.idInKeystore ?? '');
        const seen = present(await look(key));
        expect(seen.fingerprint).toBeDefined();
        expect(seen.fingerprint).not.toBe(key.binding?.fingerprint);
      });
    });

    describe('list', () => {
      it('lists every key that observe sees, over all pages', async () => {
        const keys = [await made(), await made(), await made()];
        const listed = new Set<string>();
        let after: string | undefined;
        do {
          const page = await driver.list(after, patience());
          for (const each of page.keys) listed.add(each.idInKeystore);
          after = page.next;
        } while (after !== undefined);
        const inList = (id: string) => subject.idInList?.(id) ?? id;
        for (const key of keys) expect(listed).toContain(inList(present(await look(key)).idInKeystore));
      });

      it.each([
        ['throttled', 'throttled'],
        ['denied', 'denied'],
      ] as const)('throws when its call is %s', async (how, kind) => {
        keystore.strike('list', how);
        expect(await faultOf(driver.list(undefined, patience()))).toMatchObject({ kind });
      });

      /** What a listing says of the key: `absent` when it does not show it, undefined when that takes a look. */
      const shown = async (key: KeyInKeystore): Promise<Seen | undefined> => {
        const id = driver.listing?.idOf(key);
        if (id === undefined) return undefined;
        let after: string | undefined;
        do {
          const page = await driver.list(after, patience());
          const found = page.keys.find((each) => each.idInKeystore === id);
          if (found !== undefined) return found.lookedAt?.(key);
          after = page.next;
        } while (after !== undefined);
        return { presence: 'absent' };
      };
      /** They may not differ in anything that the listing shows. */
      const agree = async (key: KeyInKeystore): Promise<Seen | undefined> => {
        const [listed, seen] = [await shown(key), await look(key)];
        const unlisted = driver.listing?.showsAll === false ? { fingerprint: undefined } : {};
        if (listed !== undefined) expect({ ...listed, ...unlisted }).toEqual({ ...seen, ...unlisted });
        return listed;
      };

      it('agrees with a look, in every state, where it carries states; and tells of keys that are as they should be', async () => {
        const key = await made();
        const tells = driver.listing?.idOf(key) !== undefined;
        const enabled = await agree(key);
        expect(enabled !== undefined).toBe(tells);
        await run(driver, 'disable', key);
        const disabled = await agree(key);
        expect(disabled !== undefined).toBe(tells);
        await run(driver, 'enable', key);
        await agree({ ...key, label: `${key.label}-new` });
        await agree({ ...key, current: false });
        await agree({ ...key, version: 2 });
        await agree(fresh());
        const { loseMaterial, changeMaterial } = keystore;
        if (loseMaterial !== undefined && spec.material === 'imported') {
          const lost = await made();
          await loseMaterial(lost.binding?.idInKeystore ?? '');
          await agree(lost);
        }
        if (changeMaterial !== undefined && driver.listing?.showsAll === true) {
          const changed = await made();
          await changeMaterial(changed.binding?.idInKeystore ?? '');
          await agree(changed);
        }
        await run(driver, 'schedule_deletion', key);
        await agree(key);
        if (driver.steps.cancel_deletion !== undefined && subject.kind.pendingDeletionDays > 0) {
          await run(driver, 'cancel_deletion', key);
          await agree(key);
          await run(driver, 'schedule_deletion', key);
        }
        keystore.letDeletionsEnd();
        await agree(key);
      });
    });

    describe('examine', () => {
      async function listed(): Promise<string[]> {
        const ids: string[] = [];
        let after: string | undefined;
        do {
          const page = await driver.list(after, patience());
          ids.push(...page.keys.map(({ idInKeystore }) => idInKeystore));
          after = page.next;
        } while (after !== undefined);
        return ids;
      }
      const examine = (id: string): Promise<FoundKey | undefined> =>
        driver.examine?.(id, patience()) ?? Promise.resolve(undefined);

      it('is there, or the kind says why no key of others can be adopted', () => {
        expect(driver.examine === undefined).toBe(subject.kind.refusesAdoption !== undefined);
      });

      it.skipIf(subject.kind.refusesAdoption !== undefined || subject.noForeignKeys !== undefined)(
        'knows a key of others, under its name, and what it would be as a managed key',
        async () => {
          const before = new Set(await listed());
          const label = subject.label?.(randomUUID()) ?? `foreign/${randomUUID()}`;
          await (keystore.makeForeign ?? keystore.takeName)(label);
          const [id = ''] = (await listed()).filter((each) => !before.has(each));
          const found = await examine(id);
          expect(found).toMatchObject({ idInKeystore: id, owner: 'nobody', state: 'enabled', obstacle: undefined });
          expect(found?.names).toContain(label);
          const { spec: like } = found ?? {};
          if (found === undefined || like === undefined) throw new Error('It is like no managed key.');
          expect(like.material).toBe('native');
          expect(subject.kind.refuses(like)).toBeUndefined();
          expect(await examine(id)).toEqual(found);

          // Bound to it, with its name and its marks given, it is a key like those that were made here.
          const adopted = newKey(like, keystore.now(), {
            label,
            description: found.description,
            tags: [],
            binding: found.binding,
          });
          expect(present(await look(adopted))).toMatchObject({ state: 'enabled', fingerprint: fingerprintSeen(found) });
          await run(driver, 'rename', adopted);
          await run(driver, 'tag', adopted);
          expect(present(await look(adopted))).toMatchObject({
            idInKeystore: found.binding.idInKeystore,
            state: 'enabled',
            name: 'leads_here',
          });
          const [again = ''] = (await listed()).filter((each) => !before.has(each));
          expect(await examine(again)).toMatchObject({ owner: 'shearline', state: 'enabled' });
          await run(driver, 'disable', adopted);
          expect(present(await look(adopted)).state).toBe('disabled');
        },
      );

      it.skipIf(subject.kind.refusesAdoption !== undefined || subject.noForeignKeys !== undefined)(
        'knows a key of ours by its marks, whatever our records say',
        async () => {
          const key = await made();
          const id = present(await look(key)).idInKeystore;
          expect(await examine(subject.idInList?.(id) ?? id)).toMatchObject({ owner: 'shearline' });
        },
      );

      it.skipIf(subject.kind.refusesAdoption !== undefined || subject.noForeignKeys !== undefined)(
        'throws, and never says that nothing is there, when its call is denied',
        async () => {
          const key = await made();
          const id = present(await look(key)).idInKeystore;
          keystore.strike('look', 'denied');
          expect(await faultOf(examine(subject.idInList?.(id) ?? id))).toMatchObject({ kind: 'denied' });
        },
      );
    });

    describe('health', () => {
      it('is ok when the keystore answers', async () => {
        expect(await driver.health(patience())).toMatchObject({ status: 'ok' });
      });

      it('throws when the signal aborts', async () => {
        expect(await faultOf(driver.health(AbortSignal.abort()))).toMatchObject({ kind: 'unreachable' });
      });
    });
  });
}
