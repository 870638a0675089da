import { requireDeletable } from '../lib/keys/associated.ts';
import { carryOut, decide } from '../lib/keys/command.ts';
import type { StateCommand } from '../lib/keys/command.ts';
import type { ManagedKey } from '../lib/keys/key.ts';
import { openKey } from '../lib/keys/open.ts';
import { decideRotation, rotate } from '../lib/keys/rotate.ts';
import type { Action } from '../lib/access/permissions.ts';
import { attempted, audited, deployment } from './deployment.ts';
import { serve } from './http.ts';
import type { Call, Routes } from './http.ts';
import { answerWithKey } from './key-answer.ts';

type CommandCall = Call<'ActivateManagedKey'> | Call<'DeactivateManagedKey'> | Call<'DestroyManagedKey'>;

const ACTIONS: Record<StateCommand, Action | ((key: ManagedKey) => Action)> = {
  activate: 'change_key_state',
  deactivate: 'change_key_state',
  destroy: (key) => (key.state === 'pre_activation' ? 'destroy_pre_active_key' : 'destroy_deactivated_key'),
};

function command(call: CommandCall, name: StateCommand) {
  const { config, clock } = deployment();
  return attempted(
    call,
    async (attempt, within) => {
      const { key, partition, context } = await openKey(deployment(), call, ACTIONS[name]);
      const decision = decide(name, partition, key, {
        subject: call.caller.subject,
        now: clock(),
        destroyCoolDownHours: config.destroyCoolDownHours,
      });
      if (name === 'destroy') await requireDeletable(deployment(), decision.instances, context.keystores, call.signal);
      await carryOut(within, attempt, name, key, decision, call.signal);
      return answerWithKey(key.id, call.baseUrl);
    },
    (id) => answerWithKey(id, call.baseUrl),
  );
}

export const routes: Routes = {
  ActivateManagedKey: (call) => command(call, 'activate'),
  DeactivateManagedKey: (call) => command(call, 'deactivate'),
  DestroyManagedKey: (call) => command(call, 'destroy'),
  RotateManagedKey: (call) =>
    attempted(
      call,
      async (attempt, within) => {
        const { key, partition } = await openKey(deployment(), call, 'create_key');
        const by = { subject: call.caller.subject, now: deployment().clock() };
        await rotate(within, attempt, key, decideRotation(partition, key, by), call.signal);
        return answerWithKey(key.id, call.baseUrl);
      },
      (id) => answerWithKey(id, call.baseUrl),
    ),
};

export const handler = serve(routes, audited);
