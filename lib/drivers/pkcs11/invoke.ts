import { createHash, createHmac } from 'node:crypto';
import type { KeystoreFaultKind } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import { abandoned } from './faults.ts';

const SHA256 = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex');
const HMAC = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text, 'utf8').digest();

/**
 * Invokes a Lambda function of the same region and waits for its result, with the credentials that Lambda puts into a function's
 * environment: one call, for which the SDK's client would weigh more than all of this driver. AWS_ENDPOINT_URL_LAMBDA, when set, is used
 * in place of AWS's own endpoint. Sources: AWS Lambda API reference, "Invoke"; AWS General Reference, "Signature Version 4".
 */
export async function invoke(name: string, payload: unknown, signal: AbortSignal): Promise<unknown> {
  if (signal.aborted) throw abandoned();
  const { url, region } = addressOf(name);
  const body = JSON.stringify(payload);
  let answer: Response;
  let text: string;
  try {
    answer = await fetch(url, {
      method: 'POST',
      redirect: 'error',
      headers: signed(url, region, body, new Date()),
      body,
      signal,
    });
    text = await answer.text();
  } catch (cause) {
    throw new KeystoreFault('unreachable', 'The function for PKCS #11 keystores gave no answer.', { cause });
  }
  if (!answer.ok) throw refusal(name, answer);
  if (answer.headers.has('x-amz-function-error')) {
    // It was ended, perhaps in the midst of its work. Its own words may be about anything and are left in its log.
    throw new KeystoreFault('unreachable', 'The function for PKCS #11 keystores ended before it had answered.');
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new KeystoreFault('broken', 'The function for PKCS #11 keystores answered something else than JSON.', {
      cause,
    });
  }
}

function addressOf(name: string): { url: URL; region: string } {
  const region = process.env['AWS_REGION'] ?? 'us-east-1';
  const override = process.env['AWS_ENDPOINT_URL_LAMBDA'];
  const suffix = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  const base = override === undefined || override === '' ? `https://lambda.${region}.${suffix}` : override;
  return { url: new URL(`${base}/2015-03-31/functions/${encodeURIComponent(name)}/invocations`), region };
}

function signed(url: URL, region: string, body: string, now: Date): Record<string, string> {
  const accessKeyId = process.env['AWS_ACCESS_KEY_ID'];
  const secret = process.env['AWS_SECRET_ACCESS_KEY'];
  if (accessKeyId === undefined || secret === undefined) {
    throw new KeystoreFault(
      'denied',
      'There are no AWS credentials here to reach the function for PKCS #11 keystores.',
    );
  }
  const time = now.toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
  const token = process.env['AWS_SESSION_TOKEN'];
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    host: url.host,
    'x-amz-date': time,
    ...(token === undefined || token === '' ? {} : { 'x-amz-security-token': token }),
  };
  const names = Object.keys(headers).join(';');
  const lines = Object.entries(headers).map(([header, value]) => `${header}:${value}\n`);
  // The path of everything but S3 is escaped a second time for the signature.
  const path = url.pathname.split('/').map(encodeURIComponent).join('/');
  const request = ['POST', path, '', lines.join(''), names, SHA256(body)].join('\n');
  const scope = `${time.slice(0, 8)}/${region}/lambda/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', time, scope, SHA256(request)].join('\n');
  const signingKey = scope.split('/').reduce<string | Buffer>((key, part) => HMAC(key, part), `AWS4${secret}`);
  const signature = HMAC(signingKey, toSign).toString('hex');
  const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
  return { ...headers, authorization };
}

/** What Lambda itself says when it does not run the function. Source: AWS Lambda API reference, the errors of "Invoke". */
function refusal(name: string, { status, headers }: Response): KeystoreFault {
  const code = headers.get('x-amzn-errortype')?.split(':', 1)[0] ?? `status ${status}`;
  if (status === 404) {
    return new KeystoreFault(
      'unsupported',
      `This deployment has no function ${name}: it must be deployed with one to reach an HSM (see docs/keystores/pkcs11.md).`,
      { providerCode: code },
    );
  }
  const kinds: Record<number, KeystoreFaultKind> = {
    403: 'denied',
    429: 'throttled',
    502: 'unavailable',
    503: 'unavailable',
  };
  const kind = kinds[status] ?? 'broken';
  return new KeystoreFault(kind, `AWS Lambda answered ${code} for the function for PKCS #11 keystores.`, {
    providerCode: code,
  });
}
