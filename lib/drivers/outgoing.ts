import dns from 'node:dns';
import { Agent as PlainAgent, request as requestPlain } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { Agent, request as requestTls } from 'node:https';
import type { AgentOptions } from 'node:https';
import { BlockList, isIP } from 'node:net';
import type { LookupFunction } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import { KeystoreFault } from './driver.ts';

/*
 * Connections to hosts that users of Shearline name: endpoints of keystores and `tls_proxy`. Whoever may connect a keystore must not be able
 * to have Shearline talk to the network that it runs in. So such a host may not be, and may not resolve to, an address of this machine, its
 * network link (where clouds hand out credentials) or a private network. Names are judged by what they resolve to when a connection is made,
 * and the connection goes to that very address: a name that resolves otherwise later gains nothing. Hosts that the providers' own names
 * stand for (regions of AWS, vaults of Azure, Google) are not users' to choose and may well be private: AWS PrivateLink, Azure Private Link.
 */

/** Allows every address, and plain http: for development. */
export const ALLOW_INSECURE = 'ALLOW_INSECURE_KEYSTORE_ENDPOINTS';
/** Networks that may be connected to though they are private: `10.20.0.0/16, fd12::/16`. */
export const ALLOWED_NETWORKS = 'ALLOWED_PRIVATE_NETWORKS';

/** Sources: IANA special-purpose address registries for IPv4 and IPv6 (RFC 6890). */
const NOT_PUBLIC = blockListOf([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '2002::/16',
  'fc00::/7',
  'fe80::/10',
  'ff00::/8',
]);

function blockListOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', prefix = ''] = network.split('/');
    list.addSubnet(address, Number(prefix), isIP(address) === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
}

/** The networks of such a setting, separated by commas. Throws an `Error` that says which is none. */
export function networksFrom(setting: string | undefined): BlockList {
  const networks = (setting ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
  for (const network of networks) {
    const [address = '', prefix = '', ...more] = network.split('/');
    const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
    const isNetwork = more.length === 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits;
    if (!isNetwork) throw new Error(`${network} is not a network such as 10.20.0.0/16`);
  }
  return blockListOf(networks);
}

const ADDRESS_REFUSED = 'ERR_ADDRESS_REFUSED';

/** A host that leads where users' settings may not lead. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused';
  /** Kept by SDKs that keep nothing else of an error. */
  readonly code = ADDRESS_REFUSED;
}

/** The fault for an error of a connection that was refused for its address; undefined for any other. */
export function addressFault(error: unknown): KeystoreFault | undefined {
  for (let each = error; each instanceof Error; each = each.cause) {
    if ((each as { code?: unknown }).code !== ADDRESS_REFUSED) continue;
    return new KeystoreFault('unsupported', each.message, { cause: error });
  }
  return undefined;
}

/** Why this host may not be connected to, as far as it tells by itself; undefined for one that may, and for a name that must be looked up. */
export function refusesHost(hostname: string): string | undefined {
  if (process.env[ALLOW_INSECURE] === 'true') return undefined;
  const host = hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
  const isOurs = host === 'localhost' || host.endsWith('.localhost') || isRefused(host);
  return isOurs ? whyNot(hostname) : undefined;
}

function whyNot(host: string): string {
  return `${host} leads to this machine, its network link or a private network; only networks in ${ALLOWED_NETWORKS} may be private`;
}

function isRefused(address: string): boolean {
  const version = isIP(address);
  if (version === 0) return false;
  const family = version === 6 ? 'ipv6' : 'ipv4';
  if (!NOT_PUBLIC.check(address, family)) return false;
  return !networksFrom(process.env[ALLOWED_NETWORKS]).check(address, family);
}

