import { generateKeyPairSync } from 'node:crypto';
import dns from 'node:dns';
import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { request } from 'node:https';
import type { RequestOptions } from 'node:https';
import { connect as connectTcp } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { exchange, networksFrom, refusesHost, tunnelThrough } from '../../lib/drivers/outgoing.ts';
import { connect as connectAws } from '../../lib/drivers/aws-kms/driver.ts';
import { connect as connectAzure } from '../../lib/drivers/azure-key-vault/driver.ts';
import { connect as connectGoogle } from '../../lib/drivers/google-kms/driver.ts';
import { connect as connectIbm } from '../../lib/drivers/ibm-cloud-kms/driver.ts';
import { invoke } from '../../lib/drivers/pkcs11/invoke.ts';
import type { KeySpec, KeystoreDriver } from '../../lib/drivers/driver.ts';
import type { Connection } from '../../lib/drivers/registry.ts';
import { Pace } from '../../lib/pace/pace.ts';
import { UNPACED } from '../deployment.ts';
import { faultOf, newKey, patience, withoutMaterial } from './contract.ts';

const open: Server[] = [];

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** Somebody who listens on this machine; `asked` is what reached it. */
async function listening(answer: (request: IncomingMessage, response: ServerResponse) => void = (_, it) => it.end()) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${String(request.method)} ${String(request.url)}`);
    answer(request, response);
  });
  open.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { asked, server, port: (server.address() as AddressInfo).port };
}

type Answered = (error: null, addresses: LookupAddress[]) => void;

/** What the resolver says of every name from now on, one answer after the other; the last one stays. */
function resolvesTo(...answers: readonly (readonly string[])[]): void {
  const left = [...answers];
  const lookup = (_name: string, _options: unknown, answered: Answered) => {
    const addresses = (left.length > 1 ? left.shift() : left[0]) ?? [];
    answered(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
  vi.spyOn(dns, 'lookup').mockImplementation(lookup as unknown as typeof dns.lookup);
}

const ask = (url: string) => exchange(url, { method: 'GET', headers: {}, signal: AbortSignal.timeout(5_000) });

describe('a host that a user names', () => {
  it.each([
    '127.0.0.1',
    '127.8.8.8',
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    'localhost',
    'LOCALHOST.',
    'vault.localhost',
    '[::1]',
    '[::]',
    '[::ffff:10.0.0.1]',
    '[::ffff:a9fe:a9fe]',
    '[64:ff9b::a00:1]',
    '[fd00:ec2::254]',
    '[fe80::1]',
  ])('is refused when it is %s', (host) => {
    expect(refusesHost(host)).toContain('private network');
  });

  it.each(['us-south.kms.cloud.ibm.com', '172.15.255.255', '172.32.0.1', '8.8.8.8', '[2606:4700::1111]', '11.0.0.1'])(
    'is not refused when it is %s',
    (host) => {
      expect(refusesHost(host)).toBeUndefined();
    },
  );

  it('may be in a private network that the deployment allows, and in no other', () => {
    vi.stubEnv('ALLOWED_PRIVATE_NETWORKS', '10.20.0.0/16, fd12::/16');
    expect(refusesHost('10.20.3.4')).toBeUndefined();
    expect(refusesHost('[fd12::1]')).toBeUndefined();
    expect(refusesHost('10.21.0.1')).toContain('private network');
    expect(refusesHost('169.254.169.254')).toContain('private network');
  });

  it.each(['10.0.0.0', '10.0.0.0/33', 'ten/8', '10.0.0.0/8/8', '::/129', '10.0.0.0/'])(
    'is never judged by %s, which is no network',
    (network) => {
      expect(() => networksFrom(network)).toThrow('is not a network');
    },
  );
});

describe('a connection to a name', () => {
  it.each([
    ['this machine', ['127.0.0.1']],
    ['the network link', ['169.254.169.254']],
    ['a private network', ['10.0.0.7']],
    ['this machine by IPv6', ['::1']],
    ['this machine by an IPv4 address in IPv6', ['::ffff:127.0.0.1']],
    ['public addresses and a private one', ['203.0.113.9', '192.168.0.9']],
  ])('is not made when the name resolves to %s', async (_, addresses) => {
    const { port, asked } = await listening();
    resolvesTo(addresses);
    await expect(ask(`http://keystore.example:${port}/`)).rejects.toThrow('keystore.example leads to this machine');
    expect(asked).toEqual([]);
  });

  it('is judged anew each time, by the address that it goes to', async () => {
    const { port, asked } = await listening((_, response) => response.setHeader('connection', 'close').end('{}'));
    vi.stubEnv('ALLOWED_PRIVATE_NETWORKS', '127.0.0.1/32');
    resolvesTo(['127.0.0.1'], ['127.0.0.2']);
    expect(await ask(`http://keystore.example:${port}/first`)).toEqual({ status: 200, text: '{}' });
    await expect(ask(`http://keystore.example:${port}/second`)).rejects.toThrow('leads to this machine');
    expect(asked).toEqual(['GET /first']);
  });

  it('follows no redirect', async () => {
    vi.stubEnv('ALLOWED_PRIVATE_NETWORKS', '127.0.0.0/8');
    const inside = await listening();
    const { port } = await listening((_, response) => {
      response.writeHead(302, { location: `http://127.0.0.1:${inside.port}/` }).end();
    });
    expect(await ask(`http://127.0.0.1:${port}/`)).toMatchObject({ status: 302 });
    expect(inside.asked).toEqual([]);
  });

  it('ends when the answer is longer than any that is expected', async () => {
    vi.stubEnv('ALLOWED_PRIVATE_NETWORKS', '127.0.0.0/8');
    const { port } = await listening((_, response) => {
      response.on('error', () => undefined);
      response.end(Buffer.alloc(9 * 1024 * 1024));
    });
    await expect(ask(`http://127.0.0.1:${port}/`)).rejects.toThrow('longer than any');
  });
});

