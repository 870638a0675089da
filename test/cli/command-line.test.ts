import { execFile, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../cli/commands.ts';
import { EXIT } from '../../cli/exit.ts';
import { OPERATIONS } from '../../lib/wire/operations.ts';
import { makeWorld } from '../functions/world.ts';
import type { World } from '../functions/world.ts';
import { startCommandLine } from './command-line.ts';
import type { CommandLine } from './command-line.ts';

/** Whether there is a program that brings a terminal along. */
const HAS_SCRIPT = spawnSync('script --version', { shell: true }).stdout.includes('util-linux');

let line: CommandLine;
let world: World;
const run: CommandLine['run'] = (words, options) => line.run(words, options);
const spawned: CommandLine['spawn'] = (words, options) => line.spawn(words, options);

beforeAll(async () => {
  line = await startCommandLine();
  const roles = ['vault_administrator', 'key_custodian_creator', 'key_custodian_deployer'];
  world = await makeWorld(line.api.client(await line.issuer.mint({ subject: 'maker', roles })), 'pay');
});
afterAll(async () => {
  await line.close();
});

async function disableOutside(keyId: string): Promise<void> {
  const [found] = line.api.kms.operator.keys().filter(({ tags }) => tags['shearline:key'] === keyId);
  if (found === undefined) throw new Error('The key is not in AWS KMS.');
  await line.api.kms.operator.disable(found.arn);
}

describe('a pipeline', () => {
  it('verify answers 3 for a key that drifted, sync repairs it, and verify answers 0', async () => {
    expect((await spawned('verify pay/active')).code).toBe(EXIT.ok);
    await disableOutside(world.keys.active);
    // A dry run looks for itself: nobody has found the drift yet, and it must stay so.
    expect((await run('sync pay/active --dry-run')).out).toMatch(/pay-keystore +pay\/active +enable/);
    expect((await run('keys show pay/active')).out).not.toContain('out_of_sync');

    const drifted = await spawned('verify pay/active');
    expect(drifted.code).toBe(EXIT.drift);
    expect(drifted.out).toContain('out_of_sync');
    expect(drifted.out).toMatch(/The key is disabled, since .* Sync would enable it\./);

    const planned = await run('sync pay/active --dry-run');
    expect(planned.code).toBe(EXIT.ok);
    expect(planned.out).toMatch(/pay-keystore +pay\/active +enable/);
    expect((await run('verify pay/active')).code).toBe(EXIT.drift);

    expect((await run('drift')).code).toBe(EXIT.drift);
    expect((await spawned('sync --flagged')).code).toBe(EXIT.ok);
    expect((await run('verify pay/active')).code).toBe(EXIT.ok);
    const history = await run('keys history pay/active');
    expect(history.out).toContain('ok → out_of_sync');
    expect(history.out).toContain('SyncManagedKey by ada');
  });

  it('what could not be asked is 5, never 0 and never 3', async () => {
    line.api.kms.faults.add({ kind: 'unreachable', region: 'us-east-1' });
    const cutOff = await run('verify pay/active');
    line.api.kms.faults.clear();
    expect(cutOff.code).toBe(EXIT.unknown);
    expect(cutOff.out).toContain('error');
    expect((await run(['scan', '--vault', 'pay'])).code).toBe(EXIT.ok);
  });

  it('has no colour where no terminal reads it, and has where colour is forced', async () => {
    const plain = await spawned('keys list');
    expect(plain.out + plain.err).not.toContain('\u001b');
    expect((await spawned('keys list', { env: { FORCE_COLOR: '1' } })).out).toContain('\u001b[');
    const without = await spawned('keys list', { env: { FORCE_COLOR: '1', NO_COLOR: '1' } });
    expect([without.code, without.out]).toEqual([EXIT.ok, expect.stringContaining('pay/active')]);
  });

  it('--json answers the JSON of the API, alone on standard output', async () => {
    const listed = await spawned('keys list --json --state active');
    expect(listed.json()).toMatchObject({
      total_count: 2,
      managed_keys: [{ label: 'pay/active' }, { label: 'pay/shadow' }],
    });
    const verified = await run('verify pay/active --json');
    expect(verified.json()).toMatchObject({
      keys: [{ label: 'pay/active', answer: { status_in_keystores: [{ keystore_sync_flag: 'ok' }] } }],
    });
    const refused = await run('keys activate pay/active --json');
    expect(refused.out).toBe('');
    expect(JSON.parse(refused.err)).toMatchObject({
      exit_code: 1,
      trace: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown,
      answer: { status_code: 409 },
    });
  });

  it('columns line up', async () => {
    const [header = '', ...rows] = (await run('keys list')).out.trimEnd().split('\n');
    const at = header.indexOf('state');
    expect(rows.length).toBeGreaterThan(3);
    for (const row of rows) expect(row.slice(at - 2, at)).toBe('  ');
  });
});

describe('what destroys', () => {
  it('is refused where nobody can be asked, and where --yes names another key', async () => {
    const unasked = await run('keys destroy pay/deactivated');
    expect(unasked.code).toBe(EXIT.usage);
    expect(unasked.err).toContain("--yes 'pay/deactivated' confirms it");
    const other = await run('keys destroy pay/deactivated --yes pay/active');
    expect(other.code).toBe(EXIT.usage);
    expect(other.err).toContain('Nothing was changed');
    expect((await run('keys deactivate pay/active')).code).toBe(EXIT.usage);
    expect((await run('keys show pay/deactivated --json')).json()).toMatchObject({ state: 'deactivated' });
  });

  it('shows its plan in a dry run, and is done with the name', async () => {
    const planned = await run('keys destroy pay/deactivated --dry-run');
    expect(planned.out).toContain('schedule_deletion');
    expect((await run('keys show pay/deactivated --json')).json()).toMatchObject({ state: 'deactivated' });
    const done = await run('keys destroy pay/deactivated --yes pay/deactivated');
    expect(done.code).toBe(EXIT.ok);
    expect(done.out).toMatch(/gone on \d{4}-\d\d-\d\d/);
    expect((await run('keys remove pay/deactivated --yes pay/deactivated')).code).toBe(EXIT.ok);
    expect((await run('keys show pay/deactivated')).code).toBe(EXIT.failed);
  });

  it('waits with 6 where a second person is needed, who then approves it', async () => {
    expect((await run('vaults edit pay --approval-for destroy_key')).code).toBe(EXIT.ok);
    await run('keys create pay/two --vault pay --template pay-waiting');
    const asked = await run('keys destroy pay/two --yes pay/two --json');
    expect(asked.code).toBe(EXIT.waiting);
    const { id } = asked.json() as { id: string };
    expect(asked.err).toContain(`shearline approvals approve ${id}`);
    const own = await run(`approvals approve ${id} --yes`);
    expect(own.code).toBe(EXIT.denied);
    const roles = ['key_custodian_deployer', 'vault_administrator'];
    const second = await line.issuer.mint({ subject: 'bob', roles });
    line.secrets.add(second);
    const approved = await run(`approvals approve ${id} --yes`, { env: { SHEARLINE_TOKEN: second } });
    expect(approved.code).toBe(EXIT.ok);
    expect((await run('keys show pay/two --json')).json()).toMatchObject({ state: 'destroyed' });
  });
});

describe('everyday work', () => {
  it('a vault, a keystore tried and connected from standard input, a template, a key, its edit and its rotation', async () => {
    expect((await run(['vaults', 'create', 'Daily', '--description', 'for a test'])).code).toBe(EXIT.ok);
    const { accessKeyId, secretAccessKey } = (await import('../../sandbox/aws-accounts.ts')).KEYSTORE_ACCOUNT;
    const keystore = JSON.stringify({
      type: 'aws_kms',
      name: 'daily-eu',
      groups: ['Daily'],
      aws_region: 'eu_central_1',
      aws_access_key_id: accessKeyId,
      aws_secret_access_key: secretAccessKey,
    });
    const tried = await spawned('keystores connect --file - --vault Daily --dry-run', { input: keystore });
    expect([tried.code, tried.out]).toEqual([EXIT.ok, expect.stringContaining('not connected: a dry run')]);
    const connected = await run('keystores connect --file - --vault Daily', { input: keystore });
    expect(connected.code).toBe(EXIT.ok);
    expect(connected.out).not.toContain(secretAccessKey);
    expect(connected.out).toMatch(/aws_secret_access_key +\*{8}/);

    const file = join(line.home, 'template.json');
    writeFileSync(
      file,
      JSON.stringify({
        name: 'daily-aes',
        key: { algorithm: 'aes', size: '256', activation_date: '', expiration_date: 'P1Y', state: 'active' },
        keystores: [{ type: 'aws_kms', group: 'Daily' }],
      }),
    );
    expect((await run(['templates', 'create', '--file', file, '--vault', 'Daily'])).code).toBe(EXIT.ok);
    const planned = await run('keys create daily/key --vault Daily --template daily-aes --dry-run');
    expect(planned.out).toMatch(/daily-eu +daily\/key +create, import/);
    const made = await run('keys create daily/key --vault Daily --template daily-aes --tag team=payments');
    expect(made.out).toMatch(/tags +team=payments/);
    expect((await run(['keys', 'edit', 'daily/key', '--description', 'the daily key'])).out).toContain('the daily key');
    expect((await run('keys rotate daily/key')).out).toMatch(/version +2/);
    expect((await run('keys versions daily/key --json')).json()).toMatchObject({ total_count: 2 });

    expect((await run('templates edit daily-aes --description changed')).code).toBe(EXIT.ok);
    const unaligned = await run('keys list --unaligned --vault Daily');
    expect(unaligned.out).toContain('daily-aes (unaligned)');
    expect((await run('realign --unaligned --vault Daily')).code).toBe(EXIT.ok);
    expect((await run('keys list --unaligned --vault Daily')).out).toBe('None.\n');
  });

  it('an answer that is lost on its way is asked for again, and what it was about happens once', async () => {
    line.loseNext = 'POST';
    const made = await run('keys create pay/once --vault pay --template pay-active');
    expect([made.code, made.err]).toEqual([EXIT.ok, 'The API does not answer; again in 1 s\n']);
    expect((await run('keys list --label pay/once --json')).json()).toMatchObject({ total_count: 1 });
    line.loseNext = 'PATCH';
    const lost = await run(['keys', 'edit', 'pay/once', '--description', 'perhaps']);
    expect([lost.code, lost.err]).toEqual([EXIT.unknown, expect.stringContaining('cannot be reached')]);
  });

  it('finds a key that nobody manages, and adopts it', async () => {
    const { CreateKeyCommand } = await import('@aws-sdk/client-kms');
    const { operatorClient } = await import('../../sandbox/aws-accounts.ts');
    const client = operatorClient(line.api.kms.endpoint, 'us-east-1');
    const { KeyMetadata } = await client.send(new CreateKeyCommand({ Description: 'made by hand' }));
    client.destroy();
    const arn = KeyMetadata?.Arn ?? '';
    const found = await run('keystores unmanaged pay-empty');
    expect(found.out).toContain(arn);
    const adopted = await run(['keystores', 'adopt', 'pay-empty', arn, '--label', 'pay/adopted']);
    expect(adopted.err).toBe('');
    expect(adopted.out).toMatch(/key +pay\/adopted/);
  });

  it('repairs without people: the policy of a vault, what it would do, and who is told', async () => {
    const trial = await run('vaults auto-repair pay --policy sync --stop-at-percent 50');
    expect([trial.err, trial.out]).toEqual([
      '',
      expect.stringContaining('sync, at most 100 a sweep, none above 50 % drift'),
    ]);
    expect((await run('vaults auto-repair pay')).out).toContain('drift waits for people');
    const subscription = JSON.stringify({
      type: 'webhook',
      name: 'on-call',
      url: 'https://example.org/hook',
      secret: 'a-secret-of-at-least-32-characters',
    });
    const told = await run('notifications create --vault pay --file -', { input: subscription });
    expect([told.err, told.code]).toEqual(['', EXIT.ok]);
    expect(told.out).not.toContain('a-secret');
    expect((await run('notifications edit on-call --state disabled')).out).toMatch(/state +disabled/);
    expect((await run('notifications list')).out).toMatch(/on-call +webhook +disabled/);
    expect((await run('notifications delete on-call')).code).toBe(EXIT.usage);
    expect((await run('notifications delete on-call --yes on-call')).out).toBe('on-call is ended.\n');
  });

  it('proves and exports the audit trail', async () => {
    const proved = await run('audit verify --vault pay');
    expect([proved.code, proved.out]).toEqual([EXIT.ok, expect.stringContaining('intact')]);
    const exported = await run('audit export --vault pay');
    const events = exported.out
      .trimEnd()
      .split('\n')
      .map((each) => JSON.parse(each) as { sequence: number });
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, at) => at + 1));
  });

  it('the doctor says what is wrong and what to do, and answers 1', async () => {
    line.api.kms.faults.add({ kind: 'denied', operation: 'ListKeys' });
    const sick = await run('doctor');
    line.api.kms.faults.clear();
    expect(sick.code).toBe(EXIT.failed);
    expect(sick.out).toMatch(/failed +keystore +pay-keystore/);
    expect(sick.out).toContain('What to do');
    expect(sick.out).toContain('docs/keystores/aws-kms.md');
  });
});

