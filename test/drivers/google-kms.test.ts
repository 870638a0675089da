import { connect } from '../../lib/drivers/google-kms/driver.ts';
import { googleKmsKind } from '../../lib/drivers/google-kms/kind.ts';
import type { KeySpec } from '../../lib/drivers/driver.ts';
import { driverContract } from './contract.ts';
import { GOOGLE_IMPORTS, openGoogleKeystore } from './google-sandbox.ts';

const IMPORTED: KeySpec = { algorithm: 'aes', size: '256', material: 'imported', properties: {} };
const NATIVE: KeySpec = { ...IMPORTED, material: 'native' };
const NATIVE_EC: KeySpec = { algorithm: 'ec', size: '256', material: 'native', properties: {} };

const label = (id: string) => `contract-${id}`;
const fixedNames = 'A CryptoKey can never be renamed.';

driverContract('google_kms, imported', {
  kind: googleKmsKind,
  open: () => openGoogleKeystore({ connect }),
  spec: IMPORTED,
  imports: GOOGLE_IMPORTS,
  unsupported: {},
  fixedNames,
  label,
});

driverContract('google_kms, native', {
  kind: googleKmsKind,
  open: () => openGoogleKeystore({ connect }),
  spec: NATIVE,
  imports: GOOGLE_IMPORTS.slice(0, 1),
  unsupported: {},
  fixedNames,
  label,
});

driverContract('google_kms, native key pairs', {
  kind: googleKmsKind,
  open: () => openGoogleKeystore({ connect }),
  spec: NATIVE_EC,
  imports: GOOGLE_IMPORTS.slice(0, 1),
  unsupported: {},
  fixedNames,
  label,
});
