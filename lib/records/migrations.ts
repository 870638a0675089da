import type { Migration } from './schema.ts';

/**
 * Every step that the table has taken since its first version, in order; each raises the version by one. Released ones are never changed.
 * A change that readers of the version before can bear (a new attribute with a default, a new kind of item) is none.
 */
export const MIGRATIONS: readonly Migration[] = [];
