import * as z from 'zod/mini';
import { expectStatus } from './api-client.ts';
import type { ApiClient } from './api-client.ts';
import type { Environment } from './environment.ts';
import type { Narrator } from './narrator.ts';
import { HSM_KEYS, HSM_TEMPLATES, OTHER_CLOUD_KEYS, OTHER_CLOUD_TEMPLATES } from './seed.ts';

const CREATED = z.object({ id: z.string() });
const KEY = z.object({
  id: z.string(),
  status_in_keystores: z.array(
    z.object({
      keystore: z.object({ name: z.string() }),
      status: z.string(),
      keystore_sync_flag: z.string(),
      key_id_in_keystore: z.optional(z.string()),
      reason: z.string(),
    }),
  ),
});
type Key = z.infer<typeof KEY>;

/** What an operator at the provider's console does to the copy in the first keystore of each cloud. */
const TAMPERING: Record<
  string,
  { readonly cloud: string; readonly what: string; body(label: string, id: string): object }
> = {
  azure_key_vault: {
    cloud: 'Azure Key Vault',
    what: 'the key is disabled in the premium vault',
    body: (label) => ({ action: 'disable', key: label, vault: 'shearline-premium' }),
  },
  google_kms: {
    cloud: 'Google Cloud KMS',
    what: 'the version is scheduled for destruction in europe-west3',
    body: (_label, id) => ({ action: 'schedule_destruction', version: id }),
  },
  ibm_cloud_kms: {
    cloud: 'IBM Key Protect',
    what: 'the key is disabled',
    body: (label) => ({ action: 'disable', key: `shearline-${label.replaceAll(' ', '_')}` }),
  },
};

/**
 * The last chapter: a key in two keystores of each other cloud, and one in an HSM where there is one; each is tampered with, found and
 * repaired.
 */
export async function otherCloudsChapter(
  tell: Narrator,
  running: Environment,
  callers: { readonly administrator: ApiClient; readonly creator: ApiClient; readonly deployer: ApiClient },
): Promise<void> {
  const { administrator, creator, deployer } = callers;
  const { hsm } = running;
  const clouds = 'Azure Key Vault, Google Cloud KMS and IBM Cloud KMS';
  tell.chapter('i', hsm === undefined ? `The same in ${clouds}` : `The same in ${clouds}, and in an HSM of our own`);
  const templates = [...OTHER_CLOUD_TEMPLATES, ...(hsm === undefined ? [] : HSM_TEMPLATES)];
  const keys = [...OTHER_CLOUD_KEYS, ...(hsm === undefined ? [] : HSM_KEYS)];
  const create = async (client: ApiClient, path: string, body: Parameters<ApiClient['send']>[0]['body']) =>
    CREATED.parse(
      (await expectStatus(client, 201, { method: 'POST', path, ...(body === undefined ? {} : { body }) })).body,
    ).id;
  const vault = { id: await create(administrator, '/vaults', { name: 'Other clouds' }) };
  for (const keystore of running.otherKeystores) await create(administrator, '/keystores', { vault, ...keystore });
  for (const template of templates) await create(creator, '/templates', { vault, ...template });
  for (const { label, template_name: templateName } of keys) {
    const id = await create(creator, '/managed_keys', { vault, label, template_name: templateName });
    const read = async (): Promise<Key> =>
      KEY.parse((await expectStatus(deployer, 200, { method: 'GET', path: `/managed_keys/${id}` })).body);
    const made = await read();
    tell.show(made.status_in_keystores.map((row) => `${row.keystore.name}  ${row.status}  ${row.keystore_sync_flag}`));
    const ok = made.status_in_keystores.map(() => 'ok');
    const where = ok.length === 1 ? 'in its keystore' : 'in both keystores';
    tell.expect(`${label} is in step ${where}`, flags(made), ok);

    const type = templates.find(({ name }) => name === templateName)?.keystores[0]?.type ?? '';
    const idInFirst = made.status_in_keystores[0]?.key_id_in_keystore ?? '';
    if (type === 'pkcs11') {
      tell.outside('SoftHSM 2', 'every use is taken from the object (CKA_ENCRYPT, CKA_DECRYPT), outside Shearline');
      hsm?.disable(idInFirst);
    } else {
      await tamper(tell, running, { type, label, id: idInFirst });
    }
    await running.scan();
    const drifted = await read();
    const wrong = drifted.status_in_keystores.find((row) => row.keystore_sync_flag !== 'ok');
    tell.show([`${wrong?.keystore.name ?? '?'}  ${wrong?.status ?? '?'}  ${wrong?.reason ?? ''}`]);
    tell.expect('the scan finds it', flags(drifted).toSorted(), [...ok.slice(1), 'out_of_sync']);
    await expectStatus(deployer, 200, {
      method: 'POST',
      path: `/managed_keys/${id}/sync_status_in_keystores`,
      ifMatch: '*',
    });
    tell.expect('and sync repairs it', flags(await read()), ok);
  }
}

/** An operator's doing, at the control port of the sandbox. */
async function tamper(
  tell: Narrator,
  running: Environment,
  { type, label, id }: { readonly type: string; readonly label: string; readonly id: string },
): Promise<void> {
  const tampering = TAMPERING[type];
  if (tampering === undefined) throw new Error(`Nothing is known of ${type}.`);
  tell.outside(tampering.cloud, `${tampering.what}, outside Shearline`);
  const control = `${running.endpoints.control ?? ''}/${type}/tamper`;
  const tampered = await fetch(control, { method: 'POST', body: JSON.stringify(tampering.body(label, id)) });
  tell.expect('the operator got through', tampered.status, 200);
}

function flags(key: Key): string[] {
  return key.status_in_keystores.map((row) => row.keystore_sync_flag);
}
