import { aliasOperations } from './aliases.ts';
import { customKeyStoreOperations } from './custom-key-stores.ts';
import { dataKeyOperations } from './data-keys.ts';
import { deletionOperations } from './deletion.ts';
import { encryptionOperations } from './encryption.ts';
import { importOperations } from './import.ts';
import { keyOperations } from './keys.ts';
import { macOperations } from './mac.ts';
import type { Operations } from './operation.ts';
import { rotationOperations } from './rotation.ts';
import { signingOperations } from './signing.ts';
import { tagOperations } from './tags.ts';

/** Every operation of the sandbox by its AWS name. */
export const operations: Operations = {
  ...keyOperations,
  ...deletionOperations,
  ...aliasOperations,
  ...tagOperations,
  ...importOperations,
  ...rotationOperations,
  ...customKeyStoreOperations,
  ...encryptionOperations,
  ...dataKeyOperations,
  ...signingOperations,
  ...macOperations,
};