/** Looks a name up as Node does, and fails with `AddressRefused` when any of its addresses may not be connected to. */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  dns.lookup(hostname, { ...options, all: true }, (error, found) => {
    // With `all` there is a list.
    const addresses = found;
    const [first] = error === null ? addresses : [];
    if (first === undefined) callback(error ?? new Error(`${hostname} has no address.`), '', 0);
    else if (process.env[ALLOW_INSECURE] !== 'true' && addresses.some(({ address }) => isRefused(address))) {
      callback(new AddressRefused(`${whyNot(hostname)}.`), '', 0);
    } else if (options.all === true) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};

/**
 * An agent whose connections go through a proxy (`host:port`, by HTTP CONNECT); undefined without one. TLS stays end to end: the proxy sees
 * only where it goes. Throws a `KeystoreFault` (`unsupported`) for a proxy that may not be connected to.
 */
export function tunnelThrough(tlsProxy: string | undefined): Agent | undefined {
  if (tlsProxy === undefined) return undefined;
  const given = /^https?:\/\//.test(tlsProxy) ? tlsProxy : `http://${tlsProxy}`;
  if (!URL.canParse(given)) throw new KeystoreFault('unsupported', 'tls_proxy is not the host and port of a proxy.');
  const proxy = new URL(given);
  const refused = refusesHost(proxy.hostname);
  if (refused !== undefined) throw new KeystoreFault('unsupported', `tls_proxy cannot be used: ${refused}.`);
  return new Tunnel(proxy, { keepAlive: true, maxSockets: 50 });
}

/** The proxy would not let us through; the code is the one that Node's own agents give. */
class NoTunnel extends Error {
  override readonly name = 'NoTunnel';
  readonly code = 'ERR_PROXY_TUNNEL';

  constructor(status: number | undefined) {
    super(`tls_proxy answered ${status === undefined ? 'nothing' : String(status)} to CONNECT.`);
  }
}

/** Milliseconds that a proxy has for its answer. */
const TUNNEL_MS = 10_000;

class Tunnel extends Agent {
  readonly #proxy: URL;

  constructor(proxy: URL, options: AgentOptions) {
    super(options);
    this.#proxy = proxy;
  }

  override createConnection(
    options: ConnectionOptions & { readonly host?: string | undefined; readonly port?: number | undefined },
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const fail = (error: Error) => callback?.(error, undefined as unknown as Duplex);
    const target = `${options.host ?? ''}:${options.port ?? 443}`;
    const asked = (this.#proxy.protocol === 'https:' ? requestTls : requestPlain)({
      method: 'CONNECT',
      host: this.#proxy.hostname.replace(/^\[|\]$/g, ''),
      ...(this.#proxy.port === '' ? {} : { port: this.#proxy.port }),
      path: target,
      headers: { host: target },
      agent: false,
      lookup: publicLookup,
      timeout: TUNNEL_MS,
    });
    asked.once('error', fail);
    // Whoever asked has given up by then; what it left must not stay open for ever.
    asked.once('timeout', () => asked.destroy(new NoTunnel(undefined)));
    asked.once('response', ({ statusCode }) => {
      asked.destroy();
      fail(new NoTunnel(statusCode));
    });
    asked.once('connect', ({ statusCode }, socket) => {
      if (statusCode !== 200) {
        socket.destroy();
        fail(new NoTunnel(statusCode));
        return;
      }
      socket.setTimeout(0);
      const secure = connectTls({ ...options, socket });
      secure.once('error', fail);
      secure.once('secureConnect', () => {
        secure.off('error', fail);
        callback?.(null, secure);
      });
    });
    asked.end();
    return undefined;
  }
}

export interface Exchange {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly signal: AbortSignal;
}

/** Longer than any list of a keystore. */
const LONGEST_ANSWER = 8 * 1024 * 1024;

// Sockets that are idle for this long (ms) are closed: whoever is at the other end may close them unseen.
const kept = { keepAlive: true, maxSockets: 50, timeout: 4_000, lookup: publicLookup };
const secureAgent = new Agent(kept);
const plainAgent = new PlainAgent(kept);

/**
 * One request to an endpoint that a user has named. Redirects are answers like others and never followed. Throws Node's own errors,
 * `AddressRefused` among them.
 */
export async function exchange(
  url: string,
  { method, headers, body, signal }: Exchange,
): Promise<{ readonly status: number; readonly text: string }> {
  const target = new URL(url);
  const refused = refusesHost(target.hostname);
  if (refused !== undefined) throw new AddressRefused(`${refused}.`);
  const isSecure = target.protocol === 'https:';
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const options = { method, headers: { ...headers, ...length }, signal };
    const sent = isSecure
      ? requestTls(target, { ...options, agent: secureAgent })
      : requestPlain(target, { ...options, agent: plainAgent });
    sent.once('response', resolve);
    sent.once('error', reject);
    sent.end(body);
  });
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > LONGEST_ANSWER) throw new Error('The answer is longer than any that is expected.');
    chunks.push(chunk);
  }
  return { status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') };
}
