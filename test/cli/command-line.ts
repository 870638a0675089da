import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { expect } from 'vitest';
import { startIssuer } from '../../sandbox/issuer.ts';
import type { LocalIssuer } from '../../sandbox/issuer.ts';
import { startApi } from '../functions/api.ts';
import type { TestApi } from '../functions/api.ts';

/** What a command said and ended with. */
export interface Said {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  /** `out`, parsed. */
  readonly json: () => unknown;
}

export interface CallOptions {
  /** Added to the environment; undefined takes a variable out. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
  readonly folder?: string;
}

/** A deployment behind a real port, and the command line as real processes that speak to it. */
export interface CommandLine {
  readonly url: string;
  readonly api: TestApi;
  readonly issuer: LocalIssuer;
  /** An empty folder, the home of whoever calls. */
  readonly home: string;
  /** Every token that was in use: none of them may be in what a command says. */
  readonly secrets: Set<string>;
  /** Runs `shearline …` as somebody with every role, unless `env` says otherwise. */
  run(words: string | readonly string[], options?: CallOptions): Promise<Said>;
  close(): Promise<void>;
}

const BIN = new URL('../../cli/bin.js', import.meta.url).pathname;
const HOP = new Set(['connection', 'content-length', 'transfer-encoding']);

export async function startCommandLine(): Promise<CommandLine> {
  const issuer = await startIssuer();
  const api = await startApi({ OIDC_ISSUER: issuer.url });
  const server = createServer((request, response) => {
    void (async () => {
      const { pathname, search } = new URL(request.url ?? '/', 'http://localhost');
      const body = await buffer(request);
      const answer = await api.send({
        method: request.method ?? 'GET',
        path: pathname,
        query: search.slice(1),
        headers: Object.fromEntries(
          Object.entries(request.headers).flatMap(([name, value]): [string, string][] =>
            typeof value === 'string' && !HOP.has(name) ? [[name, value]] : [],
          ),
        ),
        body: body.length === 0 ? undefined : body.toString('utf8'),
      });
      response.writeHead(answer.status, answer.headers as Record<string, string>);
      response.end(answer.base64 === true ? Buffer.from(answer.body ?? '', 'base64') : answer.body);
    })().catch((error: unknown) => {
      response.writeHead(500).end(String(error));
    });
  });
  await new Promise<void>((ready) => {
    server.listen(0, '127.0.0.1', ready);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const home = mkdtempSync(join(tmpdir(), 'shearline-cli-'));
  const roles = ['vault_administrator', 'key_custodian_creator', 'key_custodian_deployer', 'manager'];
  const token = await issuer.mint({ subject: 'ada', roles });
  const secrets = new Set([token]);
  return {
    url,
    api,
    issuer,
    home,
    secrets,
    run: (words, { env = {}, input, folder = home } = {}) => {
      const environment = { PATH: process.env['PATH'], HOME: home, SHEARLINE_URL: url, SHEARLINE_TOKEN: token, ...env };
      const asked = typeof words === 'string' ? words.split(' ').filter((word) => word !== '') : [...words];
      return new Promise<Said>((resolve, reject) => {
        const child = spawn(process.execPath, [BIN, ...asked], { cwd: folder, env: environment });
        const [out, err] = [buffer(child.stdout), buffer(child.stderr)];
        child.stdin.end(input ?? '');
        child.on('error', reject);
        child.on('close', (code) => {
          Promise.all([out, err])
            .then(([one, other]) => {
              const said = { out: one.toString('utf8'), err: other.toString('utf8') };
              for (const secret of secrets)
                expect(said.out + said.err, 'a token in what was said').not.toContain(secret);
              resolve({ code, ...said, json: () => JSON.parse(said.out) as unknown });
            })
            .catch(reject);
        });
      });
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((closed) => {
        server.close(() => {
          closed();
        });
      });
      rmSync(home, { recursive: true, force: true });
      await Promise.all([api.close(), issuer.close()]);
    },
  };
}
