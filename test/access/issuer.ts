import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { CryptoKey, JWK, JWTPayload } from 'jose';

export interface SigningKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

export async function signingKey(kid: string, alg = 'ES256'): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

/** An OpenID Connect issuer with just what a verifier asks of one, and levers to make it fail. */
export class Issuer {
  keys: SigningKey[];
  /** In place of the discovery document. */
  discovery: object | undefined;
  down = false;
  readonly asked = { discovery: 0, keys: 0 };
  readonly #server: Server;

  private constructor(key: SigningKey) {
    this.keys = [key];
    this.#server = createServer((request, response) => {
      if (this.down) {
        response.writeHead(500).end();
        return;
      }
      response.setHeader('content-type', 'application/json');
      if (request.url === '/.well-known/openid-configuration') {
        this.asked.discovery += 1;
        response.end(JSON.stringify(this.discovery ?? { issuer: this.url, jwks_uri: `${this.url}/jwks` }));
        return;
      }
      this.asked.keys += 1;
      response.end(JSON.stringify({ keys: this.keys.map(({ jwk }) => jwk) }));
    });
  }

  static async start(): Promise<Issuer> {
    const issuer = new Issuer(await signingKey('first'));
    await new Promise<void>((resolve) => {
      issuer.#server.listen(0, '127.0.0.1', resolve);
    });
    return issuer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get key(): SigningKey {
    const [key] = this.keys;
    if (key === undefined) throw new Error('The issuer has no key.');
    return key;
  }

  /** A token that is good for an hour from `now`, but for what `claims` change; `undefined` leaves a claim out. */
  async token(claims: JWTPayload = {}, key: SigningKey = this.key, now = new Date()): Promise<string> {
    const seconds = Math.floor(now.getTime() / 1000);
    const payload = { iss: this.url, aud: 'shearline', sub: 'ada', iat: seconds, exp: seconds + 3600, ...claims };
    return await new SignJWT(payload).setProtectedHeader({ alg: key.alg, kid: key.kid }).sign(key.privateKey);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
  }
}
