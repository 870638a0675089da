import { Pool } from 'undici';
import type { Dispatcher } from 'undici';
import * as z from 'zod/mini';
import type { KMSClient, KeyMetadata } from '@aws-sdk/client-kms';
import { later } from '../../later.ts';
import { KeystoreFault } from '../driver.ts';
import { abandoned, faultFrom } from './faults.ts';
import { KmsSigner } from './signature.ts';
import type { AwsIdentity } from './signature.ts';

/** Milliseconds. */
const CONNECT_MS = 2_000;
const ANSWER_MS = 5_000;
/** How long credentials are used before the SDK is asked for them again; it renews them long before they end. */
const IDENTITY_MS = 60_000;
const DESCRIBE = 'TrentService.DescribeKey';

/**
 * DescribeKey without the SDK: what a sweep does once for each key. The SDK takes about 0.5 ms of CPU a call, so that it alone fills a core
 * at AWS's quota of 2,000 a second; this takes a sixth of that. Where to, and as whom, the SDK's client says. Throws a `KeystoreFault` and
 * nothing else; repeats nothing.
 */
export function directDescribe(
  client: KMSClient,
  connections: number,
): (keyId: string, signal: AbortSignal) => Promise<KeyMetadata> {
  let opened: Promise<Direct> | undefined;
  const open = () =>
    (opened ??= Direct.open(client, connections).catch((error: unknown) => {
      opened = undefined;
      throw faultFrom(error, 'DescribeKey');
    }));
  let direct: Direct | undefined;
  return async (keyId, signal) => {
    direct ??= await open();
    return direct.describe(keyId, signal);
  };
}

class Direct {
  readonly #pool: Pool;
  readonly #signer: KmsSigner;
  readonly #identify: () => Promise<AwsIdentity>;
  #identity: AwsIdentity | undefined;
  #identifiedAt = Number.NEGATIVE_INFINITY;
  /** The calls under way, by the signal that ends them: one listener for all of them. */
  readonly #underWay = new WeakMap<AbortSignal, Set<Call>>();

  private constructor(endpoint: URL, region: string, connections: number, identify: () => Promise<AwsIdentity>) {
    this.#pool = new Pool(endpoint.origin, {
      connections,
      connect: { timeout: CONNECT_MS },
      headersTimeout: ANSWER_MS,
      bodyTimeout: ANSWER_MS,
    });
    this.#signer = new KmsSigner(endpoint.host, region);
    this.#identify = identify;
  }

  static async open(client: KMSClient, connections: number): Promise<Direct> {
    const { config } = client;
    const [region, useFips, useDualStack] = await Promise.all([
      config.region(),
      config.useFipsEndpoint(),
      config.useDualstackEndpoint(),
    ]);
    const given = process.env['AWS_ENDPOINT_URL_KMS'] ?? process.env['AWS_ENDPOINT_URL'];
    const endpoint =
      given === undefined || given === ''
        ? config.endpointProvider({ Region: region, UseFIPS: useFips, UseDualStack: useDualStack }).url
        : new URL(given);
    return new Direct(endpoint, region, connections, () => config.credentials());
  }

  async describe(keyId: string, signal: AbortSignal): Promise<KeyMetadata> {
    if (signal.aborted) throw abandoned('DescribeKey', signal.reason);
    const now = performance.now();
    if (this.#identity === undefined || now - this.#identifiedAt > IDENTITY_MS) {
      try {
        this.#identity = await this.#identify();
      } catch (error) {
        throw faultFrom(error, 'DescribeKey');
      }
      this.#identifiedAt = now;
    }
    const body = `{"KeyId":${JSON.stringify(keyId)}}`;
    const headers = this.#signer.headers(this.#identity, DESCRIBE, body);
    const calls = this.#callsUntil(signal);
    return new Promise((resolve, reject) => {
      const call = new Call(resolve, reject, calls);
      calls.add(call);
      this.#pool.dispatch({ path: '/', method: 'POST', headers, body }, call);
    });
  }

  #callsUntil(signal: AbortSignal): Set<Call> {
    let calls = this.#underWay.get(signal);
    if (calls === undefined) {
      const made = new Set<Call>();
      calls = made;
      this.#underWay.set(signal, made);
      signal.addEventListener(
        'abort',
        () => {
          for (const call of made) call.abandon(signal.reason);
        },
        { once: true },
      );
    }
    return calls;
  }
}

/** One call: collects the answer and settles the promise. */
class Call implements Dispatcher.DispatchHandler {
  readonly #resolve: (metadata: KeyMetadata) => void;
  readonly #reject: (fault: KeystoreFault) => void;
  readonly #among: Set<Call>;
  #controller: Dispatcher.DispatchController | undefined;
  #status = 0;
  #first: Buffer | undefined;
  #more: Buffer[] | undefined;

  constructor(resolve: (metadata: KeyMetadata) => void, reject: (fault: KeystoreFault) => void, among: Set<Call>) {
    this.#resolve = resolve;
    this.#reject = reject;
    this.#among = among;
  }

  abandon(reason: unknown): void {
    this.#end();
    this.#reject(abandoned('DescribeKey', reason));
    this.#controller?.abort(new Error('The call was given up.'));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.#status = status;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#first === undefined) this.#first = chunk;
    else (this.#more ??= [this.#first]).push(chunk);
  }

  onResponseEnd(): void {
    this.#end();
    try {
      const text = this.#more === undefined ? (this.#first?.toString() ?? '') : Buffer.concat(this.#more).toString();
      this.#resolve(metadataFrom(this.#status, text));
    } catch (error) {
      this.#reject(faultFrom(error, 'DescribeKey'));
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#end();
    this.#reject(faultFrom(error, 'DescribeKey'));
  }

  #end(): void {
    this.#among.delete(this);
  }
}

const errorShape = later(() =>
  z.object({
    __type: z._default(z.string(), 'UnknownError'),
    message: z.optional(z.string()),
    Message: z.optional(z.string()),
  }),
);

/** The answer's metadata, its dates as the SDK has them. Throws an error as the SDK would. */
function metadataFrom(status: number, text: string): KeyMetadata {
  if (status !== 200) throw sdkError(status, text);
  const { KeyMetadata: found } = JSON.parse(text) as { KeyMetadata?: Record<string, unknown> };
  if (found === undefined) {
    throw new KeystoreFault('broken', 'AWS KMS answered DescribeKey without KeyMetadata.');
  }
  for (const name of DATES) {
    const seconds = found[name];
    if (typeof seconds === 'number') found[name] = new Date(Math.round(seconds * 1000));
  }
  return found as unknown as KeyMetadata;
}

const DATES = ['CreationDate', 'DeletionDate', 'ValidTo'] as const;

function sdkError(status: number, text: string): Error {
  let said: z.output<ReturnType<typeof errorShape>>;
  try {
    said = errorShape().parse(JSON.parse(text));
  } catch {
    said = { __type: 'UnknownError' };
  }
  const error = new Error(said.message ?? said.Message ?? `HTTP ${status}`);
  // `com.amazonaws.kms#NotFoundException` where a gateway writes it so.
  error.name = said.__type.slice(said.__type.lastIndexOf('#') + 1);
  return Object.assign(error, { $metadata: { httpStatusCode: status } });
}
