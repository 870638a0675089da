/*
 * What the contract says, told a second time and from nothing but its text: who may do what when, what becomes of a key, and what a look
 * into a keystore means. It shares no code with `lib`; where the two disagree, one of them is wrong.
 */

export type State = 'pre_activation' | 'active' | 'deactivated' | 'destroyed';
export type TemplateName = 'imported' | 'native' | 'waiting' | 'mac' | 'hsm';
export type KeystoreName = 'first' | 'second' | 'cluster';

/** What one caller asks for. `key` counts the keys that are in the vault, in the order in which they were made. */
export type Order =
  | { readonly ask: 'create'; readonly template: TemplateName; readonly label: number }
  | { readonly ask: KeyCommand; readonly key: number }
  | { readonly ask: 'edit'; readonly key: number; readonly label: number | undefined; readonly description: number }
  | { readonly ask: 'edit_template'; readonly template: TemplateName; readonly deactivateOnRotation: boolean }
  | { readonly ask: 'archive' | 'unarchive'; readonly template: TemplateName }
  | { readonly ask: 'join' | 'leave'; readonly keystore: KeystoreName };

export type KeyCommand =
  'activate' | 'deactivate' | 'destroy' | 'rotate' | 'sync' | 'realign' | 'rehearse_realign' | 'remove' | 'verify';

export interface ModelTemplate {
  readonly name: TemplateName;
  readonly keystores: readonly KeystoreName[];
  readonly firstState: 'pre_activation' | 'active';
  /** A new version is new material in the same key of the keystore. */
  readonly rotatesInPlace: boolean;
  readonly native: boolean;
  version: number;
  archived: boolean;
  deactivateOnRotation: boolean;
}

export interface ModelInstance {
  readonly version: number;
  readonly keystore: KeystoreName;
  readonly removed: boolean;
}

export interface ModelKey {
  readonly id: string;
  readonly template: TemplateName;
  label: number;
  description: number;
  state: State;
  revision: number;
  version: number;
  templateVersion: number;
  deactivateOnRotation: boolean;
  keystores: readonly KeystoreName[];
  instances: readonly ModelInstance[];
  /** Of every version: its state, and when it was deactivated. */
  versions: readonly { readonly version: number; readonly state: State; readonly deactivatedAt: number | undefined }[];
  rotatedAt: number | undefined;
  deactivatedAt: number | undefined;
}

export const COOL_DOWN_MS = 4 * 3_600_000;
const HOUR_MS = 3_600_000;

/** The vault as its users have decided it. */
export interface Vault {
  readonly templates: Readonly<Record<TemplateName, ModelTemplate>>;
  /** Whether it carries the group that every template names. */
  readonly members: Record<KeystoreName, boolean>;
  keys: ModelKey[];
  /** Keys that were removed from the vault; keystores may still hold them. */
  buried: ModelKey[];
  /** How many changes were accepted: each is one event of the audit trail. */
  accepted: number;
}

const template = (
  name: TemplateName,
  more: Partial<ModelTemplate> & Pick<ModelTemplate, 'keystores'>,
): ModelTemplate => ({
  name,
  firstState: 'active',
  rotatesInPlace: true,
  native: false,
  version: 1,
  archived: false,
  deactivateOnRotation: false,
  ...more,
});

export function newVault(): Vault {
  return {
    templates: {
      imported: template('imported', { keystores: ['first', 'second'] }),
      native: template('native', { keystores: ['first', 'second'], native: true, deactivateOnRotation: true }),
      waiting: template('waiting', { keystores: ['first', 'second'], firstState: 'pre_activation' }),
      mac: template('mac', { keystores: ['first', 'second'], rotatesInPlace: false }),
      hsm: template('hsm', { keystores: ['cluster'], native: true, rotatesInPlace: false }),
    },
    members: { first: true, second: true, cluster: true },
    keys: [],
    buried: [],
    accepted: 0,
  };
}

export function copyOf(vault: Vault): Vault {
  return structuredClone(vault);
}

/** The key that an order is about; undefined for orders about none, and where the vault has no key. */
export function keyOf(vault: Vault, order: Order): ModelKey | undefined {
  if (!('key' in order) || vault.keys.length === 0) return undefined;
  return vault.keys[order.key % vault.keys.length];
}

/** The same order about the same key, whatever is made or removed meanwhile. */
export type Addressed = Order & { readonly id: string | undefined };

export function addressed(vault: Vault, order: Order): Addressed {
  return { ...order, id: keyOf(vault, order)?.id };
}

