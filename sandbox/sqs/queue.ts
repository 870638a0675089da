import { createHash, randomUUID } from 'node:crypto';

export interface QueueAttributes {
  readonly visibilitySeconds: number;
  readonly delaySeconds: number;
  /** Where messages go that were received this often and are there again. */
  readonly redrive: { readonly to: Queue; readonly maxReceiveCount: number } | undefined;
}

/** What a sender gives. */
export interface NewMessage {
  readonly body: string;
  readonly attributes: unknown;
  readonly delaySeconds: number | undefined;
  readonly groupId: string | undefined;
  readonly deduplicationId: string | undefined;
}

interface Message {
  readonly id: string;
  readonly body: string;
  readonly attributes: unknown;
  readonly groupId: string | undefined;
  readonly deduplicationId: string | undefined;
  readonly sequenceNumber: string;
  readonly sentAt: number;
  firstReceivedAt: number | undefined;
  receives: number;
  visibleAt: number;
  /** Of the latest receive, while nobody else has received it. */
  receiptHandle: string | undefined;
}

/** A message as a receiver gets it. */
export interface Received {
  readonly id: string;
  readonly receiptHandle: string;
  readonly body: string;
  readonly attributes: unknown;
  readonly system: Readonly<Record<string, string>>;
}

/** An error of SQS, by the name that its clients know. */
export class SqsError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

const DEDUPLICATION_MS = 300_000;

/**
 * One queue of SQS, standard or FIFO. Of a FIFO queue's message group nothing is handed out while an earlier message of it is in flight;
 * a message with a deduplication id of the last 5 minutes is taken and dropped.
 */
export class Queue {
  readonly name: string;
  readonly isFifo: boolean;
  readonly attributes: QueueAttributes;
  readonly #now: () => number;
  readonly #messages = new Map<string, Message>();
  readonly #byHandle = new Map<string, string>();
  readonly #recent = new Map<string, { readonly id: string; readonly until: number }>();
  readonly #waiting = new Set<() => void>();
  #sequence = 0;

  constructor(name: string, attributes: QueueAttributes, now: () => number) {
    this.name = name;
    this.isFifo = name.endsWith('.fifo');
    this.attributes = attributes;
    this.#now = now;
  }

