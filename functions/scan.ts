import type { Context } from 'aws-lambda';
import { scan } from '../lib/drift/scan.ts';
import type { KeystoreScan } from '../lib/drift/scan.ts';
import { deadline } from './deadline.ts';
import { deployment } from './deployment.ts';

/** The scheduled drift scan: verifies every key in every keystore and writes what changed. Whatever event starts it. */
export async function handler(
  _event: unknown,
  context?: Context,
): Promise<{ readonly keystores: readonly KeystoreScan[] }> {
  const { log } = deployment();
  const keystores = await scan(deployment(), deadline(context));
  for (const keystore of keystores) log.info('scanned', { keystore });
  return { keystores };
}