describe('wrong use', () => {
  it.each([
    ['nonsense', 'unknown command'],
    ['keys', 'Usage: shearline keys'],
    ['keys lisst', 'Did you mean list?'],
    ['keys show', 'missing required argument'],
    ['keys list --state gone', 'Allowed choices are'],
    ['keys list --limit none', '--limit must be a whole number'],
    ['verify', 'Which keys?'],
    ['keys edit pay/active', 'Nothing to change was given'],
    ['keys create x --vault pay', '--template is missing'],
    ['keystores connect --file /no/such', 'cannot be read'],
    ['keys list --url ftp://keys', '--url must be the address'],
    ['keys list --url http://keys.example.org', 'a token would go over'],
  ])('shearline %s: 2, and says what is wrong', async (words, says) => {
    const wrong = await run(words);
    expect(wrong.out).toBe('');
    expect(wrong.err).toContain(says);
    expect(wrong.code).toBe(EXIT.usage);
  });

  it('what is not JSON is refused without being repeated: it may hold a secret', async () => {
    const wrong = await run('keystores connect --file -', { input: '{"aws_secret_access_key": "hunter2' });
    expect(wrong.code).toBe(EXIT.usage);
    expect(wrong.err).not.toContain('hunter2');
  });

  it('what the API refuses is told with every field, the trace, and code 1', async () => {
    const refused = await run(['keys', 'create', 'a*b', '--vault', 'pay', '--template', 'pay-active', '--tag', '=']);
    expect(refused.code).toBe(EXIT.usage);
    const bad = await run(['keys', 'create', 'a*b', '--vault', 'pay', '--template', 'pay-active']);
    expect(bad.code).toBe(EXIT.failed);
    expect(bad.err).toMatch(/label must have 1 to 255 .*\n +trace [0-9a-f-]{36}/s);
  });

  it('a name that is not there is told, and one that two have asks for the vault', async () => {
    const none = await run('keys show no/such');
    expect([none.code, none.err]).toEqual([EXIT.failed, expect.stringContaining('There is no key no/such')]);
    const template = JSON.stringify({
      name: 'pay-active',
      key: { algorithm: 'aes', size: '256', activation_date: '', expiration_date: '', state: 'active' },
      keystores: [{ type: 'aws_kms', group: 'Second' }],
    });
    await run('vaults create Second');
    expect((await run('templates create --vault Second --file -', { input: template })).code).toBe(EXIT.ok);
    const two = await run('templates show pay-active');
    expect([two.code, two.err]).toEqual([EXIT.usage, expect.stringContaining('There are 2 of the name pay-active')]);
    expect((await run('templates show pay-active --vault Second')).out).toContain('aws_kms in Second');
  });

  it('text of others cannot steer the terminal', async () => {
    const made = await run(['vaults', 'create', 'Escape', '--description', 'a\u001b]0;owned\u0007b\u001b[31mc']);
    expect(made.out).toMatch(/description +a.*b?c?/);
    expect(made.out).not.toContain('\u001b');
    expect(made.out).not.toContain('\u0007');
  });

  it('an API that is not there is 5, with what to do', async () => {
    const gone = await run('keys list --url http://127.0.0.1:9');
    expect(gone.code).toBe(EXIT.unknown);
    expect(gone.err).toContain('http://127.0.0.1:9 cannot be reached');
  });
});

