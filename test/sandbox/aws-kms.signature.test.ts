import { ListKeysCommand, KMSClient } from '@aws-sdk/client-kms';
import { describe, expect, it } from 'vitest';
import { account, kmsClient, refusal, useKms } from './kms-client.ts';

const kms = useKms();

interface Sent {
  headers: Record<string, string>;
  body: string;
}

/** A request as the real SDK signs it, caught before it is sent. */
async function signedRequest(region = 'eu-central-1'): Promise<Sent> {
  const client = kmsClient(kms.sandbox.endpoint, region);
  let caught: Sent | undefined;
  client.middlewareStack.add(
    () => (args) => {
      caught = args.request as Sent;
      return Promise.reject(new Error('caught'));
    },
    { step: 'finalizeRequest', priority: 'low', name: 'catchSigned' },
  );
  await client.send(new ListKeysCommand({})).catch(() => undefined);
  client.destroy();
  if (!caught) throw new Error('Nothing was signed');
  return caught;
}

async function post({
  headers,
  body,
}: Sent): Promise<{ status: number; type: unknown; message: unknown; requestId: string | null }> {
  const rest = Object.fromEntries(
    Object.entries(headers).filter(([name]) => name !== 'host' && name !== 'content-length'),
  );
  const response = await fetch(kms.sandbox.endpoint, { method: 'POST', headers: rest, body });
  const answer = (await response.json()) as Record<string, unknown>;
  return {
    status: response.status,
    type: answer['__type'],
    message: answer['message'],
    requestId: response.headers.get('x-amzn-requestid'),
  };
}

describe('a signed request', () => {
  it('is served as the SDK signed it, in any region', async () => {
    for (const region of ['eu-central-1', 'us-gov-west-1', 'cn-north-1']) {
      const answer = await post(await signedRequest(region));
      expect(answer).toMatchObject({ status: 200, type: undefined });
      expect(answer.requestId).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  it('is refused when its body was changed', async () => {
    const sent = await signedRequest();
    const answer = await post({ ...sent, body: '{"Limit":1}' });
    expect(answer).toMatchObject({ status: 400, type: 'InvalidSignatureException' });
  });

  it('is refused when a signed header was changed', async () => {
    const sent = await signedRequest();
    const answer = await post({ ...sent, headers: { ...sent.headers, 'x-amz-target': 'TrentService.CreateKey' } });
    expect(answer.type).toBe('InvalidSignatureException');
  });

  it('is refused when an AWS header was added that is not signed', async () => {
    const sent = await signedRequest();
    const answer = await post({ ...sent, headers: { ...sent.headers, 'x-amz-extra': 'x' } });
    expect(answer.type).toBe('InvalidSignatureException');
  });

  it('is refused when its scope was moved to another region or service', async () => {
    const sent = await signedRequest();
    const moved = (from: string, to: string) => ({
      ...sent.headers,
      authorization: (sent.headers['authorization'] ?? '').replace(from, to),
    });
    for (const headers of [
      moved('/eu-central-1/', '/eu-west-1/'),
      moved('/kms/', '/s3/'),
      moved('/eu-central-1/', '/nowhere/'),
    ]) {
      expect((await post({ ...sent, headers })).type).toBe('InvalidSignatureException');
    }
  });

  it('is refused without a signature, or with half of one', async () => {
    const { headers, body } = await signedRequest();
    const { authorization = '', ...unsigned } = headers;
    expect((await post({ headers: unsigned, body })).type).toBe('MissingAuthenticationTokenException');
    const half = authorization.replace(/, Signature=.*/, '');
    expect((await post({ headers: { ...unsigned, authorization: half }, body })).type).toBe(
      'IncompleteSignatureException',
    );
  });
});

describe('a caller', () => {
  const listKeys = async (options: Partial<ConstructorParameters<typeof KMSClient>[0]>) => {
    const client = new KMSClient({
      endpoint: kms.sandbox.endpoint,
      region: 'eu-central-1',
      credentials: account,
      maxAttempts: 1,
      ...options,
    });
    try {
      return await refusal(client.send(new ListKeysCommand({})));
    } finally {
      client.destroy();
    }
  };

  it('is unknown by another access key', async () => {
    const answer = await listKeys({ credentials: { ...account, accessKeyId: 'AKIAUNKNOWN' } });
    expect(answer).toEqual({
      name: 'UnrecognizedClientException',
      message: 'The security token included in the request is invalid.',
    });
  });

  it('is refused with another secret', async () => {
    const answer = await listKeys({ credentials: { ...account, secretAccessKey: 'wrong' } });
    expect(answer.name).toBe('InvalidSignatureException');
  });

  it.each([
    ['behind', -6, /^Signature expired: /],
    ['ahead', 6, /^Signature not yet current: /],
  ])('is refused with a clock six minutes %s real time', async (_where, minutes, message) => {
    const answer = await listKeys({ systemClockOffset: minutes * 60_000 });
    expect(answer.name).toBe('InvalidSignatureException');
    expect(answer.message).toMatch(message);
  });

  it('is served although the sandbox clock moved on', async () => {
    kms.clock.advance(365 * 86_400_000);
    await expect(kms.client().send(new ListKeysCommand({}))).resolves.toBeDefined();
  });
});

describe('a request that is no call', () => {
  it('is refused by its operation, its body or its size', async () => {
    const client = (target: string, body: string) => signAndPost(target, body);
    expect(await client('TrentService.MakeCoffee', '{}')).toBe('UnknownOperationException');
    expect(await client('TrentService.ListKeys', '[]')).toBe('SerializationException');
    expect(await client('TrentService.ListKeys', '{"Limit":"ten"}')).toBe('SerializationException');
    expect(await client('TrentService.ListKeys', `{"x":"${'y'.repeat(1024 * 1024)}"}`)).toBe(
      'RequestEntityTooLargeException',
    );
  });
});

/** Signs an arbitrary body with the SDK's own signer, by replacing the body before it signs. */
async function signAndPost(target: string, body: string): Promise<unknown> {
  const client = kmsClient(kms.sandbox.endpoint);
  client.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as Sent;
      request.body = body;
      request.headers['x-amz-target'] = target;
      request.headers['content-length'] = String(Buffer.byteLength(body));
      return next(args);
    },
    { step: 'build', priority: 'low', name: 'replaceBody' },
  );
  try {
    return (await refusal(client.send(new ListKeysCommand({})))).name;
  } finally {
    client.destroy();
  }
}
