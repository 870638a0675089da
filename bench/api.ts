import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { loadHandlers, invoke } from '../test/functions/deliver.ts';
import { startApi } from '../test/functions/api.ts';
import { keystoreBody, templateBody } from '../test/functions/world.ts';
import { median } from './frame.ts';
import type { Benchmark, Figure } from './frame.ts';

const ROUNDS = 100;
const WARM_UP = 10;

interface Kind {
  readonly name: string;
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: () => string;
  readonly body?: (round: number) => object;
  /** Not measured: what the next round needs. */
  readonly before?: (round: number) => Promise<void>;
}

interface Sample {
  readonly total: number;
  /** While at least one request to DynamoDB or KMS was on its way. */
  readonly waiting: number;
  readonly requests: number;
}

/**
 * Each kind of call, one after the other, from API Gateway's event to the function's answer, beside the time in which that very call waited
 * for DynamoDB and KMS: whatever is above it is ours.
 */
export const apiBenchmark: Benchmark = {
  name: 'api',
  async run(tell) {
    const api = await startApi();
    const io = new WaitingTime();
    try {
      const handlers = await loadHandlers();
      const token = await api.token([
        'reader',
        'key_custodian_deployer',
        'key_custodian_creator',
        'vault_administrator',
        'manager',
      ]);
      const call = async (method: Kind['method'], path: string, body?: object) => {
        const [pathname = '', query = ''] = `/api/v4${path}`.split('?');
        const { answer } = await invoke(handlers, {
          method,
          path: pathname,
          query,
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'if-match': '*' },
          body: body === undefined ? undefined : JSON.stringify(body),
        });
        if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body ?? ''}`);
        return answer.body === undefined ? {} : (JSON.parse(answer.body) as { readonly id?: string });
      };
      const created = async (path: string, body: object) => (await call('POST', path, body)).id ?? '';
      const vault = await created('/vaults', { name: 'bench' });
      await created('/keystores', keystoreBody(vault, 'one'));
      await created('/keystores', { ...keystoreBody(vault, 'two'), aws_region: 'eu_central_1' });
      const template = await created('/templates', templateBody(vault, 'bench'));
      const newKey = (label: string) =>
        created('/managed_keys', { vault: { id: vault }, template_name: 'bench', label: `bench/${label}` });
      const key = await newKey('first');
      let spare = '';

      const kinds: readonly Kind[] = [
        { name: 'read a vault', method: 'GET', path: () => `/vaults/${vault}` },
        { name: 'edit a vault', method: 'PATCH', path: () => `/vaults/${vault}`, body: description },
        { name: 'read a template', method: 'GET', path: () => `/templates/${template}` },
        { name: 'read a key', method: 'GET', path: () => `/managed_keys/${key}` },
        { name: 'list keys', method: 'GET', path: () => '/managed_keys?limit=20' },
        { name: 'edit a key', method: 'PATCH', path: () => `/managed_keys/${key}`, body: description },
        { name: 'verify sync', method: 'GET', path: () => `/managed_keys/${key}/status_in_keystores` },
        { name: 'sync', method: 'POST', path: () => `/managed_keys/${key}/sync_status_in_keystores` },
        {
          name: 'plan a sync',
          method: 'POST',
          path: () => `/managed_keys/${key}/sync_status_in_keystores?dry_run=true`,
        },
        { name: 'realign', method: 'POST', path: () => `/managed_keys/${key}/update_from_template` },
        {
          name: 'create a key',
          method: 'POST',
          path: () => '/managed_keys',
          body: (round) => ({ vault: { id: vault }, template_name: 'bench', label: `bench/${round}` }),
        },
        {
          name: 'deactivate a key',
          method: 'POST',
          path: () => `/managed_keys/${spare}/deactivate`,
          before: async (round) => {
            spare = await newKey(`spare-${round}`);
          },
        },
      ];
      const figures: Figure[] = [];
      tell(`${ROUNDS} calls of each kind, one at a time; a key is in two keystores. Milliseconds.`);
      tell(line(['', 'p50', 'p95', 'p99', 'I/O p50', 'p95', 'p99', 'requests']));
      for (const { name, method, path, body, before } of kinds) {
        const samples: Sample[] = [];
        for (let round = -WARM_UP; round < ROUNDS; round += 1) {
          await before?.(round);
          const sample = await io.of(() => call(method, path(), body?.(round)));
          if (round >= 0) samples.push(sample);
        }
        const [total, waiting] = [samples.map((each) => each.total), samples.map((each) => each.waiting)];
        const numbers = [...PERCENTILES.map((at) => at(total)), ...PERCENTILES.map((at) => at(waiting))];
        const requests = median(samples.map((each) => each.requests));
        tell(line([name, ...numbers.map((each) => each.toFixed(1)), String(requests)]));
        const [milliseconds, baseline] = [median(total), median(waiting)];
        figures.push({
          name,
          milliseconds,
          baseline: { name: 'its I/O', milliseconds: baseline },
          ratio: milliseconds / baseline,
          goal: undefined,
        });
      }
      return figures;
    } finally {
      io.stop();
      await api.close();
    }
  },
};

const description = (round: number) => ({ description: `round ${round}` });

const percentile = (share: number) => (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.ceil(share * values.length) - 1] ?? Number.NaN;
const PERCENTILES = [percentile(0.5), percentile(0.95), percentile(0.99)];

const line = ([name = '', ...cells]: readonly string[]): string =>
  `${name.padEnd(18)}${cells.map((cell) => cell.padStart(9)).join('')}`;

/** Measures during a call for how long at least one HTTP request of this process waited for its answer. */
class WaitingTime {
  readonly #open = new Set<ClientRequest>();
  #since = 0;
  #waiting = 0;
  #requests = 0;

  constructor() {
    subscribe('http.client.request.start', this.#begun);
    subscribe('http.client.response.finish', this.#answered);
  }

  async of(call: () => Promise<unknown>): Promise<Sample> {
    this.#waiting = 0;
    this.#requests = 0;
    const started = performance.now();
    await call();
    return { total: performance.now() - started, waiting: this.#waiting, requests: this.#requests };
  }

  stop(): void {
    unsubscribe('http.client.request.start', this.#begun);
    unsubscribe('http.client.response.finish', this.#answered);
  }

  readonly #begun = (message: unknown) => {
    const { request } = message as { readonly request: ClientRequest };
    if (this.#open.size === 0) this.#since = performance.now();
    this.#open.add(request);
    this.#requests += 1;
  };

  readonly #answered = (message: unknown) => {
    const { request, response } = message as { readonly request: ClientRequest; readonly response: IncomingMessage };
    response.once('end', () => {
      if (this.#open.delete(request) && this.#open.size === 0) this.#waiting += performance.now() - this.#since;
    });
  };
}