describe('who was overtaken', () => {
  const editBetween = (description: string) => {
    line.meanwhile = async ({ method }) => {
      if (method !== 'PATCH') return;
      line.meanwhile = undefined;
      expect((await run(['keys', 'edit', 'pay/shadow', '--description', description])).code).toBe(EXIT.ok);
    };
  };

  it('is refused where nobody can be asked, and nothing is overwritten', async () => {
    editBetween('of somebody else');
    const overtaken = await run(['keys', 'edit', 'pay/shadow', '--description', 'mine']);
    expect(overtaken.code).toBe(EXIT.failed);
    expect(overtaken.err).toContain('Somebody changed it meanwhile');
    expect((await run('keys show pay/shadow --json')).json()).toMatchObject({ description: 'of somebody else' });
  });

  it.runIf(HAS_SCRIPT)('is shown at a terminal what was changed, and asked', async () => {
    editBetween('of a third');
    const { code, shown } = await line.atTerminal(
      ['keys', 'edit', 'pay/shadow', '--description', 'mine'],
      [['Change it as it is now?', 'y\r']],
    );
    expect(shown).toContain('was changed by somebody since it was read');
    expect(shown).toMatch(/description +of somebody else +of a third/);
    expect(code).toBe(EXIT.ok);
    expect((await run('keys show pay/shadow --json')).json()).toMatchObject({ description: 'mine' });
  });
});

