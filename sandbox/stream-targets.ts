import filter from '../deploy/events/changes-filter.json' with { type: 'json' };
import type { StreamTarget } from './dynamodb-stream.ts';

/** The functions of serverless.yml that get the changes of the table, as a local start has them; a test compares the two. */
export const STREAM_TARGETS: readonly StreamTarget[] = [{ function: 'changes', filter, batchSize: 100 }];