  send(given: NewMessage): { readonly id: string; readonly sequenceNumber: string | undefined } {
    const now = this.#now();
    const deduplicationId = this.#checked(given);
    for (const [key, { until }] of this.#recent) {
      if (until > now) break;
      this.#recent.delete(key);
    }
    const known = deduplicationId === undefined ? undefined : this.#recent.get(deduplicationId);
    this.#sequence += 1;
    const sequenceNumber = String(this.#sequence).padStart(20, '0');
    if (known !== undefined) return { id: known.id, sequenceNumber };
    const id = randomUUID();
    if (deduplicationId !== undefined) this.#recent.set(deduplicationId, { id, until: now + DEDUPLICATION_MS });
    this.#put({
      id,
      body: given.body,
      attributes: given.attributes,
      groupId: given.groupId,
      deduplicationId,
      sequenceNumber,
      sentAt: now,
      firstReceivedAt: undefined,
      receives: 0,
      visibleAt: now + (given.delaySeconds ?? this.attributes.delaySeconds) * 1000,
      receiptHandle: undefined,
    });
    return { id, sequenceNumber: this.isFifo ? sequenceNumber : undefined };
  }

  /** Up to `maximum` messages that can be had now. What was received too often goes to the dead-letter queue instead. */
  receive(maximum: number, visibilitySeconds = this.attributes.visibilitySeconds): readonly Received[] {
    const now = this.#now();
    const received: Received[] = [];
    const heldGroups = new Set<string>();
    for (const message of this.#messages.values()) {
      if (received.length >= maximum) break;
      if (message.groupId !== undefined && heldGroups.has(message.groupId)) continue;
      if (message.visibleAt > now) {
        if (message.groupId !== undefined) heldGroups.add(message.groupId);
        continue;
      }
      const { redrive } = this.attributes;
      if (redrive !== undefined && message.receives >= redrive.maxReceiveCount) {
        this.#remove(message);
        redrive.to.#put({ ...message, receives: 0, receiptHandle: undefined, visibleAt: now });
        continue;
      }
      received.push(this.#hand(message, now, visibilitySeconds));
    }
    return received;
  }

  /** As `receive`, once there is something to be had, or none after so many milliseconds or when the receiver has gone. */
  async receiveWithin(
    ms: number,
    maximum: number,
    visibilitySeconds: number | undefined,
    gone: AbortSignal,
  ): Promise<readonly Received[]> {
    const until = Date.now() + ms;
    for (;;) {
      if (gone.aborted) return [];
      const received = this.receive(maximum, visibilitySeconds);
      const left = until - Date.now();
      if (received.length > 0 || left <= 0) return received;
      await this.#change(Math.min(left, this.#nextVisibleIn()), gone);
    }
  }

  delete(receiptHandle: string): void {
    const message = this.#held(receiptHandle);
    if (message === undefined) return;
    this.#remove(message);
    this.#wake();
  }

  changeVisibility(receiptHandle: string, seconds: number): void {
    const message = this.#held(receiptHandle);
    if (message === undefined || message.visibleAt <= this.#now()) {
      throw new SqsError('MessageNotInflight', 'The message referred to is not in flight.');
    }
    message.visibleAt = this.#now() + seconds * 1000;
    this.#wake();
  }

  /** Hands every message to another queue; answers how many. */
  moveAll(to: Queue): number {
    const messages = [...this.#messages.values()];
    for (const message of messages) {
      this.#remove(message);
      to.#put({ ...message, receives: 0, receiptHandle: undefined, visibleAt: this.#now() });
    }
    return messages.length;
  }

  purge(): void {
    this.#messages.clear();
    this.#byHandle.clear();
  }

  counts(): { readonly visible: number; readonly inFlight: number; readonly delayed: number } {
    const now = this.#now();
    let [visible, inFlight, delayed] = [0, 0, 0];
    for (const { visibleAt, receives } of this.#messages.values()) {
      if (visibleAt <= now) visible += 1;
      else if (receives === 0) delayed += 1;
      else inFlight += 1;
    }
    return { visible, inFlight, delayed };
  }

  #checked(given: NewMessage): string | undefined {
    if (!this.isFifo) return undefined;
    if (given.groupId === undefined) {
      throw new SqsError('MissingParameter', 'The request must contain the parameter MessageGroupId.');
    }
    if (given.delaySeconds !== undefined) {
      throw new SqsError(
        'InvalidParameterValue',
        `Value ${given.delaySeconds} for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.`,
      );
    }
    if (given.deduplicationId === undefined) {
      throw new SqsError(
        'InvalidParameterValue',
        'The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly',
      );
    }
    return given.deduplicationId;
  }

  #put(message: Message): void {
    this.#messages.set(message.id, message);
    this.#wake();
  }

  #remove(message: Message): void {
    this.#messages.delete(message.id);
    if (message.receiptHandle !== undefined) this.#byHandle.delete(message.receiptHandle);
  }

  #hand(message: Message, now: number, visibilitySeconds: number): Received {
    if (message.receiptHandle !== undefined) this.#byHandle.delete(message.receiptHandle);
    const receiptHandle = randomUUID();
    message.receiptHandle = receiptHandle;
    message.receives += 1;
    message.firstReceivedAt ??= now;
    message.visibleAt = now + visibilitySeconds * 1000;
    this.#byHandle.set(receiptHandle, message.id);
    return {
      id: message.id,
      receiptHandle,
      body: message.body,
      attributes: message.attributes,
      system: {
        SenderId: 'local',
        SentTimestamp: String(message.sentAt),
        ApproximateReceiveCount: String(message.receives),
        ApproximateFirstReceiveTimestamp: String(message.firstReceivedAt),
        ...(message.groupId === undefined ? {} : { MessageGroupId: message.groupId }),
        ...(message.deduplicationId === undefined ? {} : { MessageDeduplicationId: message.deduplicationId }),
        ...(this.isFifo ? { SequenceNumber: message.sequenceNumber } : {}),
      },
    };
  }

  #held(receiptHandle: string): Message | undefined {
    const message = this.#messages.get(this.#byHandle.get(receiptHandle) ?? '');
    if (message === undefined || !this.isFifo || message.visibleAt > this.#now()) return message;
    throw new SqsError(
      'InvalidParameterValue',
      `Value ${receiptHandle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.`,
    );
  }

  #nextVisibleIn(): number {
    const now = this.#now();
    let next = 1_000;
    for (const { visibleAt } of this.#messages.values()) {
      if (visibleAt > now) next = Math.min(next, visibleAt - now);
    }
    return Math.max(1, next);
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  #change(ms: number, gone: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        gone.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#waiting.add(done);
      gone.addEventListener('abort', done);
    });
  }
}

/** As SQS answers it and its client checks it. */
export function md5Of(text: string): string {
  return createHash('md5').update(text).digest('hex');
}
