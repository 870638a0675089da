import { randomBytes } from 'node:crypto';
import type { KeySpec } from '../../lib/drivers/driver.ts';
import { ibmCloudKmsKind } from '../../lib/drivers/ibm-cloud-kms/kind.ts';
import { driverContract } from './contract.ts';
import { openInternalKeystore } from './ibm-internal.ts';

const IMPORTED: KeySpec = { algorithm: 'aes', size: '256', material: 'imported', properties: {} };

driverContract('ibm_cloud_kms: internal', {
  kind: ibmCloudKmsKind,
  open: openInternalKeystore,
  spec: IMPORTED,
  imports: [{ spec: IMPORTED, makeMaterial: () => randomBytes(32) }],
  unsupported: {},
  noForeignKeys: 'what has a name of this keystore was made for it, and nothing else is in it',
  label: (id) => `contract ${id.replaceAll('-', '')}`,
  similarLabels: (label) => [label, label.toUpperCase(), `${label} `, ` ${label}`, `${label}0`],
});
