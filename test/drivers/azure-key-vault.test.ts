import { connect } from '../../lib/drivers/azure-key-vault/driver.ts';
import { azureKeyVaultKind } from '../../lib/drivers/azure-key-vault/kind.ts';
import type { KeySpec } from '../../lib/drivers/driver.ts';
import { azureImports, openAzureKeystore } from './azure-sandbox.ts';
import { driverContract } from './contract.ts';
import type { Subject } from './contract.ts';

const IMPORTED_EC: KeySpec = { algorithm: 'ec', size: '256', material: 'imported', properties: {} };

/** What sets Azure Key Vault apart from other keystores. */
const AZURE: Omit<Subject, 'open' | 'spec' | 'imports'> = {
  kind: azureKeyVaultKind,
  unsupported: { rotate: 'a new version is made by create: every version has an id and a state of its own' },
  noEmptyKeys: 'a version is made with its material',
  fixedNames: 'Azure has no way to rename a key',
  label: (id) => `contract-${id}`,
  // Labels that differ in case only are one name to Azure; see below.
  similarLabels: (label) => [label, `${label}-`, `${label}--`, `-${label}`],
  idInList: (id) => id.slice(0, id.lastIndexOf('/')),
};

driverContract('azure_key_vault, imported, software', {
  ...AZURE,
  open: () => openAzureKeystore({ connect }),
  spec: IMPORTED_EC,
  imports: azureImports('software'),
});

driverContract('azure_key_vault, imported, HSM', {
  ...AZURE,
  open: () => openAzureKeystore({ connect }, { kek: true }),
  spec: { ...IMPORTED_EC, properties: { azure_key_protection_level: 'hsm' } },
  imports: azureImports('hsm'),
});

driverContract('azure_key_vault, native', {
  ...AZURE,
  open: () => openAzureKeystore({ connect }),
  spec: { ...IMPORTED_EC, material: 'native' },
  imports: azureImports('software').slice(3, 4),
});
