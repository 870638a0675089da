import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** Where packages of SoftHSM 2 put their library. */
const LIBRARIES = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib64/pkcs11/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
  '/opt/homebrew/lib/softhsm/libsofthsm2.so',
] as const;

/** An HSM in a folder: SoftHSM 2 with one token, for development and tests. */
export interface SoftHsm {
  readonly library: string;
  readonly tokenLabel: string;
  readonly userPin: string;
  /** What a process must have in its environment to use it. */
  readonly environment: { readonly PKCS11_LIBRARY: string; readonly SOFTHSM2_CONF: string };
}

/** The file of SoftHSM's library, or why there can be none here, as a sentence. */
export function findSoftHsm(): { readonly library: string } | { readonly why: string } {
  const library = LIBRARIES.find((path) => existsSync(path));
  if (library === undefined) return { why: 'SoftHSM 2 is not installed (Debian: apt-get install softhsm2).' };
  try {
    createRequire(import.meta.url)('pkcs11js');
  } catch {
    return { why: 'pkcs11js is not installed: npm could not build it (a C++ compiler and Python are needed).' };
  }
  return { library };
}

/**
 * Makes a token in the folder, or finds the one that is there already. The PIN opens nothing but what is in the folder. Throws where
 * `findSoftHsm` says why.
 */
export function makeSoftHsm({ folder, tokenLabel }: { folder: string; tokenLabel: string }): SoftHsm {
  const found = findSoftHsm();
  if ('why' in found) throw new Error(found.why);
  const tokens = join(folder, 'tokens');
  mkdirSync(tokens, { recursive: true, mode: 0o700 });
  const configuration = join(folder, 'softhsm2.conf');
  writeFileSync(
    configuration,
    `directories.tokendir = ${tokens}\nobjectstore.backend = file\nobjectstore.umask = 0077\nlog.level = ERROR\n`,
  );
  const userPin = 'sandbox-user-pin';
  const util = (...args: string[]) =>
    execFileSync('softhsm2-util', ['--module', found.library, ...args], {
      env: { ...process.env, SOFTHSM2_CONF: configuration },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const present = util('--show-slots')
    .split('\n')
    .some((line) => line.replace(/^\s*Label:\s*/, '').trimEnd() === tokenLabel);
  if (!present) {
    util('--init-token', '--free', '--label', tokenLabel, '--pin', userPin, '--so-pin', 'sandbox-officer-pin');
  }
  return {
    library: found.library,
    tokenLabel,
    userPin,
    environment: { PKCS11_LIBRARY: found.library, SOFTHSM2_CONF: configuration },
  };
}