// A terminal comes from `script` of util-linux; where it is missing (macOS has another), what is asked there is not tested.
describe.runIf(HAS_SCRIPT)('at a terminal', () => {
  it('what destroys shows its plan and asks for the name; another word changes nothing', async () => {
    expect((await run('keys create pay/doomed --vault pay --template pay-waiting')).code).toBe(EXIT.ok);
    await run(['vaults', 'edit', 'Second', '--description', 'x']);
    const refused = await line.atTerminal('keys destroy pay/doomed', [['type its name', 'pay/other\r']]);
    expect(refused.shown).toContain('destroyed');
    expect(refused.shown).toContain('Nothing was changed.');
    expect(refused.code).toBe(EXIT.failed);
    expect((await run('keys show pay/doomed --json')).json()).toMatchObject({ state: 'pre_activation' });
  });

  it('sync shows what it would do and asks; the answer is coloured', async () => {
    await disableOutside(world.keys.active);
    const synced = await line.atTerminal('sync pay/active', [['Sync pay/active at', 'y\r']]);
    expect(synced.code).toBe(EXIT.ok);
    expect(synced.shown).toContain('enable');
    expect(synced.shown).toContain('\u001b[32m');
  });

  it('Ctrl-C at a question changes nothing and is 130', async () => {
    const stopped = await line.atTerminal('keys deactivate pay/active', [['Deactivate pay/active at', '\u0003']]);
    expect(stopped.code).toBe(EXIT.interrupted);
    expect((await run('keys show pay/active --json')).json()).toMatchObject({ state: 'active' });
  });
});

