import { Tag, Tooltip } from '@carbon/react';
import { CheckmarkFilled, CircleDash, Help, Misuse, Time, WarningAltFilled } from '@carbon/react/icons';
import type { WireManagedKey, WireStatusInKeystore } from '../../lib/wire/keys.ts';
import { text } from '../text/text.ts';
import { momentOf } from '../text/dates.ts';

type Flag = WireStatusInKeystore['keystore_sync_flag'];

const FLAG = {
  ok: { type: 'green', icon: CheckmarkFilled },
  out_of_sync: { type: 'red', icon: Misuse },
  error: { type: 'warm-gray', icon: Help },
  verifying_sync: { type: 'blue', icon: Time },
} as const satisfies Record<Flag, unknown>;

const STATE = {
  pre_activation: 'cyan',
  active: 'green',
  deactivated: 'gray',
  compromised: 'red',
  destroyed: 'high-contrast',
  destroyed_compromised: 'high-contrast',
} as const;

export function StateTag({ state }: { readonly state: WireManagedKey['state'] }) {
  return (
    <Tag type={STATE[state]} size="md">
      {text.words.states[state]}
    </Tag>
  );
}

/** Why the flag is as it is, as the API says it; a keystore that could not be asked says what it answered. */
export function reasonOf(status: WireStatusInKeystore): string {
  const said = status.error?.errors.map(({ message }) => message) ?? [];
  const pending =
    status.pending_destruction_until === undefined
      ? []
      : [text.words.pendingUntil(momentOf(status.pending_destruction_until))];
  return [
    status.reason ?? text.words.statuses[status.status],
    ...said.filter((each) => status.reason?.includes(each) !== true),
    ...pending,
  ].join(' ');
}

/** A flag with its reason, on hover and on focus. */
export function FlagTag({
  flag,
  reason,
  name,
}: {
  readonly flag: Flag;
  readonly reason: string;
  readonly name?: string;
}) {
  const { type, icon } = FLAG[flag];
  return (
    <Reasoned reason={reason}>
      <Tag as="span" type={type} size="md" renderIcon={icon}>
        {name ?? text.words.flags[flag]}
      </Tag>
    </Reasoned>
  );
}

export function Reasoned({ reason, children }: { readonly reason: string; readonly children: React.ReactNode }) {
  return (
    <Tooltip description={reason} align="bottom" autoAlign className="reason">
      <button type="button" className="reason__flag">
        {children}
      </button>
    </Tooltip>
  );
}

/** The flags of a key over all its keystores: only what is not as it should be. */
export function KeyFlags({ statuses }: { readonly statuses: WireManagedKey['status_in_keystores'] }) {
  const having = (flag: Flag) => statuses.filter(({ keystore_sync_flag: each }) => each === flag);
  const reasons = (some: typeof statuses) =>
    some.map((status) => `${status.keystore?.name ?? ''}: ${reasonOf(status)}`).join('\n');
  const pending = statuses.filter(({ pending_destruction_until: until }) => until !== undefined);
  const flags = (['out_of_sync', 'error', 'verifying_sync'] as const).filter((flag) => having(flag).length > 0);
  return (
    <>
      {flags.map((flag) => (
        <FlagTag key={flag} flag={flag} reason={reasons(having(flag))} />
      ))}
      {pending.length === 0 ? undefined : (
        <Reasoned reason={reasons(pending)}>
          <Tag as="span" type="purple" size="md" renderIcon={Time}>
            {text.words.pending}
          </Tag>
        </Reasoned>
      )}
    </>
  );
}

export function AlignmentTag({
  status,
  reason,
}: {
  readonly status: 'aligned' | 'unaligned';
  readonly reason: string;
}) {
  if (status === 'aligned') return undefined;
  return (
    <Reasoned reason={reason}>
      <Tag as="span" type="magenta" size="md" renderIcon={WarningAltFilled}>
        {text.words.unaligned}
      </Tag>
    </Reasoned>
  );
}

export const HEALTH_TAG = {
  ok: { type: 'green', icon: CheckmarkFilled },
  not_responding: { type: 'red', icon: Misuse },
  configuration_error: { type: 'red', icon: Misuse },
  pending_check: { type: 'blue', icon: CircleDash },
} as const;
