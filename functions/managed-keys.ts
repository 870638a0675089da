import { listableVaults, requirePermission } from '../lib/access/permissions.ts';
import { assign, decideAssignment } from '../lib/keys/assign.ts';
import { associationsOf, listAssociations } from '../lib/keys/associated.ts';
import { createKey, planKey, templateNamed } from '../lib/keys/create.ts';
import { decideEdit, edit } from '../lib/keys/edit.ts';
import { listKeys } from '../lib/keys/list.ts';
import { openKey } from '../lib/keys/open.ts';
import { removeKey } from '../lib/keys/remove.ts';
import { chosenKeystores, shadowTemplate } from '../lib/keys/shadow.ts';
import { listVersions } from '../lib/keys/versions.ts';
import { keystoresOfVault, readVaultCounters } from '../lib/records/reading.ts';
import type { Keystore } from '../lib/keystores/keystore.ts';
import type { Template } from '../lib/templates/template.ts';
import { templateKeyFrom } from '../lib/templates/wire.ts';
import { attempted, audited, deployment } from './deployment.ts';
import { requireVault, serve } from './http.ts';
import type { Call, Routes } from './http.ts';
import { answerAsRead, answerWithKey } from './key-answer.ts';

/** The template that the key is to be made from: the one named, or a shadow template of what was given in its place. */
async function templateFor(
  call: Call<'CreateManagedKey'>,
  keystores: readonly Keystore[],
  by: { readonly id: string; readonly subject: string; readonly now: Date },
): Promise<Template> {
  const { vault, template_name: name, key, keystores: chosen } = call.body;
  if (name !== undefined) return templateNamed(deployment(), vault.id, name);
  const [first, ...others] = chosenKeystores(chosen?.map(({ id }) => id) ?? [], keystores, 'keystores');
  if (key === undefined || first === undefined)
    throw new Error('The schema lets no request in without key and keystores.');
  return shadowTemplate(vault.id, templateKeyFrom(key), [first, ...others], {}, by);
}

export const routes: Routes = {
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
        const keystores = await keystoresOfVault(database, body.vault.id);
        const by = { id: newId(), subject: call.caller.subject, now: clock() };
        const template = await templateFor(call, keystores, { ...by, id: newId() });
        const given = {
          label: body.label,
          description: body.description ?? '',
          labelTags: body.label_tags ?? [],
          tags: body.tags ?? [],
        };
        const planned = planKey(template, keystores, given, by);
        await createKey(within, attempt, template, planned, keystoresGeneration, call.signal);
        return answerWithKey(planned.key.id, call.baseUrl, 201);
      },
      (id) => answerWithKey(id, call.baseUrl, 201),
    ),
  GetManagedKey: async (call) => answerAsRead(await openKey(deployment(), call, 'read'), call.baseUrl),
  UpdateManagedKey: (call) =>
    attempted(call, async (attempt, within) => {
      const { key, partition, context, keystoresGeneration } = await openKey(deployment(), call, 'edit_key');
      const { label, description, activation_date: activationDate, expiration_date: expirationDate, tags } = call.body;
      const { referenced_keystores: chosen } = call.body;
      const by = { id: deployment().newId(), subject: call.caller.subject, now: deployment().clock() };
      const decision = decideEdit(partition, key, { label, description, activationDate, expirationDate, tags }, by);
      if (chosen === undefined || context.template === undefined) {
        await edit(within, attempt, key, decision, call.signal);
        return answerWithKey(key.id, call.baseUrl);
      }
      const keystores = chosenKeystores(
        chosen.map(({ id }) => id),
        [...context.keystores.values()],
        'referenced_keystores',
      );
      const assignment = decideAssignment(partition, decision.key, context.template, keystores, decision.instances, by);
      await assign(within, attempt, key, context.template, assignment, keystoresGeneration, call.signal);
      return answerWithKey(key.id, call.baseUrl);
    }),
  DeleteManagedKey: (call) =>
    attempted(call, async (attempt, within) => {
      const { key, partition, context } = await openKey(deployment(), call, 'destroy_deactivated_key');
      await removeKey(within, attempt, partition, key, context.template);
      return {};
    }),
  ListManagedKeyVersions: async (call) => {
    const { key, partition, context } = await openKey(deployment(), call, 'list');
    return { body: listVersions(partition, key, context, call) };
  },
  ListAssociatedResourcesForManagedKey: async (call) => {
    const { partition, context } = await openKey(deployment(), call, 'list');
    const associations = await associationsOf(deployment(), partition.instances, context.keystores, call.signal);
    return { body: listAssociations(associations, context.vault, call) };
  },
};

export const handler = serve(routes, audited);