describe('signing in', () => {
  const store = () => join(line.home, '.config', 'shearline', 'sign-ins.json');
  const nobody = { SHEARLINE_TOKEN: undefined, SHEARLINE_URL: undefined };
  const checkout = () => {
    const folder = join(line.home, 'checkout');
    mkdirSync(join(folder, '.local'), { recursive: true });
    const endpoints = { api: line.url, issuer: line.issuer.url, tokens: {} };
    writeFileSync(join(folder, '.local', 'endpoints.json'), JSON.stringify(endpoints));
    return folder;
  };
  const kept = () =>
    JSON.parse(readFileSync(store(), 'utf8')) as {
      sign_ins: Record<string, { access_token: string; refresh_token?: string; expires_at: number }>;
    };
  const rewrite = (change: Readonly<Record<string, unknown>>) => {
    const content = kept();
    const entry = content.sign_ins[line.url];
    writeFileSync(store(), JSON.stringify({ ...content, sign_ins: { [line.url]: { ...entry, ...change } } }));
  };

  it('nobody is told how', async () => {
    const refused = await run('keys list', { env: { ...nobody, SHEARLINE_URL: line.url } });
    expect(refused.code).toBe(EXIT.denied);
    expect(refused.err).toContain(`shearline login --url ${line.url}`);
  });

  it('an expired token is 4, and says what to do', async () => {
    const expired = await line.issuer.mint({ subject: 'ada', roles: ['manager'], expiresIn: -600 });
    line.secrets.add(expired);
    const refused = await spawned('keys list', { env: { SHEARLINE_TOKEN: expired } });
    expect(refused.code).toBe(EXIT.denied);
    expect(refused.err).toContain('shearline login');
    expect(refused.err).toMatch(/trace [0-9a-f-]{36}/);
  });

  it('--local signs in by the code flow with PKCE in one step; the token is for its owner alone', async () => {
    const folder = checkout();
    const signedIn = await spawned('login --local --role manager --role key_custodian_deployer', {
      env: nobody,
      folder,
    });
    expect(signedIn.err).toBe('');
    expect(signedIn.out).toMatch(/roles +manager, key_custodian_deployer/);
    expect(statSync(store()).mode & 0o777).toBe(0o600);
    expect(statSync(join(line.home, '.config', 'shearline')).mode & 0o777).toBe(0o700);
    for (const { access_token: token, refresh_token: refresh } of Object.values(kept().sign_ins)) {
      line.secrets.add(token);
      if (refresh !== undefined) line.secrets.add(refresh);
    }
    // From anywhere now: the last login says where.
    const listed = await run('keys list', { env: nobody });
    expect(listed.code).toBe(EXIT.ok);
    expect((await run('whoami', { env: nobody })).out).toContain('the last login');
  });

  it('in the browser: the address carries the challenge, and whoever comes back to the loopback address is signed in', async () => {
    const bin = new URL('../../cli/bin.js', import.meta.url).pathname;
    const child = spawn(process.execPath, [bin, 'login', '--no-browser', '--url', line.url], {
      cwd: line.home,
      env: { PATH: process.env['PATH'], HOME: line.home },
    });
    let said = '';
    const address = await new Promise<URL>((resolve) => {
      child.stderr.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        const found = /http:\/\/127\.0\.0\.1:\d+\/authorize\?\S+/.exec(said);
        if (found !== null) resolve(new URL(found[0]));
      });
    });
    expect(address.origin).toBe(line.issuer.url);
    expect(address.searchParams.get('code_challenge_method')).toBe('S256');
    expect(address.searchParams.get('client_id')).toBe('shearline-cli');
    const redirect = address.searchParams.get('redirect_uri') ?? '';
    expect(redirect).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/signed-in$/);
    const page = await fetch(address);
    expect(await page.text()).toContain('You are signed in.');
    const code = await new Promise((resolve) => {
      child.on('close', resolve);
    });
    expect(code).toBe(EXIT.ok);
    await expect(fetch(redirect)).rejects.toThrow();
  });

  it('an answer with another state than was sent is not taken', async () => {
    const { signIn } = await import('../../cli/login.ts');
    const attempt = signIn({ issuer: line.issuer.url, clientId: 'x', scope: 'openid' }, async (address) => {
      const forged = new URL(new URL(address).searchParams.get('redirect_uri') ?? '');
      forged.searchParams.set('code', 'stolen');
      forged.searchParams.set('state', 'of somebody else');
      await fetch(forged);
    });
    await expect(attempt).rejects.toThrow();
  });

  it('a token that has run out is refreshed by itself', async () => {
    const before = kept().sign_ins[line.url];
    expect(before?.refresh_token).toBeDefined();
    rewrite({ expires_at: Date.now() - 1000 });
    expect((await run('vaults list', { env: nobody })).code).toBe(EXIT.ok);
    const after = kept().sign_ins[line.url];
    expect(after?.expires_at).toBeGreaterThan(Date.now());
    expect(statSync(store()).mode & 0o777).toBe(0o600);
    line.secrets.add(after?.access_token ?? '-');
  });

  it('without a refresh token the login has ended, and it says so', async () => {
    rewrite({ expires_at: Date.now() - 1000, refresh_token: undefined });
    const ended = await run('vaults list', { env: nobody });
    expect([ended.code, ended.err]).toEqual([EXIT.denied, expect.stringContaining('has ended')]);
  });

  it('a file of tokens that others can read is not used', async () => {
    chmodSync(store(), 0o644);
    const refused = await run('vaults list', { env: nobody });
    expect([refused.code, refused.err]).toEqual([EXIT.failed, expect.stringContaining('others than you may read it')]);
    chmodSync(store(), 0o600);
  });

  it('logout forgets it', async () => {
    expect((await run('logout', { env: nobody })).out).toContain('is forgotten');
    expect(kept().sign_ins).toEqual({});
    rmSync(store());
    expect(existsSync(store())).toBe(false);
  });
});

