import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, truncateSync, writeSync } from 'node:fs';

export type EntityKind = 'key' | 'alias' | 'custom_key_store' | 'import_token' | 'wrapping_key';

/** One entity as it now is, or, without a value, that it is gone. */
export interface JournalRecord {
  kind: EntityKind;
  /** Account and region: `111122223333/eu-central-1`. */
  world: string;
  id: string;
  value?: unknown;
}

export interface Journal {
  /** What the file held when it was opened: the last record of every entity that still exists. */
  readonly restored: readonly JournalRecord[];
  /** Writes before it returns, so that a process killed right after has lost nothing. */
  append(records: readonly JournalRecord[]): void;
  close(): void;
}

const header = '{"format":"aws-kms-sandbox-journal/1"}\n';

/** A journal that remembers nothing. */
export const noJournal: Journal = { restored: [], append: () => undefined, close: () => undefined };

/**
 * Opens an append-only journal. A last line that a crash tore is dropped; a bad line anywhere else throws, because then
 * the file is not what this code wrote. Compacts by itself, into a new file that takes the old one's place at once.
 */
export function openJournal(file: string): Journal {
  const latest = new Map<string, string>();
  if (existsSync(file)) replay(file, latest);
  rewrite(file, latest);
  let descriptor = openSync(file, 'a', 0o600);
  let lines = latest.size;

  return {
    restored: [...latest.values()].map((line) => JSON.parse(line) as JournalRecord),
    append(records) {
      const texts = records.map((record) => remember(latest, record));
      writeAll(descriptor, texts.map((line) => `${line}\n`).join(''));
      lines += texts.length;
      if (lines <= 2 * latest.size + 10_000) return;
      closeSync(descriptor);
      rewrite(file, latest);
      descriptor = openSync(file, 'a', 0o600);
      lines = latest.size;
    },
    close: () => {
      fsyncSync(descriptor);
      closeSync(descriptor);
    },
  };
}

function remember(latest: Map<string, string>, record: JournalRecord): string {
  const name = `${record.kind} ${record.world} ${record.id}`;
  const line = JSON.stringify(record);
  if (record.value === undefined) latest.delete(name);
  else latest.set(name, line);
  return line;
}

function replay(file: string, latest: Map<string, string>): void {
  const content = readFileSync(file, 'utf8');
  const end = content.lastIndexOf('\n') + 1;
  if (end < content.length) truncateSync(file, Buffer.byteLength(content.slice(0, end)));
  const [first, ...lines] = content.slice(0, end).split('\n');
  if (first === undefined || first === '') return;
  if (`${first}\n` !== header) throw new Error(`${file} is no journal of the AWS KMS sandbox`);
  lines.forEach((line, index) => {
    if (line === '') return;
    try {
      remember(latest, JSON.parse(line) as JournalRecord);
    } catch (cause) {
      throw new Error(`${file}: line ${index + 2} is damaged`, { cause });
    }
  });
}

function rewrite(file: string, latest: ReadonlyMap<string, string>): void {
  const next = `${file}.next`;
  const descriptor = openSync(next, 'w', 0o600);
  writeAll(descriptor, header);
  let batch: string[] = [];
  const flush = () => {
    writeAll(descriptor, batch.join(''));
    batch = [];
  };
  for (const line of latest.values()) {
    batch.push(`${line}\n`);
    if (batch.length === 1000) flush();
  }
  flush();
  fsyncSync(descriptor);
  closeSync(descriptor);
  renameSync(next, file);
}

function writeAll(descriptor: number, content: string): void {
  const bytes = Buffer.from(content);
  for (let written = 0; written < bytes.length;) written += writeSync(descriptor, bytes, written);
}
