/** A queue of serverless.yml with the function that its messages invoke, as a local start has it; a test compares the two. */
export interface LocalQueue {
  /** As deployed in the stage that local starts use. `.fifo` at the end makes it a FIFO queue. */
  readonly name: string;
  /** The function of serverless.yml that gets its messages. */
  readonly function: string;
  /** Messages handed over at once; at most 10. */
  readonly batchSize: number;
  /** Invocations at the same time. */
  readonly maximumConcurrency: number;
  /** How long a message that was received is hidden; what failed is tried again after it. */
  readonly visibilitySeconds: number;
  /** How long a message waits before it can be received first. */
  readonly delaySeconds?: number;
  /** After so many receives a message goes to the dead-letter queue. */
  readonly maxReceiveCount: number;
  /** Locally, a failed message comes back sooner, so that a developer sees it again. */
  readonly localVisibilitySeconds?: number;
}

/** Where the messages of a queue end that failed too often. */
export function deadLetterQueueOf({ name }: Pick<LocalQueue, 'name'>): string {
  return name.endsWith('.fifo') ? `${name.slice(0, -'.fifo'.length)}-dead.fifo` : `${name}-dead`;
}

export const LOCAL_QUEUES: readonly LocalQueue[] = [
  {
    name: 'shearline-dev-sweep.fifo',
    function: 'scan-keystore',
    batchSize: 1,
    maximumConcurrency: 50,
    visibilitySeconds: 360,
    localVisibilitySeconds: 30,
    maxReceiveCount: 5,
  },
  {
    name: 'shearline-dev-verify.fifo',
    function: 'verify-key',
    batchSize: 10,
    maximumConcurrency: 10,
    visibilitySeconds: 360,
    localVisibilitySeconds: 30,
    maxReceiveCount: 10,
  },
  {
    name: 'shearline-dev-notices.fifo',
    function: 'notices',
    batchSize: 10,
    maximumConcurrency: 5,
    visibilitySeconds: 360,
    localVisibilitySeconds: 30,
    maxReceiveCount: 10,
  },
  {
    name: 'shearline-dev-deliveries.fifo',
    function: 'deliveries',
    batchSize: 1,
    maximumConcurrency: 20,
    visibilitySeconds: 180,
    localVisibilitySeconds: 30,
    maxReceiveCount: 16,
  },
];
