import type { Deployment } from '../deployment.ts';
import { AddressRefused, exchange } from '../drivers/outgoing.ts';
import type { NoticeBody } from './notice.ts';
import { NOTICE_ID_HEADER, signatureOf, SIGNATURE_HEADER } from './signature.ts';
import type { Subscription } from './subscription.ts';
import { openSecret } from './write.ts';

/** A notice that was not taken. `hopeless`: nothing but a change of the subscription will make it be. */
export class NotTaken extends Error {
  override readonly name = 'NotTaken';
  readonly hopeless: boolean;

  constructor(message: string, options: { readonly hopeless: boolean; readonly cause?: unknown }) {
    super(message, { cause: options.cause });
    this.hopeless = options.hopeless;
  }
}

/** Whoever takes longer is asked again later. */
const PATIENCE_MS = 10_000;

/** Publishes on a topic of SNS; loaded when the first is published on. */
export interface Topics {
  publish(topicArn: string, message: { readonly subject: string; readonly body: string }): Promise<void>;
}

/** Hands a notice to a subscriber. Throws `NotTaken`. At least once: a lost answer has it sent again, with the same id. */
export async function deliver(
  deployment: Pick<Deployment, 'database' | 'custody' | 'clock'>,
  topics: Topics,
  subscription: Subscription,
  notice: NoticeBody,
): Promise<void> {
  const body = JSON.stringify(notice);
  switch (subscription.type) {
    case 'webhook':
      await post(subscription.target, body, {
        [NOTICE_ID_HEADER]: notice.id,
        [SIGNATURE_HEADER]: signatureOf(await openSecret(deployment, subscription), body, deployment.clock()),
      });
      return;
    case 'sns':
      try {
        await topics.publish(subscription.target, { subject: subjectOf(notice), body });
      } catch (error) {
        const name = error instanceof Error ? error.name : '';
        throw new NotTaken(`SNS did not take it: ${name}.`, { hopeless: HOPELESS_AT_SNS.has(name), cause: error });
      }
  }
}

const HOPELESS_AT_SNS: ReadonlySet<string> = new Set([
  'AuthorizationErrorException',
  'InvalidParameterException',
  'NotFoundException',
]);

async function post(url: string, body: string, headers: Readonly<Record<string, string>>): Promise<void> {
  let status: number;
  try {
    ({ status } = await exchange(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': 'Shearline', ...headers },
      body,
      signal: AbortSignal.timeout(PATIENCE_MS),
    }));
  } catch (error) {
    if (error instanceof AddressRefused) throw new NotTaken(error.message, { hopeless: true, cause: error });
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'no answer';
    throw new NotTaken(`The webhook could not be reached: ${code}.`, { hopeless: false, cause: error });
  }
  if (status >= 200 && status < 300) return;
  // Gone for good (RFC 9110); everything else may be mended at the other end.
  throw new NotTaken(`The webhook answered ${status}.`, { hopeless: status === 410 });
}

/** SNS takes 100 characters of ASCII (Publish, parameter Subject). */
function subjectOf({ summary }: NoticeBody): string {
  return `Shearline: ${summary}`.replace(/[^\x20-\x7e]/g, '?').slice(0, 100);
}
