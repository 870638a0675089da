import * as z from 'zod/mini';
import { later } from '../later.ts';
import { WORK_CAUSES } from '../keys/key.ts';
import { dateTime, id } from './fields.ts';
import type { Wire } from './fields.ts';
import { anyOf, page, paging } from './lists.ts';
import { vaultReferenceInCreationRequest } from './vaults.ts';

// Beyond UKO.

export const OPEN_WORK_STATES = ['waiting', 'given_up'] as const;

export const openWorkQuery = later(() =>
  z.strictObject({
    'vault.id': anyOf(id()),
    state: anyOf(z.enum(OPEN_WORK_STATES)),
    ...paging(['since', 'due_at', 'attempts', 'label']),
  }),
);

export const openWork = later(() =>
  z.strictObject({
    key: z.strictObject({ id: z.string(), label: z.string(), version: z.int(), href: z.string() }),
    keystore: z.strictObject({ id: z.string(), href: z.string() }),
    vault: z.strictObject({ id: z.string(), href: z.string() }),
    state: z.enum(OPEN_WORK_STATES),
    cause: z.enum(WORK_CAUSES),
    since: dateTime(),
    attempts: z.int(),
    due_at: dateTime(),
    last_error: z.optional(z.string()),
  }),
);
export type WireOpenWork = Wire<typeof openWork>;

export const openWorkList = later(() => z.strictObject({ ...page(), open_work: z.array(openWork()) }));
export type WireOpenWorkList = Wire<typeof openWorkList>;

export const redriveOpenWork = later(() => z.strictObject({ vault: vaultReferenceInCreationRequest() }));

export const redrivenWork = later(() => z.strictObject({ redriven: z.int() }));
