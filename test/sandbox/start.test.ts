import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readEndpoints, removeEndpoints, writeEndpoints } from '../../sandbox/endpoints.ts';
import type { Endpoints } from '../../sandbox/endpoints.ts';
import { startEnvironment } from '../../sandbox/environment.ts';
import { lockFolder } from '../../sandbox/lock.ts';
import { freePort } from '../../sandbox/ports.ts';
import { readSettings } from '../../sandbox/settings.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shearline-start-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const start = (environment: Record<string, string>, dataFolder?: string) =>
  startEnvironment({ settings: readSettings(environment), dataFolder, schedules: false, reload: false });

describe('a start that cannot work', () => {
  test('a wrong setting: one sentence, exit code 1, no stack', async () => {
    const script = fileURLToPath(new URL('../../sandbox/start.ts', import.meta.url));
    const ended = await new Promise<{ code: unknown; said: string }>((resolve) => {
      execFile(
        process.execPath,
        [script],
        { env: { ...process.env, PORT: 'abc', NO_COLOR: '1' } },
        (error, out, said) => {
          resolve({ code: error?.code, said: `${out}${said}` });
        },
      );
    });
    expect(ended).toEqual({
      code: 1,
      said: 'PORT must be a whole number from 1 to 65524 (or 0 for any free ports), not "abc".\n',
    });
  });

  test('a busy port: the port and PORT are named, and nothing is left behind', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen({ host: '127.0.0.1', port: 0 }, resolve));
    const { port } = other.address() as AddressInfo;
    try {
      await expect(start({ PORT: String(port) }, folder)).rejects.toThrow(
        new RegExp(`^Port ${port} \\(the API\\) is in use by another program: .* PORT=\\d+ npm start\\.$`),
      );
      const lock = lockFolder(folder);
      expect(lock).toBeDefined();
      lock?.release();
    } finally {
      other.close();
    }
  });

  test('a DynamoDB that does not answer: its variable is named, and what had started is stopped', async () => {
    const [port, nobody] = [await freePort(), await freePort()];
    await expect(
      start({ PORT: String(Math.min(port, 60_000)), DYNAMODB_ENDPOINT: `http://127.0.0.1:${nobody}` }, folder),
    ).rejects.toThrow(`DYNAMODB_ENDPOINT=http://127.0.0.1:${nobody} cannot be used`);
    expect(lockFolder(folder)).toBeDefined();
  });

  test('a second start with the same data is told where the first one is', async () => {
    const lock = lockFolder(folder);
    writeEndpoints(folder, ENDPOINTS);
    await expect(start({ PORT: '0' }, folder)).rejects.toThrow(
      `Shearline is already running with the data in ${folder} (http://127.0.0.1:3000): stop that one first.`,
    );
    lock?.release();
  });
});

describe('endpoints.json', () => {
  test('is for its owner only, and can be read back', () => {
    writeEndpoints(folder, ENDPOINTS);
    expect(statSync(join(folder, 'endpoints.json')).mode & 0o777).toBe(0o600);
    expect(readEndpoints(folder)).toEqual(ENDPOINTS);
    removeEndpoints(folder);
    expect(readEndpoints(folder)).toBeUndefined();
  });
});

const ENDPOINTS: Endpoints = {
  api: 'http://127.0.0.1:3000',
  console: null,
  issuer: 'http://127.0.0.1:3001',
  tokens: { all: 'a.b.c' },
  dynamodb: { endpoint: 'http://127.0.0.1:3003', table: 'shearline' },
  keystores: { aws_kms: 'http://127.0.0.1:3004' },
  operators: { aws_kms: { accessKeyId: 'id', secretAccessKey: 'secret' } },
  control: 'http://127.0.0.1:3005',
  functions: 'http://127.0.0.1:3002',
};
