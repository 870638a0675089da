import { listableVaults, requirePermission } from '../lib/access/permissions.ts';
import { givenUpWork, redrive, waitingWork } from '../lib/drift/open-work.ts';
import type { Working } from '../lib/drift/open-work.ts';
import { isAnyOf, pageFrom } from '../lib/list.ts';
import type { WireOpenWork } from '../lib/wire/open-work.ts';
import { audited, deployment } from './deployment.ts';
import { serve } from './http.ts';

function present(work: Working, baseUrl: string): WireOpenWork {
  const { open } = work;
  return {
    key: {
      id: work.keyId,
      label: work.label,
      version: work.version,
      href: `${baseUrl}/api/v4/managed_keys/${work.keyId}`,
    },
    keystore: { id: work.keystoreId, href: `${baseUrl}/api/v4/keystores/${work.keystoreId}` },
    vault: { id: work.vaultId, href: `${baseUrl}/api/v4/vaults/${work.vaultId}` },
    state: open.givenUp ? 'given_up' : 'waiting',
    cause: open.cause,
    since: open.since.toISOString(),
    attempts: open.attempts,
    due_at: open.dueAt.toISOString(),
    ...(open.lastError === undefined ? {} : { last_error: open.lastError }),
  };
}

export const handler = serve(
  {
    ListOpenWork: async (call) => {
      const listable = listableVaults(call.caller);
      const { state, 'vault.id': vaults } = call.query;
      const found: Working[] = [];
      const keep = (work: Working) =>
        (listable === 'all' || listable.has(work.vaultId)) && isAnyOf(vaults, work.vaultId) && found.push(work);
      if (isAnyOf(state, 'waiting')) for await (const work of waitingWork(deployment())) keep(work);
      if (isAnyOf(state, 'given_up')) for await (const work of givenUpWork(deployment())) keep(work);
      const { page, items } = pageFrom(
        found,
        call,
        {
          since: ({ open }) => open.since,
          due_at: ({ open }) => open.dueAt,
          attempts: ({ open }) => open.attempts,
          label: ({ label }) => label,
        },
        ({ keyId, keystoreId, version }) => `${keyId}#${version}#${keystoreId}`,
        ['since'],
      );
      return { body: { ...page, open_work: items.map((work) => present(work, call.baseUrl)) } };
    },
    RedriveOpenWork: async (call) => {
      const { id } = call.body.vault;
      requirePermission(call.caller, 'align_key', id);
      return { body: { redriven: await redrive(deployment(), id) } };
    },
  },
  audited,
);
