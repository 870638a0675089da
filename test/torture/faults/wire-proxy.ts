import { Agent, createServer, request as send } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What can go wrong with one call on its way. Every attempt of the SDK at the same call is struck alike. */
export const WIRE_FAULTS = [
  'timeout before',
  'timeout after',
  'throttle',
  '5xx',
  'denied',
  'torn',
  'kill before',
  'kill after',
] as const;
export type WireFault = (typeof WIRE_FAULTS)[number];

/** One call of AWS's JSON protocols, as it is on the wire. */
export interface WireCall {
  readonly service: 'DynamoDB' | 'KMS';
  readonly operation: string;
  /** From the signature. */
  readonly region: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/** What is to happen to which call. `kill` ends the caller's process, at once. */
export interface Strike {
  readonly site: string;
  readonly fault: WireFault;
  readonly kill: () => void;
}

/** Stands between the functions and their DynamoDB and AWS KMS, writes down what goes by, and lets one call fail. */
export interface WireProxy {
  /** For both services: they are told apart by what is called. */
  readonly endpoint: string;
  /** Begins anew. From now on sites are named by `nameOf`, and numbered where several calls have the same name. */
  arm(nameOf: (call: WireCall) => string, strike?: Strike): void;
  /** The calls since then, in their order. A call that the SDK repeats counts once. */
  readonly sites: readonly string[];
  /** Whether the strike has found its call. */
  readonly struck: boolean;
  /** Every plaintext that AWS KMS has handed out through this proxy since this was last asked, in base64. */
  takePlaintexts(): readonly string[];
  close(): Promise<void>;
}

export async function startWireProxy(upstream: Readonly<Record<WireCall['service'], string>>): Promise<WireProxy> {
  const agent = new Agent({ keepAlive: true });
  const plaintexts = new Set<string>();
  let nameOf: (call: WireCall) => string = ({ operation }) => operation;
  let strike: Strike | undefined;
  let sites: string[] = [];
  let siteOf = new Map<string, string>();
  let struck = false;

  function siteFor(headers: IncomingHttpHeaders, call: WireCall): string {
    // The SDK gives every attempt at a call the same id.
    const invocation = String(headers['amz-sdk-invocation-id']);
    const known = siteOf.get(invocation);
    if (known !== undefined) return known;
    const name = nameOf(call);
    const earlier = sites.filter((site) => site.startsWith(`${name} #`)).length;
    const site = `${name} #${earlier + 1}`;
    sites.push(site);
    siteOf.set(invocation, site);
    return site;
  }

  function forward(call: WireCall, incoming: IncomingMessage, body: Buffer): Promise<Upstream> {
    return new Promise((resolve, reject) => {
      const { headers } = incoming;
      const outgoing = send(upstream[call.service], { method: 'POST', agent, headers }, (answer) => {
        bytesOf(answer).then((content) => {
          if (call.service === 'KMS') keepPlaintexts(content, plaintexts);
          resolve({ status: answer.statusCode ?? 500, headers: answer.headers, body: content });
        }, reject);
      });
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }

  async function handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bytesOf(incoming);
    const call = callOf(incoming.headers, body);
    const site = siteFor(incoming.headers, call);
    const struckBy = strike?.site === site ? strike : undefined;
    if (struckBy === undefined) {
      answer(response, await forward(call, incoming, body));
      return;
    }
    struck = true;
    switch (struckBy.fault) {
      case 'timeout before':
        return;
      case 'timeout after':
        await forward(call, incoming, body);
        return;
      case 'throttle':
      case '5xx':
      case 'denied':
        answer(response, refusal(call, struckBy.fault));
        return;
      case 'torn': {
        const { status, headers, body: content } = await forward(call, incoming, body);
        response.writeHead(status, headers);
        response.write(content.subarray(0, Math.floor(content.length / 2)), () => incoming.socket.destroy());
        return;
      }
      case 'kill before':
        struckBy.kill();
        return;
      case 'kill after':
        await forward(call, incoming, body);
        struckBy.kill();
    }
  }

  const server = createServer({ keepAliveTimeout: 30_000 }, (incoming, response) => {
    handle(incoming, response).catch(() => {
      // The caller has gone, or the service behind has: no answer comes.
      incoming.socket.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    arm(names, next) {
      nameOf = names;
      strike = next;
      sites = [];
      siteOf = new Map();
      struck = false;
    },
    get sites() {
      return sites;
    },
    get struck() {
      return struck;
    },
    takePlaintexts() {
      const taken = [...plaintexts];
      plaintexts.clear();
      return taken;
    },
    async close() {
      agent.destroy();
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
    },
  };
}

interface Upstream {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

async function bytesOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function callOf(headers: IncomingHttpHeaders, body: Buffer): WireCall {
  const [prefix = '', operation = ''] = String(headers['x-amz-target']).split('.');
  const region = /Credential=[^/]+\/\d{8}\/([^/]+)\//.exec(headers.authorization ?? '')?.[1] ?? '';
  const input = JSON.parse(body.toString('utf8')) as Record<string, unknown>;
  return { service: prefix.startsWith('DynamoDB') ? 'DynamoDB' : 'KMS', operation, region, input };
}

function answer(response: ServerResponse, { status, headers, body }: Upstream): void {
  if (response.destroyed) return;
  response.writeHead(status, headers);
  response.end(body);
}

/** What the services themselves answer. */
const REFUSALS = {
  DynamoDB: {
    throttle: [400, 'com.amazonaws.dynamodb.v20120810#ThrottlingException'],
    '5xx': [500, 'com.amazonaws.dynamodb.v20120810#InternalServerError'],
    denied: [400, 'com.amazon.coral.service#AccessDeniedException'],
  },
  KMS: {
    throttle: [400, 'ThrottlingException'],
    '5xx': [500, 'KMSInternalException'],
    denied: [400, 'AccessDeniedException'],
  },
} as const;

function refusal({ service }: WireCall, fault: 'throttle' | '5xx' | 'denied'): Upstream {
  const [status, type] = REFUSALS[service][fault];
  const body = Buffer.from(JSON.stringify({ __type: type, message: `The proxy says ${fault}.` }));
  const version = service === 'KMS' ? '1.1' : '1.0';
  const headers = { 'content-type': `application/x-amz-json-${version}`, 'content-length': String(body.length) };
  return { status, headers, body };
}

function keepPlaintexts(content: Buffer, plaintexts: Set<string>): void {
  if (content.length === 0) return;
  const { Plaintext, PrivateKeyPlaintext } = JSON.parse(content.toString('utf8')) as Record<string, unknown>;
  for (const secret of [Plaintext, PrivateKeyPlaintext]) if (typeof secret === 'string') plaintexts.add(secret);
}
