import { holdsKeys, instancesIn } from '../lib/keystores/disconnect.ts';
import { openKeystore, showKeystore } from '../lib/keystores/open.ts';
import { keystoreEditFrom } from '../lib/keystores/wire.ts';
import { editedKeystore, storeKeystore } from '../lib/keystores/write.ts';
import { attempted, audited, deployment } from './deployment.ts';
import { etagOf, serve } from './http.ts';

export const handler = serve(
  {
    UpdateKeystore: (call) =>
      attempted(call, async (attempt, within) => {
        const before = await openKeystore(deployment(), call, 'write_keystore');
        const edit = keystoreEditFrom(call.body, before);
        const keystore = editedKeystore(before, edit, {
          subject: call.caller.subject,
          now: deployment().clock(),
          holdsKeys: Object.keys(edit.settings).length > 0 && holdsKeys(await instancesIn(deployment(), before.id)),
        });
        await storeKeystore(within, attempt, before, keystore, edit.secrets, call.signal);
        return {
          body: await showKeystore(deployment(), keystore, call.baseUrl),
          etag: etagOf(keystore.id, keystore.revision),
        };
      }),
  },
  audited,
);
