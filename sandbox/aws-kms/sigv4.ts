import { createHmac, createSecretKey, hash, timingSafeEqual } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { KmsError } from './error.ts';

export interface SandboxAccount {
  accountId: string;
  accessKeyId: string;
  secretAccessKey: string;
  /** Only of temporary credentials: what has to be sent with them, and until when they are good (milliseconds). */
  sessionToken?: string;
  expires?: number;
}

export interface SignedRequest {
  method: string;
  /** Path and query as sent. */
  url: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** Who called, and for which region: both come from the signature alone. */
export interface Caller {
  account: SandboxAccount;
  region: string;
}

interface Authorization {
  accessKeyId: string;
  date: string;
  region: string;
  service: string;
  signedHeaders: string[];
  signature: string;
}

const regionForm = /^[a-z]{2}(-[a-z]+)+-\d$/;
const allowedSkew = 5 * 60_000;
const signatureMismatch =
  'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.';

const refused = (type: string, message: string): KmsError => new KmsError(type, message);

/** The region a request claims, unverified: enough to decide whether that region answers at all. */
export function claimedRegion(headers: IncomingHttpHeaders): string | undefined {
  return /Credential=[^/]+\/\d{8}\/([^/]+)\//.exec(headers.authorization ?? '')?.[1];
}

/**
 * Verifies AWS Signature Version 4 whole: scope, skew against real time (never the movable clock, since clients sign with
 * real time), signed headers, and the hash of the body. Accounts that are added to the list later are known too.
 */
export function sigV4Verifier(
  accounts: readonly SandboxAccount[],
  { service = 'kms', now = Date.now }: { service?: string; now?: () => number } = {},
): (request: SignedRequest) => Caller {
  // As objects: Node makes one of a buffer for every signature, which takes longer than signing.
  const signingKeys = new Map<string, KeyObject>();

  function signingKey(secret: string, { accessKeyId, date, region }: Authorization): KeyObject {
    const name = `${accessKeyId}/${date}/${region}`;
    const known = signingKeys.get(name);
    if (known) return known;
    const key = createSecretKey(
      [date, region, service, 'aws4_request'].reduce<Buffer>(
        (parent, part) => hmac(parent, part),
        Buffer.from(`AWS4${secret}`),
      ),
    );
    if (signingKeys.size > 1000) signingKeys.clear();
    signingKeys.set(name, key);
    return key;
  }

  return (request) => {
    const claim = parseAuthorization(request.headers.authorization);
    const account = accounts.find(({ accessKeyId }) => accessKeyId === claim.accessKeyId);
    if (!account || account.sessionToken !== request.headers['x-amz-security-token'])
      throw refused('UnrecognizedClientException', 'The security token included in the request is invalid.');
    if (account.expires !== undefined && now() > account.expires)
      throw refused('ExpiredTokenException', 'The security token included in the request is expired');
    checkScope(claim, service);
    const amzDate = checkDate(request.headers, claim.date);
    checkSignedHeaders(request.headers, claim.signedHeaders);
    const scope = `${claim.date}/${claim.region}/${service}/aws4_request`;
    const toSign = `AWS4-HMAC-SHA256\n${amzDate}\n${scope}\n${sha256(canonicalRequest(request, claim.signedHeaders))}`;
    const expected = hmac(signingKey(account.secretAccessKey, claim), toSign);
    const given = Buffer.from(claim.signature, 'hex');
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw refused('InvalidSignatureException', signatureMismatch);
    }
    return { account, region: claim.region };
  };
}

