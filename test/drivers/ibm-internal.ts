import { connect } from '../../lib/drivers/ibm-cloud-kms/driver.ts';
import { internalKeyId, internalLabel } from '../../lib/drivers/ibm-cloud-kms/internal.ts';
import type { AwsKeystore } from './aws-sandbox.ts';
import { ACCOUNT, openAwsKeystore, REGION } from './aws-sandbox.ts';

export const INTERNAL_ID = 'keystore-1';

/** An internal keystore on a sandbox of AWS KMS; this process plays the function with its role and region. */
export async function openInternalKeystore(): Promise<AwsKeystore> {
  const aws = await openAwsKeystore({ connect });
  const own = {
    AWS_REGION: REGION,
    AWS_ACCESS_KEY_ID: ACCOUNT.accessKeyId,
    AWS_SECRET_ACCESS_KEY: ACCOUNT.secretAccessKey,
  };
  const before = Object.keys(own).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, own);
  const connection: AwsKeystore['connection'] = () => ({
    keystoreId: INTERNAL_ID,
    settings: { ibm_variant: 'internal' },
    credentials: {},
  });
  return {
    ...aws,
    connection,
    connect: () => connect(connection()),
    takeName: (label) => aws.takeName(internalLabel(label, INTERNAL_ID)),
    strike(during, how, times) {
      // Its own keys are found by their names, among all of the account.
      if (during !== 'list') aws.strike(during, how, times);
      else aws.sandbox.faults.add({ kind: how === 'denied' ? 'denied' : 'throttle', operation: 'ListAliases', times });
    },
    countOf: (keyId) => aws.countOf(internalKeyId(keyId, INTERNAL_ID)),
    letDeletionsEnd() {
      aws.clock.advance(31 * 86_400_000);
    },
    async close() {
      for (const [name, value] of before) {
        if (value === undefined) Reflect.deleteProperty(process.env, name);
        else process.env[name] = value;
      }
      await aws.close();
    },
  };
}
