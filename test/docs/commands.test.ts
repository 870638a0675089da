import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readManifest } from '../../release/command-line.ts';
import { KEYSTORE_ACCOUNT } from '../../sandbox/aws-accounts.ts';
import { startCommandLine } from '../cli/command-line.ts';
import type { CommandLine } from '../cli/command-line.ts';
import { create, keystoreBody } from '../functions/world.ts';
import { commandsIn, documents, PROJECT } from './commands.ts';
import type { Told } from './commands.ts';

/** How a command of a document is known to work. */
type Way =
  /** It is run here, against a deployment in this process. */
  | { readonly run: true }
  /** A test of its own runs it, in this file. */
  | { readonly ranBy: string }
  /** It cannot be run here; why. */
  | { readonly not: string };

const ACCOUNT = 'needs an AWS account';
const SANDBOX = "speaks to the ports of npm start; the sandbox's own tests speak to the same server";

/** The first that matches. A command that none matches fails, and so does one here that matches nothing any more. */
const WAYS: readonly (readonly [RegExp, Way])[] = [
  [/^(?:npx )?shearline login --local/, { ranBy: 'test/cli/command-line.test.ts' }],
  [/^(?:npx )?shearline login/, { ranBy: 'test/cli/command-line.test.ts' }],
  [/^source <\(shearline completion/, { ranBy: 'test/cli/command-line.test.ts' }],
  [/^(?:npx )?shearline /, { run: true }],
  [/^(?:echo|cat|printf) .*\| (?:npx )?shearline /s, { run: true }],
  [/^export (?:TOKEN|API|VAULT|KEY|ETAG)=/, { run: true }],
  [/^curl .*(?:3005|3000\S*\/notification_subscriptions)/s, { not: SANDBOX }],
  [/^curl .*(?:\$TOKEN|\$API|127\.0\.0\.1:3000)/s, { run: true }],
  [/^npm ci && npm start|^npm start/, { ranBy: 'test/sandbox/start.test.ts' }],
  [/^npm ci && npm test|^npm test/, { not: 'is what runs this' }],
  [/^npm ci/, { not: 'has run before this could' }],
  [/^npm run demo/, { not: 'takes half a minute; the same story is told by test/functions/story.test.ts' }],
  [/^npm run bench/, { ranBy: 'test/bench/frame.test.ts' }],
  [/^npm run torture/, { ranBy: 'test/torture/model.test.ts' }],
  [/^npm run (?:package|notices|sbom)/, { ranBy: 'test/release/release.test.ts' }],
  [/^npm run manual/, { ranBy: 'test/docs/manual.test.ts' }],
  [/^npm run /, { not: 'its script is looked up in package.json, below' }],
  [/^npm (?:version|publish)/, { not: 'changes the registry, or the version of this project' }],
  [/^git /, { not: 'changes the repository' }],
  [/^(?:[A-Z_]+=\S+ )*(?:npx serverless (?:deploy|remove|invoke|info|logs|rollback)|aws |docker )/s, { not: ACCOUNT }],
  [/^curl .*(?:execute-api|example\.(?:org|com))/s, { not: ACCOUNT }],
  [/^(?:export \w+=|mkdir |softhsm2-util )/, { not: 'prepares what a person has on their own machine' }],
];

const told = documents().flatMap(commandsIn);
const wayOf = ({ command }: Told): Way | undefined => WAYS.find(([pattern]) => pattern.test(command))?.[1];

describe('the commands of the documents', () => {
  it('are all known: how each is run by a test, or why it is not', () => {
    const unknown = told.filter((each) => wayOf(each) === undefined);
    expect(unknown.map(({ document, line, command }) => `${document}:${line}: ${command}`)).toEqual([]);
    expect(told.length).toBeGreaterThan(50);
  });

  it('leave no rule without a command', () => {
    const used = new Set(told.map(({ command }) => WAYS.findIndex(([pattern]) => pattern.test(command))));
    expect(WAYS.flatMap(([pattern], index) => (used.has(index) ? [] : [String(pattern)]))).toEqual([]);
  });

  it('name tests that there are', () => {
    for (const [, way] of WAYS) if ('ranBy' in way) expect(existsSync(join(PROJECT, way.ranBy)), way.ranBy).toBe(true);
  });

  it('run scripts that package.json has', () => {
    const scripts = Object.keys(readManifest()['scripts'] as object);
    const named = told.flatMap(({ command }) =>
      [...command.matchAll(/npm run (?:--silent )?([a-z:-]+)/g)].map((match) => match[1] ?? ''),
    );
    expect(named.filter((name) => !scripts.includes(name))).toEqual([]);
  });

  it('call the command line by commands that it has, in running text too', () => {
    const { commands, groups } = names();
    const wrong = documents().flatMap((document) =>
      [
        ...readFileSync(join(PROJECT, document), 'utf8').matchAll(/`(?:npx )?shearline ([a-z-]+)(?: ([a-z-]+))?/g),
      ].flatMap((match) => {
        const [, first = '', second = ''] = match;
        const known = groups.has(first) ? second === '' || commands.has(`${first} ${second}`) : commands.has(first);
        return known ? [] : [`${document}: ${match[0]}`];
      }),
    );
    expect(wrong).toEqual([]);
  });
});

describe('the links of the documents', () => {
  it.each(documents())('%s: lead to files and headings that there are', (document) => {
    const text = readFileSync(join(PROJECT, document), 'utf8');
    const broken = [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = '']) => {
      if (/^[a-z]+:/.test(link)) return [];
      const [path = '', heading] = link.split('#');
      const file = path === '' ? join(PROJECT, document) : join(PROJECT, dirname(document), path);
      if (!existsSync(file)) return [link];
      return heading === undefined || headingsOf(readFileSync(file, 'utf8')).has(heading) ? [] : [link];
    });
    expect(broken).toEqual([]);
  });

  /** As GitHub names them. */
  function headingsOf(text: string): ReadonlySet<string> {
    return new Set(
      [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
        title
          .toLowerCase()
          .replace(/[^\p{L}\p{N} _-]/gu, '')
          .replaceAll(' ', '-'),
      ),
    );
  }
});

describe('every command that can be run here is', () => {
  let line: CommandLine;
  let checkout: string;
  let disableOutside: () => Promise<void>;

  beforeAll(async () => {
    line = await startCommandLine();
    disableOutside = await makeSample(line);
    checkout = join(line.home, 'checkout');
    mkdirSync(join(checkout, '.local'), { recursive: true });
    const all = await line.issuer.mint({ subject: 'local-all', roles: ALL });
    writeFileSync(
      join(checkout, '.local', 'endpoints.json'),
      JSON.stringify({ api: line.url, issuer: line.issuer.url, tokens: { all } }),
    );
  });
  afterAll(async () => {
    await line.close();
  });

  for (const document of documents()) {
    const here = commandsIn(document).filter((each) => {
      const way = wayOf(each);
      return way !== undefined && 'run' in way;
    });
    if (here.length === 0) continue;
    it(document, { timeout: 120_000 }, async () => {
      // Each document begins with the key that drifted.
      await disableOutside();
      const exported: string[] = [];
      for (const each of here) {
        const words = wordsOf(each.command);
        const said =
          words === undefined ? await inShell(each, exported) : await line.run(words, { folder: checkout, env: LOCAL });
        const [, name] = /^export (\w+)=/.exec(each.command) ?? [];
        // Evaluated once, as a reader does.
        if (name !== undefined) exported.push(`export ${name}='${said.out.replaceAll("'", String.raw`'\''`)}'`);
        expect(said.code, `${document}:${each.line}: ${each.command}\n${said.out}${said.err}`).toBe(each.exits);
      }
    });
  }

  /** As a reader's shell would run it, in a checkout with a local start. */
  async function inShell(each: Told, exported: readonly string[]) {
    const bin = join(PROJECT, 'cli', 'bin.js');
    const script = [
      `shearline() { '${process.execPath}' '${bin}' "$@"; }`,
      'npx() { shift; shearline "$@"; }',
      `curl() { command curl --fail-with-body "$@"; }`,
      ...exported,
      each.command,
      ...(each.command.startsWith('export ') ? [`printf %s "$${/^export (\w+)/.exec(each.command)?.[1] ?? ''}"`] : []),
    ].join('\n');
    try {
      const { stdout, stderr } = await promisify(execFile)(
        'bash',
        ['-c', script.replaceAll('http://127.0.0.1:3000', line.url)],
        {
          cwd: checkout,
          env: {
            PATH: process.env['PATH'],
            HOME: line.home,
            AWS_ACCESS_KEY_ID: KEYSTORE_ACCOUNT.accessKeyId,
            AWS_SECRET_ACCESS_KEY: KEYSTORE_ACCOUNT.secretAccessKey,
          },
        },
      );
      return { code: 0, out: stdout, err: stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as {
        readonly code: number;
        readonly stdout: string;
        readonly stderr: string;
      };
      return { code, out: stdout, err: stderr };
    }
  }
});

/** Nothing in the environment: the local start of the folder says where and as whom. */
const LOCAL = { SHEARLINE_URL: undefined, SHEARLINE_TOKEN: undefined };
const ALL = ['vault_administrator', 'key_custodian_creator', 'key_custodian_deployer', 'manager'];

/** The words of a plain call of the command line; undefined for anything that takes a shell. */
function wordsOf(command: string): readonly string[] | undefined {
  const [, rest] = /^(?:npx )?shearline ([^|<>$;&`\n]*)$/.exec(command) ?? [];
  return rest === undefined
    ? undefined
    : [...rest.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

function names() {
  const source = readFileSync(join(PROJECT, 'cli', 'commands.ts'), 'utf8');
  const paths = [...source.matchAll(/^ {4}path: \['([a-z-]+)'(?:, '([a-z-]+)')?\]/gm)];
  return {
    commands: new Set(paths.map((match) => [match[1], match[2]].filter((word) => word !== undefined).join(' '))),
    groups: new Set(paths.flatMap((match) => (match[2] === undefined ? [] : [match[1] ?? '']))),
  };
}

/** Makes what `npm start` has, as far as documents speak of it. Answers how somebody disables payments/card-data outside Shearline. */
async function makeSample({ api, issuer }: CommandLine): Promise<() => Promise<void>> {
  const client = api.client(await issuer.mint({ subject: 'sample', roles: ALL }));
  const vault = await create(client, 'vaults', { name: 'Payments', description: 'The sample vault' });
  await create(client, 'keystores', keystoreBody(vault, 'aws-us-east-1'));
  await create(client, 'keystores', { ...keystoreBody(vault, 'aws-eu-central-1'), aws_region: 'eu_central_1' });
  await create(client, 'templates', {
    vault: { id: vault },
    name: 'data-aes-256',
    key: { algorithm: 'aes', size: '256', activation_date: '', expiration_date: 'P1Y', state: 'active' },
    keystores: [{ type: 'aws_kms', group: 'Production' }],
  });
  const [drifts] = await Promise.all(
    ['payments/card-data', 'payments/tokens', 'payments/old'].map((label) =>
      create(client, 'managed_keys', { vault: { id: vault }, template_name: 'data-aes-256', label }),
    ),
  );
  const [found] = api.kms.operator
    .keys({ region: 'eu-central-1' })
    .filter(({ tags }) => tags['shearline:key'] === drifts);
  if (found === undefined) throw new Error('The sample’s key is not in AWS KMS.');
  return async () => {
    await api.kms.operator.disable(found.arn);
  };
}
