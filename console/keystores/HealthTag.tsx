import { Tag } from '@carbon/react';
import type { WireKeystoreStatus } from '../../lib/wire/keystores.ts';
import { HEALTH_TAG, Reasoned } from '../managed-keys/flags.tsx';
import { text } from '../text/text.ts';

/** A keystore's health, with what it said. */
export function HealthTag({ status }: { readonly status: WireKeystoreStatus }) {
  const health = status.health_status ?? 'pending_check';
  const tag = (
    <Tag as="span" type={HEALTH_TAG[health].type} renderIcon={HEALTH_TAG[health].icon}>
      {text.words.health[health]}
    </Tag>
  );
  return status.message === undefined || status.message === '' ? (
    tag
  ) : (
    <Reasoned reason={status.message}>{tag}</Reasoned>
  );
}
