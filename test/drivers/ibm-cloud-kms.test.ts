import { randomBytes } from 'node:crypto';
import type { KeySpec } from '../../lib/drivers/driver.ts';
import { IBM_KEY_RULES, ibmCloudKmsKind } from '../../lib/drivers/ibm-cloud-kms/kind.ts';
import { driverContract } from './contract.ts';
import type { Subject } from './contract.ts';
import { openIbmKeystore } from './ibm-sandbox.ts';

const NATIVE: KeySpec = { algorithm: 'aes', size: '256', material: 'native', properties: {} };
const IMPORTED: KeySpec = { ...NATIVE, material: 'imported' };

const IBM_IMPORTS = IBM_KEY_RULES.map(({ size }) => ({
  spec: { ...IMPORTED, size },
  makeMaterial: () => randomBytes(Number(size) / 8),
}));

const subject: Omit<Subject, 'open' | 'spec'> = {
  kind: ibmCloudKmsKind,
  imports: IBM_IMPORTS,
  unsupported: {},
  noEmptyKeys: 'IBM makes a key and its material in one call',
  label: (id) => `contract ${id.replaceAll('-', '')}`,
  similarLabels: (label) => [
    label,
    label.toUpperCase(),
    `${label} `,
    ` ${label}`,
    `${label}0`,
    label.replace(' ', '  '),
  ],
};

driverContract('ibm_cloud_kms: Key Protect, native', {
  ...subject,
  open: () => openIbmKeystore(),
  spec: NATIVE,
  imports: IBM_IMPORTS.slice(1, 2),
});
driverContract('ibm_cloud_kms: Key Protect, imported, in a key ring', {
  ...subject,
  open: () => openIbmKeystore('key_protect', { ibm_key_ring: 'payments' }),
  spec: IMPORTED,
});
driverContract('ibm_cloud_kms: HPCS, imported', { ...subject, open: () => openIbmKeystore('hpcs'), spec: IMPORTED });
