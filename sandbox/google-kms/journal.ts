import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, truncateSync, writeSync } from 'node:fs';

/** One entity as it now is. Nothing is ever gone in Google Cloud KMS. */
export interface JournalRecord {
  kind: 'key_ring' | 'crypto_key' | 'import_job' | 'service_account';
  name: string;
  value: unknown;
}

export interface Journal {
  /** What the file held when it was opened: the last record of every entity. */
  readonly restored: readonly JournalRecord[];
  /** Writes before it returns, so that a process killed right after has lost nothing. */
  append(record: JournalRecord): void;
  close(): void;
}

const header = '{"format":"google-kms-sandbox-journal/1"}\n';

/** A journal that remembers nothing. */
export const noJournal: Journal = { restored: [], append: () => undefined, close: () => undefined };

/**
 * Opens an append-only journal. A last line that a crash tore is dropped; a bad line anywhere else throws. Compacts when opened and
 * whenever it has grown to several times its contents, into a new file that takes the old one's place at once.
 */
export function openJournal(file: string): Journal {
  const latest = existsSync(file) ? replay(file) : new Map<string, string>();
  rewrite(file, latest);
  let descriptor = openSync(file, 'a', 0o600);
  let lines = latest.size;
  return {
    restored: [...latest.values()].map((line) => JSON.parse(line) as JournalRecord),
    append(record) {
      const line = JSON.stringify(record);
      latest.set(`${record.kind} ${record.name}`, line);
      writeAll(descriptor, `${line}\n`);
      lines += 1;
      if (lines <= 4 * latest.size + 1_000) return;
      closeSync(descriptor);
      rewrite(file, latest);
      descriptor = openSync(file, 'a', 0o600);
      lines = latest.size;
    },
    close() {
      fsyncSync(descriptor);
      closeSync(descriptor);
    },
  };
}

function replay(file: string): Map<string, string> {
  const content = readFileSync(file, 'utf8');
  const end = content.lastIndexOf('\n') + 1;
  const whole = content.slice(0, end);
  if (end < content.length) truncateSync(file, Buffer.byteLength(whole));
  const [first, ...lines] = whole.split('\n');
  const latest = new Map<string, string>();
  if (first === undefined || first === '') return latest;
  if (`${first}\n` !== header) throw new Error(`${file} is no journal of the Google Cloud KMS sandbox`);
  lines.forEach((line, index) => {
    if (line === '') return;
    try {
      const { kind, name } = JSON.parse(line) as JournalRecord;
      latest.set(`${kind} ${name}`, line);
    } catch (cause) {
      throw new Error(`${file}: line ${index + 2} is damaged`, { cause });
    }
  });
  return latest;
}

function rewrite(file: string, latest: ReadonlyMap<string, string>): void {
  const next = `${file}.next`;
  const descriptor = openSync(next, 'w', 0o600);
  writeAll(descriptor, header);
  for (const line of latest.values()) writeAll(descriptor, `${line}\n`);
  fsyncSync(descriptor);
  closeSync(descriptor);
  renameSync(next, file);
}

function writeAll(descriptor: number, content: string): void {
  const bytes = Buffer.from(content);
  for (let written = 0; written < bytes.length;) written += writeSync(descriptor, bytes, written);
}
