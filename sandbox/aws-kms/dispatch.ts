import { randomUUID } from 'node:crypto';
import type { Cloud } from './cloud.ts';
import { KmsError } from './error.ts';
import { apiCallEvent } from './events.ts';
import type { Answer, Call, Operation, Principal } from './operation.ts';
import { operations } from './operations.ts';
import type { World } from './world.ts';

export interface Request {
  world: World;
  operation: string;
  input: unknown;
  principal: Principal;
  requestId?: string;
}

export function operationNamed(name: string): Operation {
  const operation = Object.hasOwn(operations, name) ? operations[name] : undefined;
  if (!operation) throw new KmsError('UnknownOperationException', '');
  return operation;
}

/** Runs one operation as of now, after everything that became due, and emits its event when it changed something. */
export async function dispatch(cloud: Cloud, request: Request): Promise<Answer> {
  const operation = operationNamed(request.operation);
  const call: Call = {
    cloud,
    world: request.world,
    operation: request.operation,
    now: cloud.tick(),
    principal: request.principal,
    requestId: request.requestId ?? randomUUID(),
    touched: new Set(),
  };
  const answer = await operation.invoke(request.input, call);
  if (operation.mutates) cloud.emit(apiCallEvent(call, request.input, answer));
  return answer;
}
