import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect } from 'vitest';
import { main } from '../../cli/main.ts';
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

/** A deployment behind a real port, and the command line that speaks to it. */
export interface CommandLine {
  readonly url: string;
  readonly api: TestApi;
  readonly issuer: LocalIssuer;
  /** An empty folder, the home of whoever calls. */
  readonly home: string;
  /** Every token that was in use: none of them may be in what a command says. */
  readonly secrets: Set<string>;
  /** Runs `shearline …` as somebody with every role, unless `env` says otherwise; in this process, where no terminal is. */
  run(words: string | readonly string[], options?: CallOptions): Promise<Said>;
  /** As `run`, as a process of its own. */
  spawn(words: string | readonly string[], options?: CallOptions): Promise<Said>;
  /** As `spawn`, at a terminal: types each answer once what it follows was shown. By `script` of util-linux, which every Linux has. */
  atTerminal(
    words: string | readonly string[],
    answers: readonly (readonly [after: string, type: string])[],
    options?: CallOptions,
  ): Promise<{ readonly code: number | null; readonly shown: string }>;
  /** The next answer to this method is made, and lost on its way. */
  loseNext: string | undefined;
  /** Awaited before each request is served, when set. */
  meanwhile: ((request: { readonly method: string; readonly path: string }) => Promise<void>) | undefined;
  close(): Promise<void>;
}

const wordsOf = (words: string | readonly string[]): readonly string[] =>
  typeof words === 'string' ? words.split(' ').filter((word) => word !== '') : words;

const BIN = new URL('../../cli/bin.js', import.meta.url).pathname;
const HOP = new Set(['connection', 'content-length', 'transfer-encoding']);

export async function startCommandLine(): Promise<CommandLine> {
  const issuer = await startIssuer();
  const api = await startApi({ OIDC_ISSUER: issuer.url });
  const server = createServer((request, response) => {
    void (async () => {
      const { pathname, search } = new URL(request.url ?? '/', 'http://localhost');
      const body = await buffer(request);
      await line.meanwhile?.({ method: request.method ?? '', path: pathname });
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
      if (request.method === line.loseNext) {
        line.loseNext = undefined;
        request.socket.destroy();
        return;
      }
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
  const environmentWith = (env: CallOptions['env']) => ({
    PATH: process.env['PATH'],
    HOME: home,
    SHEARLINE_URL: url,
    SHEARLINE_TOKEN: token,
    ...env,
  });
  const told = (code: number | null, { out, err }: Pick<Said, 'out' | 'err'>): Said => {
    for (const secret of secrets) expect(out + err, 'a token in what was said').not.toContain(secret);
    return { code, out, err, json: () => JSON.parse(out) as unknown };
  };
  const line: CommandLine = {
    url,
    api,
    issuer,
    home,
    secrets,
    run: async (words, { env = {}, input = '', folder = home } = {}) => {
      const said = { out: '', err: '' };
      const stream = (name: 'out' | 'err') => ({
        write: (text: string) => {
          said[name] += text;
        },
        colour: false,
        width: undefined,
      });
      const code = await main(wordsOf(words), {
        terminal: { out: stream('out'), err: stream('err'), questions: new PassThrough(), asks: false },
        environment: environmentWith(env),
        folder,
        input: () => Promise.resolve(input),
      });
      return told(code, said);
    },
    spawn: (words, { env = {}, input = '', folder = home } = {}) =>
      new Promise<Said>((resolve, reject) => {
        const child = spawn(process.execPath, [BIN, ...wordsOf(words)], { cwd: folder, env: environmentWith(env) });
        const said = Promise.all([buffer(child.stdout), buffer(child.stderr)]);
        child.stdin.end(input);
        child.on('error', reject);
        child.on('close', (code) => {
          said.then(([out, err]) => {
            resolve(told(code, { out: out.toString('utf8'), err: err.toString('utf8') }));
          }, reject);
        });
      }),
    loseNext: undefined,
    meanwhile: undefined,
    atTerminal: (words, answers, { env = {}, folder = home } = {}) =>
      new Promise((resolve, reject) => {
        const quoted = [process.execPath, BIN, ...wordsOf(words)].map(
          (word) => `'${word.replaceAll("'", String.raw`'\''`)}'`,
        );
        const child = spawn('script', ['--quiet', '--return', '--command', quoted.join(' '), '/dev/null'], {
          cwd: folder,
          env: { ...environmentWith(env), TERM: 'xterm-256color' },
        });
        let shown = '';
        const left = [...answers];
        child.stdout.on('data', (chunk: Buffer) => {
          shown += chunk.toString('utf8');
          const [next] = left;
          if (next !== undefined && shown.includes(next[0])) {
            left.shift();
            child.stdin.write(next[1]);
          }
        });
        child.on('error', reject);
        child.on('close', (code) => {
          resolve({ code, shown: told(code, { out: shown, err: '' }).out });
        });
      }),
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
  return line;
}
