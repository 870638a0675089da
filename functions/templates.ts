import { listableVaults, notFound, requirePermission } from '../lib/access/permissions.ts';
import type { Action } from '../lib/access/permissions.ts';
import { Fault } from '../lib/fault.ts';
import { readTemplate, readTemplateKeysCount, readVault } from '../lib/records/reading.ts';
import { listTemplates } from '../lib/templates/list.ts';
import type { Template } from '../lib/templates/template.ts';
import { presentTemplate } from '../lib/templates/view.ts';
import { createTemplate, deleteTemplate, edited, storeTemplate } from '../lib/templates/write.ts';
import type { TemplateEdit } from '../lib/templates/write.ts';
import { newTemplateFrom, templateEditFrom } from '../lib/templates/wire.ts';
import type { OperationId } from '../lib/wire/operations.ts';
import { attempted, audited, records } from './records.ts';
import { etagOf, requireMatch, requireVault, serve } from './http.ts';
import type { Call } from './http.ts';

type TemplateCall = Pick<Call<OperationId>, 'caller' | 'vaultHeader' | 'baseUrl'> & { readonly id: string };

async function openTemplate(call: TemplateCall, action: Action): Promise<Template> {
  const template = await readTemplate(records().database, call.id);
  if (template === undefined) throw notFound();
  requirePermission(call.caller, action, template.vaultId);
  requireVault(call.vaultHeader, template.vaultId);
  return template;
}

async function answer(template: Template, call: Pick<TemplateCall, 'baseUrl'>, status: 200 | 201 = 200) {
  const { database } = records();
  const [keys, vault] = await Promise.all([
    readTemplateKeysCount(database, template.id),
    readVault(database, template.vaultId),
  ]);
  const body = presentTemplate(template, keys, vault, call.baseUrl);
  const location = status === 201 ? body.href : undefined;
  return { status, body, etag: etagOf(template.id, template.revision), location };
}

type EditCall =
  Call<'UpdateKeyTemplate'> | Call<'ArchiveKeyTemplate'> | Call<'UnarchiveKeyTemplate'> | Call<'ExposeKeyTemplate'>;

function edit(call: EditCall, editOf: (template: Template) => TemplateEdit) {
  return attempted(
    call,
    async (attempt, within) => {
      const before = await openTemplate(call, 'write_template');
      requireMatch(call.ifMatch, etagOf(before.id, before.revision));
      const by = { subject: call.caller.subject, now: records().clock() };
      const template = edited(before, editOf(before), by);
      await storeTemplate(within, attempt, before, template);
      return answer(template, call);
    },
    async (id) => answer(await openTemplate({ ...call, id }, 'read'), call),
  );
}

export const handler = serve(
  {
    ListKeyTemplates: async (call) => ({
      body: await listTemplates(records().database, listableVaults(call.caller), call),
    }),
    CreateKeyTemplate: (call) =>
      attempted(
        call,
        async (attempt, within) => {
          requirePermission(call.caller, 'write_template', call.body.vault.id);
          requireVault(call.vaultHeader, call.body.vault.id);
          await requireExistingVault(call.body.vault.id);
          return answer(await createTemplate(within, attempt, newTemplateFrom(call.body)), call, 201);
        },
        async (id) => answer(await openTemplate({ ...call, id }, 'read'), call, 201),
      ),
    GetKeyTemplate: async (call) => answer(await openTemplate(call, 'read'), call),
    UpdateKeyTemplate: (call) => edit(call, (template) => templateEditFrom(call.body, template)),
    ArchiveKeyTemplate: (call) =>
      edit(call, (template) => {
        requireState(template, 'unarchived');
        return { state: 'archived' };
      }),
    UnarchiveKeyTemplate: (call) =>
      edit(call, (template) => {
        requireState(template, 'archived');
        return { state: 'unarchived' };
      }),
    ExposeKeyTemplate: (call) =>
      edit(call, (template) => {
        if (template.type === 'shadow') return { type: 'user_defined' };
        throw new Fault('state_conflict', `Only a shadow template can be exposed; this one is ${template.type}.`);
      }),
    DeleteKeyTemplate: (call) =>
      attempted(call, async (attempt, within) => {
        const template = await openTemplate(call, 'delete_template');
        requireMatch(call.ifMatch, etagOf(template.id, template.revision));
        await deleteTemplate(within, attempt, template);
        return {};
      }),
  },
  audited,
);

function requireState(template: Template, state: Template['state']): void {
  if (template.state !== state) throw new Fault('state_conflict', `The template is ${template.state} already.`);
}

async function requireExistingVault(id: string): Promise<void> {
  if ((await readVault(records().database, id)) !== undefined) return;
  throw new Fault('not_found', {
    message: 'There is no such vault, or you may not see it.',
    target: { type: 'field', name: 'vault.id' },
  });
}
