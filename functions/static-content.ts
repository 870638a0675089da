import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';

/** What is the same for everybody who asks. */
export interface StaticContent {
  readonly type: string;
  readonly plain: Buffer;
  /** Only where it is smaller so. */
  readonly gzip: Buffer | undefined;
  readonly etag: string;
}

/** Smaller than that it is not worth a header. */
const WORTH_PACKING_BYTES = 1024;

export function staticContent(type: string, plain: Buffer): StaticContent {
  const gzip = plain.length < WORTH_PACKING_BYTES ? undefined : gzipSync(plain, { level: 9 });
  const hash = createHash('sha256').update(plain).digest('base64url').slice(0, 22);
  return { type, plain, gzip, etag: `"${hash}"` };
}

/** The answer: 304 to whoever has it, packed for whoever can unpack. `headers` under their names in small letters. */
export function answerContent(
  { type, plain, gzip, etag }: StaticContent,
  headers: Readonly<Record<string, string | undefined>>,
  more: Readonly<Record<string, string>>,
): APIGatewayProxyStructuredResultV2 {
  const common = {
    etag,
    // Revalidated each time: a deployment must show at once.
    'cache-control': 'no-cache',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    vary: 'accept-encoding',
    ...more,
  };
  if (headers['if-none-match']?.includes(etag) === true) return { statusCode: 304, headers: common };
  const typed = { ...common, 'content-type': type };
  if (gzip === undefined || !/\bgzip\b/.test(headers['accept-encoding'] ?? '')) {
    return { statusCode: 200, headers: typed, body: plain.toString('utf8') };
  }
  return {
    statusCode: 200,
    headers: { ...typed, 'content-encoding': 'gzip' },
    body: gzip.toString('base64'),
    isBase64Encoded: true,
  };
}
