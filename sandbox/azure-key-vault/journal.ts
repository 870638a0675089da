import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { fileSealing } from '../aws-kms/sealing.ts';
import type { KeyVersion, VaultKey } from './world.ts';

type StoredVersion = Omit<KeyVersion, 'material'> & { readonly sealed: string };
type StoredKey = Omit<VaultKey, 'versions'> & { readonly versions: readonly StoredVersion[] };

interface Line {
  readonly vault: string;
  readonly name: string;
  /** The whole key as it now is; left out when it is gone. */
  readonly key?: StoredKey;
}

/** Where keys are kept on disk, their material sealed. */
export interface Journal {
  readonly restored: readonly { readonly vault: string; readonly key: VaultKey }[];
  /** Writes before it returns, so that a process killed right after has lost nothing. */
  save(vault: string, key: VaultKey): void;
  remove(vault: string, name: string): void;
  close(): void;
}

/** A journal that remembers nothing. */
export const noJournal: Journal = {
  restored: [],
  save: () => undefined,
  remove: () => undefined,
  close: () => undefined,
};

/**
 * Opens an append-only journal of whole keys, with the key that seals their material in `<file>.key`. A last line that a crash tore is
 * dropped; a bad line anywhere else throws. It is compacted when it is opened.
 */
export function openJournal(file: string): Journal {
  const sealing = fileSealing(`${file}.key`);
  const latest = new Map<string, Line>();
  for (const line of linesOf(file)) {
    const place = `${line.vault} ${line.name}`;
    if (line.key === undefined) latest.delete(place);
    else latest.set(place, line);
  }
  writeFileSync(`${file}.next`, [...latest.values()].map((line) => `${JSON.stringify(line)}\n`).join(''), {
    mode: 0o600,
  });
  renameSync(`${file}.next`, file);
  const descriptor = openSync(file, 'a', 0o600);

  // Sealing anew at every change of a key would be the slowest part of the change.
  const sealed = new WeakMap<Buffer, string>();
  const context = (vault: string, name: string, version: string) => `${vault}/${name.toLowerCase()}/${version}`;
  function store(vault: string, name: string, { material, ...rest }: KeyVersion): StoredVersion {
    const text = sealed.get(material) ?? sealing.seal(material, context(vault, name, rest.version));
    sealed.set(material, text);
    return { ...rest, sealed: text };
  }
  function restore(vault: string, name: string, { sealed: text, ...rest }: StoredVersion): KeyVersion {
    const material = sealing.open(text, context(vault, name, rest.version));
    sealed.set(material, text);
    return { ...rest, material };
  }
  const append = (line: Line) => {
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    for (let written = 0; written < bytes.length;) written += writeSync(descriptor, bytes, written);
  };

  return {
    restored: [...latest.values()].flatMap(({ vault, name, key }) =>
      key === undefined
        ? []
        : [{ vault, key: { ...key, versions: key.versions.map((version) => restore(vault, name, version)) } }],
    ),
    save(vault, key) {
      const versions = key.versions.map((version) => store(vault, key.name, version));
      append({ vault, name: key.name.toLowerCase(), key: { ...key, versions } });
    },
    remove(vault, name) {
      append({ vault, name: name.toLowerCase() });
    },
    close() {
      closeSync(descriptor);
    },
  };
}

function linesOf(file: string): Line[] {
  if (!existsSync(file)) return [];
  const content = readFileSync(file, 'utf8');
  const end = content.lastIndexOf('\n') + 1;
  if (end < content.length) truncateSync(file, Buffer.byteLength(content.slice(0, end)));
  return content
    .slice(0, end)
    .split('\n')
    .filter((line) => line !== '')
    .map((line, index) => {
      try {
        return JSON.parse(line) as Line;
      } catch (cause) {
        throw new Error(`${file}: line ${index + 1} is damaged`, { cause });
      }
    });
}
