import type { WireFlagChange, WireHistoryEntry } from '../wire/history.ts';
import type { Finding, FlagChange, HistoryEntry } from './entry.ts';

/** An entry of a key's history, as callers see it. `baseUrl` without a trailing slash. */
export function presentEntry(entry: HistoryEntry, baseUrl: string): WireHistoryEntry {
  switch (entry.kind) {
    case 'flag':
      return presentChange(entry, baseUrl);
    case 'work':
      return {
        kind: 'work',
        id: entry.id,
        at: entry.at.toISOString(),
        key: { id: entry.keyId, version: entry.version, href: `${baseUrl}/api/v4/managed_keys/${entry.keyId}` },
        keystore: { id: entry.keystoreId, href: `${baseUrl}/api/v4/keystores/${entry.keystoreId}` },
        work: entry.state,
        cause: entry.cause,
        attempts: entry.attempts,
        ...(entry.lastError === undefined ? {} : { last_error: entry.lastError }),
      };
    case 'decision':
      return {
        kind: 'decision',
        id: entry.id,
        at: entry.at.toISOString(),
        operation: entry.operation,
        subject: entry.subject,
        waits_for_approval: entry.waitsForApproval,
        trace: entry.correlationId,
      };
  }
}

/** A change of a flag, as callers see it: in a key's history, among the fleet's changes, and as an event. */
export function presentChange(change: FlagChange, baseUrl: string): WireFlagChange {
  return {
    kind: 'flag',
    id: change.id,
    at: change.at.toISOString(),
    key: {
      id: change.keyId,
      version: change.version,
      label: change.label,
      href: `${baseUrl}/api/v4/managed_keys/${change.keyId}`,
    },
    keystore: { id: change.keystoreId, href: `${baseUrl}/api/v4/keystores/${change.keystoreId}` },
    vault: { id: change.vaultId, href: `${baseUrl}/api/v4/vaults/${change.vaultId}` },
    ...(change.from === undefined ? {} : { from: presentFinding(change.from) }),
    to: presentFinding(change.to),
    reason: change.reason,
    cause: change.cause,
    ...(change.error === undefined ? {} : { error: change.error }),
  };
}

function presentFinding({ status, flag, detail }: Finding) {
  return { status, keystore_sync_flag: flag, keystore_sync_flag_detail: detail };
}
