import { describe } from 'vitest';
import type { KeySpec } from '../../lib/drivers/driver.ts';
import { PKCS11_KEY_RULES, pkcs11Kind } from '../../lib/drivers/pkcs11/kind.ts';
import { findSoftHsm } from '../../sandbox/pkcs11/softhsm.ts';
import { makeMaterial } from './aws-material.ts';
import { driverContract } from './contract.ts';
import type { Subject } from './contract.ts';
import { openHsmKeystore } from './pkcs11-softhsm.ts';

const found = findSoftHsm();
const why = 'why' in found ? found.why : undefined;

const imports = PKCS11_KEY_RULES.map(({ algorithm, size }) => ({
  spec: { algorithm, size, material: 'imported', properties: {} } as const satisfies KeySpec,
  makeMaterial: () => makeMaterial({ algorithm, size }),
}));

const subject: Subject = {
  kind: pkcs11Kind,
  open: () => Promise.resolve(openHsmKeystore()),
  spec: { algorithm: 'aes', size: '256', material: 'imported', properties: {} },
  imports,
  unsupported: {
    rotate: 'A new version is a new key.',
    cancel_deletion: 'A destroyed object cannot be called back.',
  },
  noEmptyKeys: 'An object in an HSM always has its value.',
  sameIdAnew: 'CKA_ID says which key it is, not which object.',
};

describe.skipIf(why !== undefined)(`pkcs11 on SoftHSM 2${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  driverContract('pkcs11', subject);
});
