import type { Keystore } from '../keystores/keystore.ts';
import { presentSchedule } from '../schedule/view.ts';
import type { Schedule } from '../schedule/schedule.ts';
import type { Template } from '../templates/template.ts';
import type { ManagedKey } from './key.ts';
import { dateAfter } from './period.ts';

/** One way in which a key is not as its template says. `changeable` is false where no keystore can change an existing key so. */
export interface Difference {
  readonly property: string;
  readonly key: string | boolean | number;
  readonly template: string | boolean | number;
  readonly changeable: boolean;
}

type Aligned = Pick<
  ManagedKey,
  'templateVersion' | 'keystoreIds' | 'activationDate' | 'expirationDate' | 'deactivateOnRotation' | 'createdAt'
>;

/**
 * The keystores that a template's keys live in: those of the vault of its type that carry one of its groups, or those that were chosen by
 * hand, sorted by id. Pass all
 * keystores of the template's vault.
 */
export function assignedKeystores(template: Template, keystoresOfVault: readonly Keystore[]): Keystore[] {
  return keystoresOfVault.filter((keystore) => isAssigned(keystore, template)).sort((a, b) => (a.id < b.id ? -1 : 1));
}

function isAssigned(keystore: Keystore, template: Template): boolean {
  if (template.keystoreIds !== undefined) return template.keystoreIds.includes(keystore.id);
  return template.keystores.some(
    ({ type, group }) => keystore.type === type && group !== undefined && keystore.groups.includes(group),
  );
}

/** The dates that a template gives a key made at `createdAt`; undefined where it leaves them open. */
export function datesFrom(
  template: Pick<Template, 'key'>,
  createdAt: Date,
): Pick<ManagedKey, 'activationDate' | 'expirationDate'> {
  return {
    activationDate: dateAfter(createdAt, template.key.activationDate),
    expirationDate: dateAfter(createdAt, template.key.expirationDate),
  };
}

/**
 * Aligned: made from this very version of the template, in just the keystores it names, with its lifecycle. Computed whenever it is
 * shown, so never stale. Contract: Templates, groups, alignment.
 */
export function isAligned(key: Aligned, template: Template, assigned: readonly Pick<Keystore, 'id'>[]): boolean {
  return (
    key.templateVersion === template.version &&
    sameIds(key.keystoreIds, assigned) &&
    lifecycleDifferences(key, template).length === 0
  );
}

function sameIds(ids: readonly string[], keystores: readonly { readonly id: string }[]): boolean {
  return ids.length === keystores.length && keystores.every(({ id }) => ids.includes(id));
}

function lifecycleDifferences(key: Aligned, template: Template): Difference[] {
  const dates = datesFrom(template, key.createdAt);
  const differences: Difference[] = [];
  // A template that leaves a date open has nothing against whatever date the key has.
  if (dates.activationDate !== undefined && dates.activationDate !== key.activationDate) {
    differences.push(difference('activation_date', key.activationDate ?? '', dates.activationDate));
  }
  if (dates.expirationDate !== undefined && dates.expirationDate !== key.expirationDate) {
    differences.push(difference('expiration_date', key.expirationDate ?? '', dates.expirationDate));
  }
  if (template.key.deactivateOnRotation !== key.deactivateOnRotation) {
    differences.push(difference('deactivate_on_rotation', key.deactivateOnRotation, template.key.deactivateOnRotation));
  }
  return differences;
}

function difference(
  property: string,
  key: Difference['key'],
  template: Difference['template'],
  changeable = true,
): Difference {
  return { property, key, template, changeable };
}

/** Everything that realigning would change, and what it cannot change because a keystore never changes it on an existing key. */
export function differencesOf(
  key: ManagedKey,
  template: Template,
  assigned: readonly Pick<Keystore, 'id' | 'name'>[],
  nameOf: (keystoreId: string) => string,
): Difference[] {
  const differences: Difference[] = [];
  if (key.templateVersion !== template.version) {
    differences.push(difference('template.version', key.templateVersion, template.version));
  }
  differences.push(...lifecycleDifferences(key, template));
  if (!sameIds(key.keystoreIds, assigned)) {
    const names = (list: readonly string[]) => [...list].sort().join(', ');
    differences.push(
      difference('keystores', names(key.keystoreIds.map(nameOf)), names(assigned.map(({ name }) => name))),
    );
  }
  const schedule = scheduleText(template.key.schedule);
  if (scheduleText(key.schedule) !== schedule) {
    differences.push(difference('schedule', scheduleText(key.schedule), schedule));
  }
  if (template.key.size !== key.spec.size)
    differences.push(difference('size', key.spec.size, template.key.size, false));
  if (template.key.material !== undefined && template.key.material !== key.spec.material) {
    differences.push(difference('material', key.spec.material, template.key.material, false));
  }
  const properties = template.keystores[0]?.properties ?? {};
  for (const name of new Set([...Object.keys(properties), ...Object.keys(key.spec.properties)])) {
    const ours = JSON.stringify(key.spec.properties[name] ?? null);
    const theirs = JSON.stringify(properties[name] ?? null);
    if (ours !== theirs) differences.push(difference(`keystores[].${name}`, ours, theirs, false));
  }
  return differences;
}

function scheduleText(schedule: Schedule | undefined): string {
  return schedule === undefined ? '' : JSON.stringify(presentSchedule(schedule));
}
