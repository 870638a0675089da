import pMap from 'p-map';
import type { Deployment } from '../deployment.ts';
import { asKeystoreFault, keyInKeystore } from '../drift/look.ts';
import type { KeystoreDriver, KeystoreFaultKind } from '../drivers/driver.ts';
import { kindOfType } from '../drivers/kinds.ts';
import type { KeyInstance } from '../keys/key.ts';
import type { Keystore } from '../keystores/keystore.ts';
import { READ } from '../records/entities.ts';
import { allVaults, keystoresOfVault, readKeystoreHealth } from '../records/reading.ts';
import { INDEX_KEY } from '../records/table.ts';
import { tried } from './finding.ts';
import type { Finding } from './finding.ts';

const AT_ONCE = 16;
/** Scans come more often; one that is this old was not followed by another. */
const OLDEST_HEARTBEAT_MINUTES = 60;

/** Tries every keystore with calls that change nothing. */
export async function examineKeystores(deployment: Deployment, signal: AbortSignal): Promise<readonly Finding[]> {
  const vaults = await allVaults(deployment.database);
  const keystores = (
    await pMap(vaults, ({ id }) => keystoresOfVault(deployment.database, id), { concurrency: 8 })
  ).flat();
  const findings = await pMap(
    keystores,
    (keystore) =>
      tried(
        { subject: 'keystore', name: keystore.name, check: 'examination' },
        () => examineKeystore(deployment, keystore, signal),
        'The function’s log says more.',
      ),
    { concurrency: AT_ONCE },
  );
  return findings.flat();
}

async function examineKeystore(
  deployment: Deployment,
  keystore: Keystore,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const about = (check: string) => ({ subject: 'keystore', name: keystore.name, check }) as const;
  const scanned = await heartbeat(deployment, keystore);
  let driver: KeystoreDriver;
  try {
    driver = await deployment.driverFor(keystore);
    const health = await driver.health(signal);
    if (health.status !== 'ok') {
      const kind = health.status === 'configuration_error' ? 'denied' : 'unreachable';
      return [
        scanned,
        { ...about('connection'), verdict: 'failed', message: health.message, advice: adviceFor(kind, keystore) },
      ];
    }
  } catch (error) {
    return [scanned, refused(about('connection'), error, keystore)];
  }
  const look = async (check: string, does: string, call: () => Promise<unknown>): Promise<Finding> => {
    try {
      await call();
      return { ...about(check), verdict: 'ok', message: `It may ${does}.` };
    } catch (error) {
      return refused(about(check), error, keystore);
    }
  };
  const held = await oneKey(deployment, keystore);
  return [
    scanned,
    { ...about('connection'), verdict: 'ok', message: 'It answers.' },
    await look('list keys', 'list keys', () => driver.list(undefined, signal)),
    ...(held === undefined
      ? []
      : [
          await look('look at a key', 'look at a key', () => driver.observe(keyInKeystore(held, undefined), signal)),
          ...(driver.associatedResources === undefined
            ? []
            : [
                await look('what keys protect', 'ask what a key protects', async () =>
                  driver.associatedResources?.(keyInKeystore(held, undefined), signal),
                ),
              ]),
        ]),
  ];
}

async function heartbeat({ database, clock }: Deployment, keystore: Keystore): Promise<Finding> {
  const about = { subject: 'keystore', name: keystore.name, check: 'last scan' } as const;
  const beat = (await readKeystoreHealth(database, keystore.id))?.lastHeartbeat;
  const minutes = beat === undefined ? undefined : Math.round((clock().getTime() - beat.getTime()) / 60_000);
  if (minutes !== undefined && minutes <= OLDEST_HEARTBEAT_MINUTES) {
    return { ...about, verdict: 'ok', message: `It answered ${minutes} min ago.` };
  }
  return {
    ...about,
    verdict: 'warning',
    message: minutes === undefined ? 'It has never answered.' : `It answered last ${minutes} min ago.`,
    advice: 'Drift is not found meanwhile: look at the other findings on it, and at the log of the scan.',
  };
}

/** A key that this keystore should have, for a look at it. */
async function oneKey({ database }: Deployment, keystore: Keystore): Promise<KeyInstance | undefined> {
  const query = { index: 'by_keystore', pk: INDEX_KEY.instancesInKeystore(keystore.id), pageSize: 20 } as const;
  for await (const item of database.query(query)) {
    if (!String(item['sk']).startsWith('INSTANCE#')) continue;
    const instance = READ.keyInstance(item);
    if (instance.binding !== undefined) return instance;
  }
  return undefined;
}

function refused(about: Pick<Finding, 'subject' | 'name' | 'check'>, error: unknown, keystore: Keystore): Finding {
  const fault = asKeystoreFault(error);
  return { ...about, verdict: 'failed', message: fault.message, advice: adviceFor(fault.kind, keystore) };
}

function adviceFor(kind: KeystoreFaultKind, { type, name }: Keystore): string {
  const page = PAGES[type] ?? type;
  const advice: Readonly<Record<KeystoreFaultKind, string>> = {
    denied: `Grant what docs/keystores/${page}.md lists under Permissions, or give new credentials: shearline keystores edit '${name}' --file -`,
    throttled: 'Others use up its quota: raise it at the provider.',
    unreachable: 'Check the network from the functions to it, its endpoint and tls_proxy.',
    not_found: 'What the keystore’s settings name does not exist any more: correct them, or make it again.',
    conflict: 'Look at it at the provider.',
    unsupported: 'Look at it at the provider.',
    unavailable: 'It answers, but does not serve: connect or start it at the provider.',
    broken: 'Look at its provider’s status page; the function’s log has the answer.',
  };
  return kindOfType(type) === undefined ? 'Shearline has no driver for this type.' : advice[kind];
}

const PAGES: Readonly<Partial<Record<Keystore['type'], string>>> = {
  aws_kms: 'aws-kms',
  aws_cloudhsm: 'aws-kms',
  azure_key_vault: 'azure-key-vault',
  google_kms: 'google-kms',
  ibm_cloud_kms: 'ibm-cloud-kms',
  pkcs11: 'pkcs11',
};
