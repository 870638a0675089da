import announcements from '../deploy/events/announcements-filter.json' with { type: 'json' };
import changes from '../deploy/events/changes-filter.json' with { type: 'json' };
import type { StreamTarget } from './dynamodb-stream.ts';

/** The functions of serverless.yml that get the changes of the table, as a local start has them; a test compares the two. */
export const STREAM_TARGETS: readonly StreamTarget[] = [
  { function: 'changes', filters: [changes, announcements], batchSize: 100 },
];
