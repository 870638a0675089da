import { SignatureV4 } from '@smithy/signature-v4';
import { createHash, createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export const FUNCTION = 'shearline-test-pkcs11';
const CREDENTIALS = {
  accessKeyId: 'AKIASANDBOXSANDBOX01',
  secretAccessKey: 'secret-of-the-caller',
  sessionToken: 'token//of+the=session',
};

export interface LambdaStandIn {
  /** The bodies of all requests. */
  readonly bodies: string[];
  /** What the next requests are answered with instead of the function's answer. */
  answer:
    | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
    | undefined;
  close(): Promise<void>;
}

/** AWS Lambda's Invoke for one function, with the environment of this process set to reach it as a function's is. */
export async function startLambda(handle: (event: unknown) => Promise<unknown>): Promise<LambdaStandIn> {
  const lambda: Omit<LambdaStandIn, 'close'> = { bodies: [], answer: undefined };
  const server = createServer((request, response) => {
    void (async () => {
      const body = await bodyOf(request);
      lambda.bodies.push(body);
      const refused = await refusal(request, body);
      const {
        status,
        headers = {},
        body: text = '{}',
      } = refused ?? lambda.answer ?? { status: 200, body: JSON.stringify(await handle(JSON.parse(body))) };
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text);
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  Object.assign(process.env, {
    PKCS11_FUNCTION: FUNCTION,
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    AWS_SESSION_TOKEN: CREDENTIALS.sessionToken,
    AWS_ENDPOINT_URL_LAMBDA: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  });
  return Object.assign(lambda, {
    close: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => {
          resolve();
        });
      }),
  });
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

/** Signs what came once more, with AWS's own code, and refuses it unless that gives the same. */
async function refusal(request: IncomingMessage, body: string): Promise<LambdaStandIn['answer']> {
  const path = `/2015-03-31/functions/${FUNCTION}/invocations`;
  if (request.method !== 'POST' || request.url !== path) return { status: 404 };
  const signer = new SignatureV4({
    credentials: CREDENTIALS,
    region: 'eu-central-1',
    service: 'lambda',
    sha256: Sha256,
    applyChecksum: false,
  });
  const header = (name: string) => String(request.headers[name]);
  const [date = '', time = ''] = header('x-amz-date').split('T');
  const iso = `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6, 8)}T${time.slice(0, 2)}:${time.slice(2, 4)}:${time.slice(4, 6)}Z`;
  const again = await signer.sign(
    {
      method: 'POST',
      protocol: 'http:',
      hostname: '127.0.0.1',
      path,
      query: {},
      headers: { host: header('host'), 'content-type': header('content-type') },
      body,
    },
    { signingDate: new Date(iso) },
  );
  const same = again.headers['authorization'] === header('authorization');
  return same ? undefined : { status: 403, headers: { 'x-amzn-errortype': 'InvalidSignatureException' } };
}

class Sha256 {
  readonly #hash;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', bytes(secret));
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytes(data));
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(Uint8Array.from(this.#hash.digest()));
  }

  reset(): void {
    throw new Error('A hash is used once.');
  }
}

function bytes(data: string | ArrayBuffer | ArrayBufferView): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data, 'utf8');
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}
