import { createHmac } from 'node:crypto';

export const SIGNATURE_HEADER = 'x-shearline-signature';
export const NOTICE_ID_HEADER = 'x-shearline-notice-id';

/**
 * The signature of a webhook: `t=<seconds since 1970>,v1=<hex>`, HMAC-SHA256 with the subscription's secret over `<t>.<body>`. Who receives it
 * makes the same over the bytes of the body, compares in constant time, and refuses what is older than some minutes.
 */
export function signatureOf(secret: string, body: string, at: Date): string {
  const seconds = Math.floor(at.getTime() / 1000);
  const mac = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex');
  return `t=${seconds},v1=${mac}`;
}
