import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CKA, CKF, CKO, CKU_USER, openLibrary } from '../../lib/drivers/pkcs11/cryptoki.ts';
import { findSoftHsm, makeSoftHsm } from './softhsm.ts';
import type { SoftHsm } from './softhsm.ts';

/** What an HSM of a local start is known by. */
const TOKEN = 'shearline-sandbox';

/** An HSM beside the clouds in a box: a token of SoftHSM 2, in files. */
export interface LocalHsm {
  readonly tokenLabel: string;
  /** What the functions must have in their environment to reach it. */
  readonly environment: SoftHsm['environment'];
  /** What connecting it takes, without vault. */
  readonly keystore: Readonly<Record<string, string | readonly string[]>>;
  /** As somebody else with the PIN would: takes every use from the object of this id. Throws when there is none. */
  disable(keyIdInKeystore: string): void;
  /** Removes what was made for this run only. */
  close(): void;
}

/**
 * Makes the token in the folder, or finds it there; without a folder, one that `close` removes. `why` is a sentence where there can be none
 * on this machine.
 */
export function openLocalHsm(folder: string | undefined): LocalHsm | { readonly why: string } {
  const found = findSoftHsm();
  if ('why' in found) return found;
  const own = folder ?? mkdtempSync(join(tmpdir(), 'shearline-hsm-'));
  const hsm = makeSoftHsm({ folder: own, tokenLabel: TOKEN });
  return {
    tokenLabel: hsm.tokenLabel,
    environment: hsm.environment,
    keystore: {
      name: 'Our HSM',
      type: 'pkcs11',
      description: 'An HSM by its PKCS #11 library',
      groups: ['HSM'],
      pkcs11_token_label: hsm.tokenLabel,
      pkcs11_user_pin: hsm.userPin,
    },
    disable: (id) => {
      disableIn(hsm, id);
    },
    close: () => {
      if (folder === undefined) rmSync(own, { recursive: true, force: true });
    },
  };
}

/** The library reads its configuration from the process's environment when it is opened: once. */
function disableIn(hsm: SoftHsm, idInKeystore: string): void {
  Object.assign(process.env, hsm.environment);
  const library = openLibrary(hsm.library);
  const slot = library
    .C_GetSlotList(true)
    .find((each) => library.C_GetTokenInfo(each).label.trimEnd() === hsm.tokenLabel);
  if (slot === undefined) throw new Error(`There is no token ${hsm.tokenLabel}.`);
  const session = library.C_OpenSession(slot, CKF.SERIAL_SESSION | CKF.RW_SESSION);
  try {
    library.C_Login(session, CKU_USER, hsm.userPin);
    const value = Buffer.from(idInKeystore.slice(idInKeystore.indexOf(';id=') + 4).replaceAll('%', ''), 'hex');
    library.C_FindObjectsInit(session, [{ type: CKA.ID, value }]);
    const objects = library.C_FindObjects(session, 10);
    library.C_FindObjectsFinal(session);
    const secret = objects.find(
      (each) => library.C_GetAttributeValue(session, each, [{ type: CKA.CLASS }])[0]?.value[0] === CKO.SECRET_KEY,
    );
    if (secret === undefined) throw new Error(`There is no ${idInKeystore}.`);
    library.C_SetAttributeValue(
      session,
      secret,
      [CKA.ENCRYPT, CKA.DECRYPT].map((type) => ({ type, value: false })),
    );
  } finally {
    library.C_CloseAllSessions(slot);
  }
}
