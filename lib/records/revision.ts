import { Fault } from '../fault.ts';

/** The fault of a record that was changed between its reading and its writing. */
export function changedMeanwhile(): Fault {
  return new Fault('precondition_failed', {
    message: 'The resource was changed by somebody else meanwhile. Read it again and repeat with its new ETag.',
    target: { type: 'header', name: 'If-Match' },
  });
}
