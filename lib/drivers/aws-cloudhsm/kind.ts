import type { MaterialKind } from '../../keys/key.ts';
import type { AwsKeyRule } from '../aws-kms/kind.ts';
import {
  AWS_STEP_SECONDS,
  AWS_KEY_RULES,
  awsCapabilities,
  refusesAwsLabel,
  refusesAwsTags,
  refusesBy,
} from '../aws-kms/kind.ts';
import type { KeystoreKind } from '../driver.ts';

/**
 * Every sort of key that an `aws_cloudhsm` keystore can hold. A custom key store makes symmetric encryption keys inside its
 * cluster and takes no imports; it cannot rotate them either. Source: AWS KMS developer guide, "KMS keys in a CloudHSM key
 * store".
 */
export const AWS_CLOUDHSM_KEY_RULES: readonly AwsKeyRule[] = AWS_KEY_RULES.filter(
  (each) => each.keySpec === 'SYMMETRIC_DEFAULT',
).map((each) => ({ ...each, rotatesInPlace: false }));

const MATERIALS = ['native'] as const satisfies readonly MaterialKind[];

/** An AWS KMS custom key store that is backed by an AWS CloudHSM cluster. */
export const awsCloudHsmKind: KeystoreKind = {
  stepSeconds: AWS_STEP_SECONDS,
  type: 'aws_cloudhsm',
  materials: MATERIALS,
  viaTlsProxy: true,
  pendingDeletionDays: 7,
  capabilities: awsCapabilities(AWS_CLOUDHSM_KEY_RULES, MATERIALS),
  refuses: refusesBy('An AWS CloudHSM key store', AWS_CLOUDHSM_KEY_RULES, MATERIALS),
  refusesLabel: refusesAwsLabel,
  refusesTags: refusesAwsTags,
  rotatesInPlace: () => false,
};
