/** An event of the audit trail, as far as the console shows it; the rest is shown as it is. */
export interface AuditEvent {
  readonly sequence: number;
  readonly at: string;
  readonly subject: string;
  readonly operation: string;
  readonly outcome: 'success' | 'refused' | 'failed';
  readonly status: number;
  readonly severity: 'normal' | 'warning' | 'critical';
  readonly source_ip?: string;
}

/** The events of an export: JSON lines. */
export function eventsFrom(lines: string): readonly AuditEvent[] {
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AuditEvent);
}
