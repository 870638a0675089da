import type { SyncFlag } from '../drift/observed.ts';

export const SUBSCRIPTION_TYPES = ['webhook', 'sns'] as const;
export type SubscriptionType = (typeof SUBSCRIPTION_TYPES)[number];

export const SUBSCRIPTION_STATES = ['enabled', 'disabled'] as const;
export type SubscriptionState = (typeof SUBSCRIPTION_STATES)[number];

/** The flags that a notice can be about: what is asked for the first time is no news. */
export const NOTICE_FLAGS = ['ok', 'out_of_sync', 'error'] as const satisfies readonly SyncFlag[];
export type NoticeFlag = (typeof NOTICE_FLAGS)[number];

/** Who wants to know of a vault's drift. The secret of a webhook is kept apart, as ciphertext only. */
export interface Subscription {
  readonly id: string;
  readonly revision: number;
  readonly vaultId: string;
  readonly name: string;
  readonly type: SubscriptionType;
  readonly state: SubscriptionState;
  /** Where to: the URL of a webhook, the ARN of an SNS topic. */
  readonly target: string;
  /** What keys' flags must have become to be told. */
  readonly flags: readonly NoticeFlag[];
  /** Whether it is told also of what is coming to keys, and of auto-repair that is held. */
  readonly announcements: boolean;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly createdBy: string;
  readonly updatedBy: string;
}

/** How the latest notice fared. */
export interface LastDelivery {
  readonly subscriptionId: string;
  readonly at: Date;
  readonly noticeId: string;
  /** Undefined when it was taken. */
  readonly error: string | undefined;
}

/** A notice goes to so many at most: each is a request of its own. */
export const MOST_SUBSCRIPTIONS = 20;
