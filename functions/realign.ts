import { Fault } from '../lib/fault.ts';
import { openKey } from '../lib/keys/open.ts';
import { decideRealignment, realign } from '../lib/keys/realign.ts';
import { attempted, audited, deployment } from './deployment.ts';
import { serve } from './http.ts';
import type { Routes } from './http.ts';
import { answerWithKey } from './key-answer.ts';

export const routes: Routes = {
  UpdateManagedKeyFromTemplate: (call) =>
    attempted(
      call,
      async (attempt, within) => {
        const { key, partition, context, keystoresGeneration } = await openKey(deployment(), call, 'align_key');
        const { template } = context;
        if (template === undefined) throw new Fault('state_conflict', 'The template of this key is gone.');
        const by = { subject: call.caller.subject, now: deployment().clock() };
        const realignment = decideRealignment(partition, key, template, [...context.keystores.values()], by);
        await realign(within, attempt, key, realignment, template, keystoresGeneration, call.signal);
        return answerWithKey(key.id, call.baseUrl);
      },
      (id) => answerWithKey(id, call.baseUrl),
    ),
};

export const handler = serve(routes, audited);
