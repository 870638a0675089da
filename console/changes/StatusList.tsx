import type { WireStatusInKeystore } from '../../lib/wire/keys.ts';
import { FlagTag, reasonOf } from '../managed-keys/flags.tsx';

/** What each keystore says, with the reason in full. */
export function StatusList({ statuses }: { readonly statuses: readonly WireStatusInKeystore[] }) {
  if (statuses.length === 0) return undefined;
  return (
    <ul className="plan__keystores">
      {statuses.map((status) => (
        <li key={status.keystore?.id}>
          <div className="plan__keystore">
            <strong>{status.keystore?.name ?? status.keystore?.id}</strong>
            <FlagTag flag={status.keystore_sync_flag} reason={reasonOf(status)} />
          </div>
          {status.keystore_sync_flag === 'ok' ? undefined : <p className="quiet">{reasonOf(status)}</p>}
        </li>
      ))}
    </ul>
  );
}
