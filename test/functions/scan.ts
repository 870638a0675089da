import { scanNow } from '../../sandbox/scan.ts';
import type { ScannedKeystore } from '../../sandbox/scan.ts';

/** Has every keystore swept by the functions themselves, to the end. Only once the environment is set: importing them reads it. */
export async function scanFleet(): Promise<readonly ScannedKeystore[]> {
  const [schedule, keystore] = await Promise.all([
    import('../../functions/scan-schedule.ts'),
    import('../../functions/scan-keystore.ts'),
  ]);
  return scanNow((name, event) =>
    name === 'scan-schedule' ? schedule.handler(event) : keystore.handler(event as { message: unknown }),
  );
}
