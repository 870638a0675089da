import type { Instance } from './cloud.ts';
import { currentMaterial, PURGE_ALLOWED_AFTER, PURGED_AFTER, RESTORABLE_FOR, stateAt } from './key.ts';
import type { IbmKey, KeyMaterial } from './key.ts';
import { KEY_TYPE } from './operation.ts';

/** A moment as the API writes it: to the second. */
export const shownTime = (moment: number): string => new Date(moment).toISOString().replace(/\.\d+Z$/, 'Z');

/** A key as every listing and every look at its metadata shows it: never its material. */
export function shownKey(instance: Instance, key: IbmKey, now: number): Record<string, unknown> {
  const material = currentMaterial(key);
  return {
    type: KEY_TYPE,
    id: key.id,
    name: key.name,
    ...(key.aliases.length === 0 ? {} : { aliases: [...key.aliases] }),
    ...(key.description === '' ? {} : { description: key.description }),
    ...(key.tags.length === 0 ? {} : { tags: [...key.tags] }),
    state: stateAt(key, now),
    ...(key.expiresAt === undefined ? {} : { expirationDate: shownTime(key.expiresAt) }),
    extractable: key.extractable,
    crn: instance.crn(key.id),
    imported: key.imported,
    keyRingID: key.keyRingId,
    creationDate: shownTime(key.createdAt),
    createdBy: key.createdBy,
    algorithmType: 'AES',
    algorithmMetadata: { bitLength: String(material.bytes.length * 8), mode: 'CBC_PAD' },
    algorithmBitSize: material.bytes.length * 8,
    algorithmMode: 'CBC_PAD',
    lastUpdateDate: shownTime(key.lastUpdateAt),
    ...(key.lastRotateAt === undefined ? {} : { lastRotateDate: shownTime(key.lastRotateAt) }),
    keyVersion: shownVersion(material),
    dualAuthDelete: {
      enabled: key.dualAuth,
      ...(key.dualAuth ? { keySetForDeletion: key.setForDeletion !== undefined } : {}),
      ...(key.setForDeletion === undefined ? {} : { authExpiration: shownTime(key.setForDeletion.until) }),
    },
    deleted: key.deletedAt !== undefined,
    ...(key.deletedAt === undefined
      ? {}
      : {
          deletionDate: shownTime(key.deletedAt),
          deletedBy: key.deletedBy,
          restoreExpirationDate: shownTime(key.deletedAt + RESTORABLE_FOR),
          restoreAllowed: now < key.deletedAt + RESTORABLE_FOR,
          purgeAllowed: now >= key.deletedAt + PURGE_ALLOWED_AFTER,
          purgeAllowedFrom: shownTime(key.deletedAt + PURGE_ALLOWED_AFTER),
          purgeScheduledOn: shownTime(key.deletedAt + PURGED_AFTER),
        }),
  };
}

export function shownVersion({ id, createdAt }: KeyMaterial): Record<string, unknown> {
  return { id, creationDate: shownTime(createdAt) };
}
