import { queueNamed } from './queue-named.ts';

/** Scopes that are to be swept. */
export const sweepQueue = queueNamed('SWEEP_QUEUE');
