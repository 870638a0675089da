import { APPROVAL } from '../answers.ts';
import type { Answer } from '../api.ts';
import { CommandProblem, EXIT } from '../exit.ts';
import { answer, flag, required, texts } from '../invocation.ts';
import type { Invocation, Run } from '../invocation.ts';
import { listAt, parsed, understood } from '../resources.ts';
import { facts } from '../terminal.ts';
import { answerList, anyOf, limitOf, shortTime, vaultOf } from './lists.ts';

export const list: Run = async (call) => {
  const state = anyOf(texts(call, 'state')) ?? 'pending';
  const query = { 'vault.id': await vaultOf(call), state, sort: 'requested_at' };
  const found = await listAt(call.api(), '/approvals', 'approvals', query, limitOf(call));
  const rows = found.raw
    .map((item) => parsed(APPROVAL, item, 'The list of approvals'))
    .map((each) => [each.id, each.state, each.summary, shortTime(each.expires_at)]);
  answerList(call, 'approvals', found, ['approval', 'state', 'request', 'expires (UTC)'], rows);
  return EXIT.ok;
};

export const show: Run = async (call) => {
  showApproval(call, await read(call));
  return EXIT.ok;
};

const read = (call: Invocation): Promise<Answer> =>
  call.api().send({ method: 'GET', path: `/approvals/${encodeURIComponent(required(call, 'approval'))}` });

function showApproval(call: Invocation, given: Answer): void {
  const approval = understood(APPROVAL, given);
  answer(call, given.body, () =>
    facts([
      ['approval', approval.id],
      ['request', approval.summary],
      ['operation', approval.operation],
      ['state', approval.state],
      ['asked for by', approval.requested_by],
      ['asked for at', shortTime(approval.requested_at)],
      ['expires', shortTime(approval.expires_at)],
      ['decided by', approval.decided_by],
    ]),
  );
}

export const approve: Run = async (call) => {
  const { id, summary } = understood(APPROVAL, await read(call));
  if (!flag(call, 'yes')) {
    if (!call.terminal.asks) {
      throw new CommandProblem(EXIT.usage, `This would carry out: ${summary}`, {
        advice: 'Nothing was changed. --yes confirms it.',
      });
    }
    const { confirm } = await import('../ask.ts');
    call.terminal.err.write(`${summary}\n`);
    if (!(await confirm('Approve it, and have it carried out now?', call.terminal))) {
      throw new CommandProblem(EXIT.failed, 'Nothing was changed.');
    }
  }
  const given = await call.api().send({ method: 'POST', path: `/approvals/${id}/approve` });
  answer(call, given.body ?? null, () => `Approved and carried out: ${summary}\n`);
  return EXIT.ok;
};

export const reject: Run = async (call) => {
  const path = `/approvals/${encodeURIComponent(required(call, 'approval'))}/reject`;
  showApproval(call, await call.api().send({ method: 'POST', path }));
  return EXIT.ok;
};
