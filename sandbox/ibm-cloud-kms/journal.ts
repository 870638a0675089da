import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';

/** One thing as it now is, or, without a value, that it is gone. */
export interface JournalRecord {
  readonly kind: 'key' | 'import_token' | 'key_ring';
  readonly id: string;
  readonly value?: unknown;
}

export interface Journal {
  /** What the file held when it was opened. */
  readonly restored: readonly JournalRecord[];
  /** Writes before it returns, so that a process killed right after has lost nothing. */
  append(record: JournalRecord): void;
  close(): void;
}

const HEADER = '{"format":"ibm-cloud-kms-sandbox-journal/1"}';

/** A journal that remembers nothing. */
export const noJournal: Journal = { restored: [], append: () => undefined, close: () => undefined };

/** Opens an append-only journal and compacts it. A last line that a crash tore is dropped; a bad line anywhere else throws. */
export function openJournal(file: string): Journal {
  const latest = new Map<string, JournalRecord>();
  if (existsSync(file)) replay(file, latest);
  const next = `${file}.next`;
  const rewritten = openSync(next, 'w', 0o600);
  writeLines(rewritten, [HEADER, ...[...latest.values()].map((record) => JSON.stringify(record))]);
  fsyncSync(rewritten);
  closeSync(rewritten);
  renameSync(next, file);
  const descriptor = openSync(file, 'a', 0o600);
  return {
    restored: [...latest.values()],
    append: (record) => {
      writeLines(descriptor, [JSON.stringify(record)]);
    },
    close: () => {
      fsyncSync(descriptor);
      closeSync(descriptor);
    },
  };
}

function replay(file: string, latest: Map<string, JournalRecord>): void {
  const [header, ...lines] = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  if (header !== undefined && header !== HEADER) throw new Error(`${file} is no journal of the IBM Cloud KMS sandbox`);
  for (const line of lines) {
    const record = JSON.parse(line) as JournalRecord;
    const name = `${record.kind} ${record.id}`;
    if (record.value === undefined) latest.delete(name);
    else latest.set(name, record);
  }
}

function writeLines(descriptor: number, lines: readonly string[]): void {
  const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
  for (let written = 0; written < bytes.length;) written += writeSync(descriptor, bytes, written);
}