describe('the command table', () => {
  it('has a command for every operation of the API', () => {
    const used = new Set(COMMANDS.flatMap(({ operations }) => operations));
    const missing = Object.keys(OPERATIONS).filter((id) => !used.has(id as keyof typeof OPERATIONS));
    expect(missing).toEqual([]);
  });

  it('has --dry-run on every command whose operations change something and can be rehearsed', () => {
    const without = COMMANDS.filter(({ operations, options = [] }) => {
      const rehearsable = operations.some((id) => 'dry_run' in shapeOf(id) && OPERATIONS[id].method !== 'GET');
      return rehearsable && !options.some(({ name }) => name === 'dry-run');
    });
    expect(without.map(({ path }) => path.join(' '))).toEqual([]);
  });

  it('has no two commands of one name, and nothing that completion would trip over', () => {
    const names = COMMANDS.map(({ path }) => path.join(' '));
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z-]+(?: [a-z-]+)?$/);
  });

  function shapeOf(id: keyof typeof OPERATIONS): object {
    const query = OPERATIONS[id].query() as unknown as { readonly def?: { readonly shape?: object } };
    return query.def?.shape ?? {};
  }
});

describe('completion', () => {
  const offered = async (typed: string): Promise<readonly string[]> => {
    const script = (await run('completion bash')).out;
    const words = typed.split(' ');
    const ask = `${script}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _shearline; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = await promisify(execFile)('bash', ['-c', ask]);
    return stdout.split('\n').filter((word) => word !== '');
  };

  it('offers commands, those of a group, options and the values of an option', async () => {
    expect(await offered('shearline ')).toEqual(expect.arrayContaining(['keys', 'verify', 'doctor', 'completion']));
    expect(await offered('shearline key')).toEqual(['keys', 'keystores']);
    expect(await offered('shearline keys ro')).toEqual(['rotate']);
    expect(await offered('shearline keys list --st')).toEqual(['--state']);
    expect(await offered('shearline keys list --state ')).toEqual([
      'pre_activation',
      'active',
      'deactivated',
      'destroyed',
    ]);
    expect(await offered('shearline keys list --vault keys --fl')).toEqual(['--flag']);
    expect(await offered('shearline completion z')).toEqual(['zsh']);
  });

  it('is made for zsh too, with what each command does', async () => {
    const { out } = await run('completion zsh');
    expect(out).toContain('#compdef shearline');
    expect(out).toContain("'rotate:Give a key new material'");
  });
});