const NATIVE: KeySpec = { algorithm: 'aes', size: '256', material: 'native', properties: {} };
const NATIVE_RSA: KeySpec = { ...NATIVE, algorithm: 'rsa', size: '2048' };
const AWS = { aws_region: 'eu-central-1', aws_access_key_id: 'AKIAEXAMPLE', aws_secret_access_key: 'nothing' };
const AZURE = {
  azure_service_name: 'some-vault',
  azure_tenant: '7f5fd3b5-6f0c-4a44-8a7e-0f3a7e6a7d11',
  azure_service_principal_client_id: 'bbd95cde-6f5c-4a6b-8a3b-9f2f3d6a8c11',
};
const AZURE_PASSWORD = { azure_service_principal_password: 'nothing' };

describe('tls_proxy', () => {
  const drivers: readonly [string, (tlsProxy: string) => KeystoreDriver][] = [
    ['aws_kms', (tlsProxy) => connectAws({ keystoreId: 'k', settings: AWS, credentials: {}, tlsProxy })],
    [
      'azure_key_vault',
      (tlsProxy) => connectAzure({ keystoreId: 'k', settings: AZURE, credentials: AZURE_PASSWORD, tlsProxy }),
    ],
  ];

  it.each(drivers)('of %s is refused when it is an address inside', (_, connect) => {
    for (const host of ['127.1', '169.254.169.254', '10.0.0.1', '[::1]', 'http://localhost']) {
      expect(() => connect(`${host}:3128`)).toThrow('tls_proxy cannot be used');
    }
  });

  it.each(drivers)('of %s is refused when its name resolves to an address inside', async (_, connect) => {
    const { server, port } = await listening();
    const tunnels: string[] = [];
    server.on('connect', ({ url }: IncomingMessage, socket: Duplex) => {
      tunnels.push(url ?? '');
      socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    });
    resolvesTo(['127.0.0.1']);
    const driver = connect(`proxy.example:${port}`);
    const refused = await faultOf(driver.list(undefined, patience()));
    expect(refused).toMatchObject({ kind: 'unsupported', retryable: false });
    expect(refused.message).toContain('proxy.example leads to this machine');
    expect(tunnels).toEqual([]);

    vi.stubEnv('ALLOWED_PRIVATE_NETWORKS', '127.0.0.0/8');
    expect(await faultOf(driver.list(undefined, patience()))).toMatchObject({ kind: 'unreachable' });
    expect(tunnels[0]).toMatch(/\.com:443$|\.net:443$/);
  });

  it('carries TLS from end to end', async () => {
    vi.stubEnv('ALLOWED_PRIVATE_NETWORKS', '127.0.0.0/8');
    // A shared key instead of a certificate, which Node cannot make.
    const psk = Buffer.alloc(32, 7);
    const tls = { ciphers: 'PSK', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;
    const target = createTlsServer({ ...tls, pskCallback: () => psk }, (socket) => {
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi'));
    }).listen(0, '127.0.0.1');
    await once(target, 'listening');
    const seen: string[] = [];
    const { server, port } = await listening();
    server.on('connect', ({ url }: IncomingMessage, near: Duplex) => {
      seen.push(url ?? '');
      const far = connectTcp((target.address() as AddressInfo).port, '127.0.0.1', () => {
        near.write('HTTP/1.1 200 Connection established\r\n\r\n');
        near.pipe(far).pipe(near);
      });
      far.on('error', () => near.destroy());
      near.on('error', () => far.destroy());
    });
    const agent = tunnelThrough(`127.0.0.1:${port}`);
    const options: RequestOptions & Pick<ConnectionOptions, 'pskCallback'> = {
      ...tls,
      agent,
      pskCallback: () => ({ psk, identity: 'us' }),
      checkServerIdentity: () => undefined,
    };
    const sent = request('https://keystore.example/', options).end();
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    expect((await answer.toArray()).join('')).toBe('hi');
    expect(seen).toEqual(['keystore.example:443']);
    agent?.destroy();
    target.close();
  });
});

describe('a keystore that answers with a redirect', () => {
  let inside: Awaited<ReturnType<typeof listening>>;

  beforeEach(async () => {
    inside = await listening((_, response) => response.end('{"access_token":"stolen","expires_in":3600}'));
  });

  /** Redirects everything inside, but for what it gives tokens to when it is asked for one. */
  async function redirecting(status: number, givesTokens: boolean) {
    return listening((request, response) => {
      if (givesTokens && request.method === 'POST' && request.url?.includes('token') === true) {
        response.end(JSON.stringify({ access_token: 'a.b.c', expires_in: 3600, token_type: 'Bearer' }));
      } else if (request.url?.startsWith('/keys') === true && request.headers.authorization === undefined) {
        const challenge = `Bearer authorization="https://login.microsoftonline.com/${AZURE.azure_tenant}", resource="https://vault.azure.net"`;
        response.writeHead(401, { 'www-authenticate': challenge }).end();
      } else response.writeHead(status, { location: `http://127.0.0.1:${inside.port}/` }).end();
    });
  }

  const connections: readonly [string, (endpoint: string) => KeystoreDriver][] = [
    [
      'aws_kms',
      (endpoint) => {
        vi.stubEnv('AWS_ENDPOINT_URL_KMS', endpoint);
        return connectAws({ keystoreId: 'k', settings: AWS, credentials: {} });
      },
    ],
    [
      'aws_kms, paced',
      (endpoint) => {
        vi.stubEnv('AWS_ENDPOINT_URL_KMS', endpoint);
        return connectAws({ keystoreId: 'k', settings: AWS, credentials: {}, pace: new Pace(UNPACED) });
      },
    ],
    [
      'azure_key_vault',
      (endpoint) => {
        vi.stubEnv('AZURE_KEY_VAULT_ENDPOINT', endpoint);
        vi.stubEnv('AZURE_AUTHORITY_HOST', endpoint);
        return connectAzure({ keystoreId: 'k', settings: AZURE, credentials: AZURE_PASSWORD });
      },
    ],
    [
      'google_kms',
      (endpoint) => {
        vi.stubEnv('GOOGLE_KMS_ENDPOINT', endpoint);
        const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
        const credentials = {
          type: 'service_account',
          project_id: 'some-project',
          private_key_id: 'one',
          private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
          client_email: 'somebody@some-project.iam.gserviceaccount.com',
          token_uri: `${endpoint}/token`,
        };
        const settings = { google_location: 'europe-west3', google_key_ring: 'ring' };
        const connection: Connection = {
          keystoreId: 'k',
          settings,
          credentials: { google_credentials: JSON.stringify(credentials) },
        };
        return connectGoogle(connection);
      },
    ],
    [
      'ibm_cloud_kms',
      (endpoint) => {
        vi.stubEnv('ALLOW_INSECURE_KEYSTORE_ENDPOINTS', 'true');
        const settings = {
          ibm_variant: 'key_protect',
          ibm_api_endpoint: endpoint,
          ibm_iam_endpoint: endpoint,
          ibm_instance_id: '12e8c9c2-a162-472d-b7d6-8b9a86b815a6',
        };
        return connectIbm({ keystoreId: 'k', settings, credentials: { ibm_api_key: 'nothing' } });
      },
    ],
  ];

  it.each(
    connections.flatMap(([type, connect]) =>
      [302, 307].flatMap((status) => [true, false].map((tokens) => [type, status, tokens, connect] as const)),
    ),
  )('%s: %i (after it gave a token: %s) is not followed, and says nothing of a key', async (...given) => {
    const [type, status, tokens, connect] = given;
    const keystore = await redirecting(status, tokens);
    const driver = connect(`http://127.0.0.1:${keystore.port}`);
    const key = newKey(type === 'azure_key_vault' ? NATIVE_RSA : NATIVE, new Date(), { label: 'some-key' });
    const context = { signal: patience(), withMaterial: withoutMaterial };
    const faults = [
      await faultOf(driver.observe(key, patience())),
      await faultOf(driver.list(undefined, patience())),
      await faultOf(driver.steps.create?.(key, context) ?? Promise.resolve()),
    ];
    for (const { kind } of faults) expect(['broken', 'unreachable', 'denied']).toContain(kind);
    expect(keystore.asked.length, type).toBeGreaterThan(0);
    expect(inside.asked).toEqual([]);
  });

  it('the function for PKCS #11 keystores: it is not followed either', async () => {
    const { port } = await redirecting(307, false);
    vi.stubEnv('AWS_ENDPOINT_URL_LAMBDA', `http://127.0.0.1:${port}`);
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAEXAMPLE');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'nothing');
    expect(await faultOf(invoke('pkcs11', {}, patience()))).toMatchObject({ kind: 'unreachable' });
    expect(inside.asked).toEqual([]);
  });
});