function parseAuthorization(header: string | undefined): Authorization {
  if (!header) throw refused('MissingAuthenticationTokenException', 'Missing Authentication Token');
  const incomplete = (message: string) => refused('IncompleteSignatureException', message);
  if (!header.startsWith('AWS4-HMAC-SHA256 '))
    throw incomplete(`Unsupported authorization: '${header.split(' ', 1).join('')}'`);
  const fields = new Map(
    header
      .slice('AWS4-HMAC-SHA256 '.length)
      .split(',')
      .map((field) => field.trim().split('=', 2))
      .map(([name = '', value = '']) => [name, value]),
  );
  const [accessKeyId, date, region, service, terminator, ...rest] = (fields.get('Credential') ?? '').split('/');
  const signedHeaders = fields.get('SignedHeaders');
  const signature = fields.get('Signature');
  if (!signedHeaders) throw incomplete("Authorization header requires 'SignedHeaders' parameter.");
  if (!signature) throw incomplete("Authorization header requires 'Signature' parameter.");
  if (!accessKeyId || !date || !region || !service || terminator !== 'aws4_request' || rest.length > 0) {
    throw incomplete("Authorization header requires a well-formed 'Credential' parameter.");
  }
  return { accessKeyId, date, region, service, signedHeaders: signedHeaders.split(';'), signature };
}

function checkScope({ service, region }: Authorization, correct: string): void {
  if (service !== correct) {
    throw refused('InvalidSignatureException', `Credential should be scoped to correct service: '${correct}'. `);
  }
  if (!regionForm.test(region)) {
    throw refused('InvalidSignatureException', 'Credential should be scoped to a valid region. ');
  }
}

function checkDate(headers: IncomingHttpHeaders, scopeDate: string): string {
  const given = headers['x-amz-date'];
  const parts = typeof given === 'string' ? /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(given) : null;
  if (!parts || typeof given !== 'string') {
    throw refused(
      'IncompleteSignatureException',
      "Authorization header requires existence of a valid 'X-Amz-Date' header.",
    );
  }
  const [, year, month, day, hour, minute, second] = parts.map(Number);
  const signed = Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second);
  const now = Date.now();
  if (signed < now - allowedSkew) {
    throw refused(
      'InvalidSignatureException',
      `Signature expired: ${given} is now earlier than ${basic(now - allowedSkew)} (${basic(now)} - 5 min.)`,
    );
  }
  if (signed > now + allowedSkew) {
    throw refused(
      'InvalidSignatureException',
      `Signature not yet current: ${given} is still later than ${basic(now + allowedSkew)} (${basic(now)} + 5 min.)`,
    );
  }
  if (!given.startsWith(scopeDate)) {
    throw refused(
      'InvalidSignatureException',
      `Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '${scopeDate}' != '${given.slice(0, 8)}', from '${given}'.`,
    );
  }
  return given;
}

const basic = (time: number): string => new Date(time).toISOString().replace(/[-:]|\.\d{3}/g, '');

function checkSignedHeaders(headers: IncomingHttpHeaders, signed: readonly string[]): void {
  const mustBeSigned = Object.keys(headers).filter((name) => name === 'host' || name.startsWith('x-amz-'));
  const missing = mustBeSigned.find((name) => !signed.includes(name));
  if (missing) {
    throw refused('InvalidSignatureException', `'${missing}' must be a 'SignedHeader' in the AWS Authorization.`);
  }
}

function canonicalRequest({ method, url, headers, body }: SignedRequest, signed: readonly string[]): string {
  const [path = '/', query = ''] = url.split('?', 2);
  const lines = signed.map((name) => `${name}:${headerText(headers[name])}\n`).join('');
  const sortedQuery = query === '' ? '' : query.split('&').sort().join('&');
  return [method, path, sortedQuery, lines, signed.join(';'), sha256(body)].join('\n');
}

function headerText(value: string | string[] | undefined): string {
  const text = Array.isArray(value) ? value.join(',') : (value ?? '');
  return text.trim().replace(/ {2,}/g, ' ');
}

const hmac = (key: Buffer | KeyObject, data: string): Buffer => createHmac('sha256', key).update(data).digest();
const sha256 = (data: string | Buffer): string => hash('sha256', data, 'hex');