const FROM: Record<KeyCommand, readonly State[]> = {
  activate: ['pre_activation', 'deactivated'],
  deactivate: ['active'],
  destroy: ['pre_activation', 'deactivated'],
  rotate: ['active'],
  sync: ['pre_activation', 'active', 'deactivated', 'destroyed'],
  verify: ['pre_activation', 'active', 'deactivated', 'destroyed'],
  realign: ['pre_activation', 'active', 'deactivated'],
  rehearse_realign: ['pre_activation', 'active', 'deactivated'],
  remove: ['destroyed'],
};

/** The code with which the contract has this order refused; undefined when it must be accepted. */
export function refusalOf(vault: Vault, order: Addressed, now: number): string | undefined {
  switch (order.ask) {
    case 'create':
      if (vault.templates[order.template].archived) return 'template_archived';
      return vault.keys.some(({ label }) => label === order.label) ? 'name_taken' : undefined;
    case 'archive':
      return vault.templates[order.template].archived ? 'state_conflict' : undefined;
    case 'unarchive':
      return vault.templates[order.template].archived ? undefined : 'state_conflict';
    case 'edit_template':
    case 'join':
    case 'leave':
      return undefined;
    case 'edit': {
      const key = inVault(vault, order);
      if (key === undefined) return 'not_found';
      if (key.state === 'destroyed') return 'state_conflict';
      return vault.keys.some(({ id, label }) => id !== key.id && label === order.label) ? 'name_taken' : undefined;
    }
    default: {
      const key = inVault(vault, order);
      if (key === undefined) return 'not_found';
      if (!FROM[order.ask].includes(key.state)) return 'state_conflict';
      if (order.ask === 'destroy' && key.state === 'deactivated' && now < (key.deactivatedAt ?? now) + COOL_DOWN_MS) {
        return 'state_conflict';
      }
      if (order.ask === 'rotate' && key.rotatedAt !== undefined && now < key.rotatedAt + HOUR_MS) return 'too_often';
      const isAligning = order.ask === 'realign' || order.ask === 'rehearse_realign';
      return isAligning && vault.templates[key.template].archived ? 'template_archived' : undefined;
    }
  }
}

function inVault(vault: Vault, order: Addressed): ModelKey | undefined {
  return vault.keys.find(({ id }) => id === order.id);
}

/** Whether it changes what users decide; the others are answered from what is. */
export function changesVault(order: Order): boolean {
  return order.ask !== 'verify' && order.ask !== 'rehearse_realign';
}

/** Makes of the vault what the contract makes of it. `id` is that of the key which an accepted create made. */
export function accept(vault: Vault, order: Addressed, now: number, id = ''): void {
  if (changesVault(order)) vault.accepted += 1;
  switch (order.ask) {
    case 'create':
      vault.keys.push(newKey(vault, vault.templates[order.template], order.label, id));
      return;
    case 'archive':
    case 'unarchive':
      vault.templates[order.template].archived = order.ask === 'archive';
      return;
    case 'edit_template': {
      const changed = vault.templates[order.template];
      changed.version += 1;
      changed.deactivateOnRotation = order.deactivateOnRotation;
      return;
    }
    case 'join':
    case 'leave':
      vault.members[order.keystore] = order.ask === 'join';
      return;
    default: {
      const key = inVault(vault, order);
      if (key === undefined) throw new Error('Only what was not refused can be accepted.');
      change(vault, key, order, now);
    }
  }
}

type Change = Exclude<
  Addressed,
  { readonly ask: 'create' | 'archive' | 'unarchive' | 'edit_template' | 'join' | 'leave' }
>;

function change(vault: Vault, key: ModelKey, order: Change, now: number): void {
  switch (order.ask) {
    case 'sync':
    case 'verify':
    case 'rehearse_realign':
      return;
    case 'remove':
      vault.buried.push(key);
      vault.keys = vault.keys.filter(({ id }) => id !== key.id);
      return;
    case 'edit':
    case 'activate':
    case 'deactivate':
    case 'destroy':
    case 'rotate':
    case 'realign':
      key.revision += 1;
      changeRecord(vault, key, order, now);
  }
}

function changeRecord(vault: Vault, key: ModelKey, order: Change, now: number): void {
  switch (order.ask) {
    case 'edit':
      key.label = order.label ?? key.label;
      key.description = order.description;
      return;
    case 'activate': {
      // Older versions come back with the key if they went with it, and not if a rotation took them out of use.
      const back = key.deactivatedAt;
      setState(key, 'active', undefined, (each) => each.state === 'deactivated' && each.deactivatedAt === back);
      key.deactivatedAt = undefined;
      return;
    }
    case 'deactivate':
      setState(key, 'deactivated', now, (each) => each.state === 'active');
      key.deactivatedAt = now;
      return;
    case 'destroy':
      setState(key, 'destroyed', undefined, () => true);
      return;
    case 'rotate':
      rotate(key, now);
      return;
    case 'realign':
      realign(vault, key);
      return;
    case 'sync':
    case 'verify':
    case 'rehearse_realign':
    case 'remove':
  }
}

