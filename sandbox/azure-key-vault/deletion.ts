import { conflict, deletedNotFound, forbidden } from './error.ts';
import { bundle, findKey, shown } from './keys.ts';
import type { Call, Operation } from './operation.ts';
import { pageOf } from './paging.ts';
import { newestOf } from './world.ts';
import type { Deletion, Vault, VaultKey } from './world.ts';

const day = 86_400_000;

/** Soft delete: a deleted key can be recovered or purged until its time is over. */
export const deletionOperations: Readonly<Record<string, Operation>> = {
  DeleteKey: {
    permission: 'delete',
    run(call) {
      const key = findDeletable(call);
      const deletion: Deletion = {
        at: call.now,
        purgeAt: call.now + call.vault.recoverableDays * day,
        settledAt: call.now + call.cloud.settleMs,
      };
      key.deletion = deletion;
      call.cloud.save(call.vault, key);
      return { ...bundle(call.vault, key, newestOf(key)), ...shownDeletion(call.vault, key, deletion) };
    },
  },

  GetDeletedKey: {
    permission: 'get',
    run(call) {
      const { key, deletion } = findDeleted(call);
      return { ...bundle(call.vault, key, newestOf(key)), ...shownDeletion(call.vault, key, deletion) };
    },
  },

  GetDeletedKeys: {
    permission: 'list',
    run(call) {
      const deleted = [...call.vault.keys.values()].flatMap((key) =>
        key.deletion !== undefined && key.deletion.settledAt <= call.now ? [{ key, deletion: key.deletion }] : [],
      );
      return pageOf(
        call,
        deleted,
        ({ key }) => key.name.toLowerCase(),
        ({ key, deletion }) => ({
          kid: call.vault.url(`/keys/${key.name}`),
          ...shown(call.vault, newestOf(key)),
          ...shownDeletion(call.vault, key, deletion),
        }),
      );
    },
  },

  RecoverDeletedKey: {
    permission: 'recover',
    run(call) {
      const { key } = findDeleted(call);
      key.deletion = undefined;
      key.recoveringUntil = call.cloud.settleMs === 0 ? undefined : call.now + call.cloud.settleMs;
      call.cloud.save(call.vault, key);
      return bundle(call.vault, key, newestOf(key));
    },
  },

  PurgeDeletedKey: {
    permission: 'purge',
    run(call) {
      const { key } = findDeleted(call);
      if (call.vault.purgeProtection) {
        throw forbidden(
          'PurgeProtectionEnabled',
          'Operation "purge" is not allowed because purge protection is enabled for this vault.',
        );
      }
      call.cloud.purge(call.vault, key);
      return undefined;
    },
  },
};

function findDeletable(call: Call): VaultKey {
  const key = call.vault.key(call.name);
  if (key?.deletion !== undefined && key.deletion.settledAt > call.now) {
    throw conflict('ObjectIsBeingDeleted', `Key ${key.name} is currently being deleted. Please try again later.`);
  }
  if (key?.recoveringUntil !== undefined) {
    throw conflict('ObjectIsBeingRecovered', `Key ${key.name} is currently being recovered. Please try again later.`);
  }
  return findKey(call);
}

function findDeleted({ vault, name, now }: Call): { key: VaultKey; deletion: Deletion } {
  const key = vault.key(name);
  if (key?.deletion === undefined || key.deletion.settledAt > now) throw deletedNotFound(name);
  return { key, deletion: key.deletion };
}

function shownDeletion(vault: Vault, key: VaultKey, deletion: Deletion): Readonly<Record<string, unknown>> {
  return {
    recoveryId: vault.url(`/deletedkeys/${key.name}`),
    deletedDate: Math.floor(deletion.at / 1000),
    scheduledPurgeDate: Math.floor(deletion.purgeAt / 1000),
  };
}
