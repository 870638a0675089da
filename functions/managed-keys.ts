import { listableVaults, requirePermission } from '../lib/access/permissions.ts';
import { createKey, planKey, templateNamed } from '../lib/keys/create.ts';
import { decideEdit, edit } from '../lib/keys/edit.ts';
import { listKeys } from '../lib/keys/list.ts';
import { openKey } from '../lib/keys/open.ts';
import { removeKey } from '../lib/keys/remove.ts';
import { listVersions } from '../lib/keys/versions.ts';
import { keystoresOfVault, readVaultCounters } from '../lib/records/reading.ts';
import { pageOf } from '../lib/wire/lists.ts';
import { attempted, audited } from './attempts.ts';
import { deployment } from './deployment.ts';
import { requireVault, serve } from './http.ts';
import { answerWithKey } from './key-answer.ts';

export const handler = serve(
  {
    ListManagedKeys: async (call) => ({
      body: await listKeys(deployment().database, listableVaults(call.caller), call),
    }),
    CreateManagedKey: (call) =>
      attempted(
        call,
        async (attempt, within) => {
          const { database, clock, newId } = deployment();
          const { body } = call;
          requirePermission(call.caller, 'create_key', body.vault.id);
          requireVault(call.vaultHeader, body.vault.id);
          const { keystoresGeneration } = await readVaultCounters(database, body.vault.id);
          const template = await templateNamed(deployment(), body.vault.id, body.template_name);
          const keystores = await keystoresOfVault(database, body.vault.id);
          const given = {
            label: body.label,
            description: body.description ?? '',
            labelTags: body.label_tags ?? [],
            tags: body.tags ?? [],
          };
          const by = { id: newId(), subject: call.caller.subject, now: clock() };
          const planned = planKey(template, keystores, given, by);
          await createKey(within, attempt, template, planned, keystoresGeneration, call.signal);
          return answerWithKey(planned.key.id, call.baseUrl, 201);
        },
        (id) => answerWithKey(id, call.baseUrl, 201),
      ),
    GetManagedKey: async (call) => {
      const { key } = await openKey(deployment(), call, 'read');
      return answerWithKey(key.id, call.baseUrl);
    },
    UpdateManagedKey: (call) =>
      attempted(call, async (attempt, within) => {
        const { key, partition } = await openKey(deployment(), call, 'edit_key');
        const { label, description, activation_date: activationDate, expiration_date: expirationDate, tags } = call.body;
        const by = { subject: call.caller.subject, now: deployment().clock() };
        const decision = decideEdit(partition, key, { label, description, activationDate, expirationDate, tags }, by);
        await edit(within, attempt, key, decision, call.signal);
        return answerWithKey(key.id, call.baseUrl);
      }),
    DeleteManagedKey: (call) =>
      attempted(call, async (attempt, within) => {
        const { key, partition } = await openKey(deployment(), call, 'destroy_deactivated_key');
        await removeKey(within, attempt, partition, key);
        return {};
      }),
    ListManagedKeyVersions: async (call) => {
      const { key, partition, context } = await openKey(deployment(), call, 'read');
      return { body: listVersions(partition, key, context, call) };
    },
    ListAssociatedResourcesForManagedKey: async (call) => {
      await openKey(deployment(), call, 'read');
      // The keystore types there are know of no resources that their keys protect.
      return { body: { ...pageOf(call.url, call.query, 0), associated_resources: [] } };
    },
  },
  audited,
);