type ModelVersion = ModelKey['versions'][number];

function setState(
  key: ModelKey,
  state: State,
  deactivatedAt: number | undefined,
  follows: (of: ModelVersion) => boolean,
): void {
  key.state = state;
  key.versions = key.versions.map((each) =>
    each.version === key.version || follows(each) ? { version: each.version, state, deactivatedAt } : each,
  );
}

function rotate(key: ModelKey, now: number): void {
  const before = key.version;
  key.version += 1;
  key.rotatedAt = now;
  key.versions = [
    ...key.versions.map((each) =>
      each.version === before && key.deactivateOnRotation
        ? { version: before, state: 'deactivated' as const, deactivatedAt: now }
        : each,
    ),
    { version: key.version, state: 'active', deactivatedAt: undefined },
  ];
  const added = key.instances
    .filter(({ version }) => version === before)
    .map((each) => ({ ...each, version: key.version }));
  key.instances = [...key.instances, ...added];
}

function realign(vault: Vault, key: ModelKey): void {
  const from = vault.templates[key.template];
  key.keystores = assigned(vault, from);
  key.templateVersion = from.version;
  key.deactivateOnRotation = from.deactivateOnRotation;
  const stays = key.instances.map((each) => ({ ...each, removed: !key.keystores.includes(each.keystore) }));
  const known = key.instances.filter(({ version }) => version === key.version).map(({ keystore }) => keystore);
  const comes = key.keystores
    .filter((keystore) => !known.includes(keystore))
    .map((keystore) => ({ version: key.version, keystore, removed: false }));
  key.instances = [...stays, ...comes];
}

function assigned(vault: Vault, from: ModelTemplate): KeystoreName[] {
  return from.keystores.filter((keystore) => vault.members[keystore]);
}

function newKey(vault: Vault, from: ModelTemplate, label: number, id: string): ModelKey {
  const keystores = assigned(vault, from);
  return {
    id,
    template: from.name,
    label,
    description: 0,
    state: from.firstState,
    revision: 1,
    version: 1,
    templateVersion: from.version,
    deactivateOnRotation: from.deactivateOnRotation,
    keystores,
    instances: keystores.map((keystore) => ({ version: 1, keystore, removed: false })),
    versions: [{ version: 1, state: from.firstState, deactivatedAt: undefined }],
    rotatedAt: undefined,
    deactivatedAt: undefined,
  };
}

export function stateOf(key: ModelKey, version: number): State {
  return key.versions.find((each) => each.version === version)?.state ?? key.state;
}

export type Status = 'active' | 'not_active' | 'not_present' | 'wrong_key' | 'error';
export interface Verdict {
  readonly flag: string;
  readonly detail: string;
}

/** The contract's table, “Status of a key in a keystore”, as it is printed there. */
const TABLE: readonly (readonly [key: State | 'removed', says: readonly Status[], flag: string, detail: string])[] = [
  ['active', ['active'], 'ok', 'active_key_is_active_in_keystore'],
  ['active', ['not_active', 'not_present', 'wrong_key'], 'out_of_sync', 'active_key_is_not_active_in_keystore'],
  ['deactivated', ['not_active', 'not_present'], 'ok', 'deactivated_key_is_deactivated_in_keystore'],
  ['deactivated', ['active', 'wrong_key'], 'out_of_sync', 'deactivated_key_is_not_deactivated_in_keystore'],
  ['destroyed', ['not_present'], 'ok', 'destroyed_key_is_not_present_in_keystore'],
  ['destroyed', ['active', 'not_active', 'wrong_key'], 'out_of_sync', 'destroyed_key_is_present_in_keystore'],
  ['pre_activation', ['not_present'], 'ok', 'pre_active_key_is_not_present_in_keystore'],
  ['pre_activation', ['active', 'not_active', 'wrong_key'], 'out_of_sync', 'pre_active_key_is_present_in_keystore'],
  ['removed', ['not_active', 'not_present'], 'ok', 'target_keystore_removed_by_user'],
  ['removed', ['active', 'wrong_key'], 'out_of_sync', 'target_keystore_removed_by_user_contains_an_active_key'],
];

export function verdictOn(of: State | 'removed', status: Status): Verdict {
  if (status === 'error') return { flag: 'error', detail: 'connection_error' };
  const row = TABLE.find(([key, says]) => key === of && says.includes(status));
  if (row === undefined) throw new Error(`The contract's table has no row for a ${of} key that is ${status}.`);
  return { flag: row[2], detail: row[3] };
}
