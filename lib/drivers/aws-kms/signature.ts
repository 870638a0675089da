import { createHmac, createSecretKey, hash } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

export interface AwsIdentity {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

const SIGNED = 'content-type;host;x-amz-date;x-amz-target';
const SIGNED_WITH_TOKEN = 'content-type;host;x-amz-date;x-amz-security-token;x-amz-target';
const CONTENT_TYPE = 'application/x-amz-json-1.1';

/**
 * AWS Signature Version 4 of calls of AWS KMS's JSON protocol, and of nothing else: the general signers take five times as long, which is a
 * third of what a call costs. The signing key is good for a day and kept; so is the date, for its second. A test holds it equal to aws4.
 */
export class KmsSigner {
  readonly #host: string;
  readonly #region: string;
  readonly #now: () => number;
  #second = Number.NaN;
  #date = '';
  #key: KeyObject | undefined;
  #keyOf = '';

  constructor(host: string, region: string, now: () => number = Date.now) {
    this.#host = host;
    this.#region = region;
    this.#now = now;
  }

  /** The headers of a POST to `/`, as pairs in one list. `target`: `TrentService.DescribeKey`. */
  headers(identity: AwsIdentity, target: string, body: string): string[] {
    const date = this.#dateNow();
    const scope = `${date.slice(0, 8)}/${this.#region}/kms/aws4_request`;
    const { sessionToken } = identity;
    const [token, signed] =
      sessionToken === undefined ? ['', SIGNED] : [`x-amz-security-token:${sessionToken}\n`, SIGNED_WITH_TOKEN];
    const canonical = `POST\n/\n\ncontent-type:${CONTENT_TYPE}\nhost:${this.#host}\nx-amz-date:${date}\n${token}x-amz-target:${target}\n\n${signed}\n${hash('sha256', body)}`;
    const toSign = `AWS4-HMAC-SHA256\n${date}\n${scope}\n${hash('sha256', canonical)}`;
    const signature = createHmac('sha256', this.#keyFor(identity, scope)).update(toSign).digest('hex');
    const headers = [
      'host',
      this.#host,
      'content-type',
      CONTENT_TYPE,
      'x-amz-date',
      date,
      'x-amz-target',
      target,
      'authorization',
      `AWS4-HMAC-SHA256 Credential=${identity.accessKeyId}/${scope}, SignedHeaders=${signed}, Signature=${signature}`,
    ];
    if (sessionToken !== undefined) headers.push('x-amz-security-token', sessionToken);
    return headers;
  }

  #dateNow(): string {
    const now = this.#now();
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#date = new Date(now).toISOString().replace(/[-:]|\.\d{3}/g, '');
    }
    return this.#date;
  }

  #keyFor({ accessKeyId, secretAccessKey }: AwsIdentity, scope: string): KeyObject {
    const keyOf = `${accessKeyId}/${scope}`;
    if (this.#key === undefined || keyOf !== this.#keyOf) {
      const key = scope
        .split('/')
        .reduce(
          (last, part) => createHmac('sha256', last).update(part).digest(),
          Buffer.from(`AWS4${secretAccessKey}`),
        );
      // As an object: Node makes one of a buffer for every signature, which takes six times as long as signing.
      this.#key = createSecretKey(key);
      key.fill(0);
      this.#keyOf = keyOf;
    }
    return this.#key;
  }
}
