import {
  ChangeMessageVisibilityCommand,
  GetQueueUrlCommand,
  SendMessageBatchCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';

/** A message for a FIFO queue. */
export interface FifoMessage {
  readonly body: string;
  /** Messages of one group come one after another. At most 128 characters. */
  readonly group: string;
  /** A message with the same one is taken for the same within five minutes. At most 128 characters. */
  readonly deduplication: string;
}

/** SQS takes so many messages in one call. */
const BATCH = 10;

/** A queue of this deployment, by its name. Its address is asked for once. */
export class SqsQueue {
  readonly #name: string;
  readonly #client: SQSClient;
  #url: Promise<string> | undefined;

  constructor(name: string) {
    this.#name = name;
    this.#client = new SQSClient({
      maxAttempts: 4,
      requestHandler: { connectionTimeout: 1_000, requestTimeout: 5_000, throwOnRequestTimeout: true },
    });
  }

  /** Throws unless SQS has taken every one of them; sending all of them again is harmless within five minutes. */
  async send(messages: readonly FifoMessage[]): Promise<void> {
    for (let start = 0; start < messages.length; start += BATCH) {
      const { Failed = [] } = await this.#client.send(
        new SendMessageBatchCommand({
          QueueUrl: await this.#address(),
          Entries: messages.slice(start, start + BATCH).map(({ body, group, deduplication }, at) => ({
            Id: String(at),
            MessageBody: body,
            MessageGroupId: group,
            MessageDeduplicationId: deduplication,
          })),
        }),
      );
      const [first] = Failed;
      if (first !== undefined) {
        throw new Error(
          `${this.#name} did not take ${Failed.length} messages: ${first.Code ?? ''} ${first.Message ?? ''}`,
        );
      }
    }
  }

  /** Has a message that was received come again so many seconds from now. 0–43,200. */
  async hide(receiptHandle: string, seconds: number): Promise<void> {
    await this.#client.send(
      new ChangeMessageVisibilityCommand({
        QueueUrl: await this.#address(),
        ReceiptHandle: receiptHandle,
        VisibilityTimeout: seconds,
      }),
    );
  }

  #address(): Promise<string> {
    this.#url ??= this.#client
      .send(new GetQueueUrlCommand({ QueueName: this.#name }))
      .then(({ QueueUrl }) => {
        if (QueueUrl === undefined) throw new Error(`The queue ${this.#name} has no address.`);
        return QueueUrl;
      })
      .catch((error: unknown) => {
        this.#url = undefined;
        throw error;
      });
    return this.#url;
  }
}
