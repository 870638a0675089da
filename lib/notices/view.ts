import { SECRET_PLACEHOLDER } from '../wire/keystores.ts';
import type { WireSubscription } from '../wire/notifications.ts';
import type { LastDelivery, Subscription } from './subscription.ts';

/** A subscription, as callers see it. `baseUrl` without a trailing slash. */
export function presentSubscription(
  subscription: Subscription,
  last: LastDelivery | undefined,
  baseUrl: string,
): WireSubscription {
  const { id, vaultId, name, type, state, flags, announcements, target } = subscription;
  return {
    id,
    vault: { id: vaultId, href: `${baseUrl}/api/v4/vaults/${vaultId}` },
    name,
    type,
    state,
    flags,
    announcements,
    ...(type === 'webhook' ? { url: target, secret: SECRET_PLACEHOLDER } : { topic_arn: target }),
    ...(last === undefined
      ? {}
      : {
          last_delivery: {
            at: last.at.toISOString(),
            notice_id: last.noticeId,
            taken: last.error === undefined,
            ...(last.error === undefined ? {} : { error: last.error }),
          },
        }),
    created_at: subscription.createdAt.toISOString(),
    updated_at: subscription.updatedAt.toISOString(),
    created_by: subscription.createdBy,
    updated_by: subscription.updatedBy,
    href: `${baseUrl}/api/v4/notification_subscriptions/${id}`,
  };
}
