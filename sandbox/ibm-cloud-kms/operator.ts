import { randomBytes, randomUUID } from 'node:crypto';
import type { Cloud, Instance } from './cloud.ts';
import type { Iam } from './iam.ts';
import { currentMaterial, RESTORABLE_FOR, STATE, stateAt } from './key.ts';
import type { IbmKey, State } from './key.ts';

export interface KeyListing {
  readonly id: string;
  readonly crn: string;
  readonly instanceId: string;
  readonly keyRingId: string;
  readonly name: string;
  readonly description: string;
  readonly aliases: readonly string[];
  readonly state: State;
  readonly imported: boolean;
  readonly versionId: string;
  readonly versions: number;
  readonly restorable: boolean;
  readonly registrations: readonly string[];
}

/** What an operator at IBM's own console could do, behind every client. Keys are named by id, CRN or alias. */
export interface Operator {
  keys(): KeyListing[];
  disable(key: string): void;
  enable(key: string): void;
  delete(key: string): void;
  restore(key: string): void;
  purge(key: string): void;
  /** Puts new material into the key, as a rotation does. */
  rotate(key: string): void;
  /** Lets the key expire now. */
  expire(key: string): void;
  moveToKeyRing(key: string, keyRingId: string): void;
  addAlias(key: string, alias: string): void;
  removeAlias(key: string, alias: string): void;
  moveAlias(alias: string, toKey: string): void;
  setDualAuth(key: string, enabled: boolean): void;
  /** Says that a cloud resource is protected by the key. */
  register(
    key: string,
    registration: {
      readonly resourceCrn: string;
      readonly description?: string;
      readonly preventKeyDeletion?: boolean;
    },
  ): void;
  unregister(key: string, resourceCrn: string): void;
  /** How long a deleted alias is held back from now on. */
  holdAliases(milliseconds: number): void;
  /** Makes every token that was given out useless. */
  revokeTokens(): void;
}

export function operator(cloud: Cloud, iam: Iam): Operator {
  const find = (reference: string): [Instance, IbmKey] => {
    cloud.tick();
    const id = reference.slice(reference.lastIndexOf(':') + 1);
    for (const instance of cloud.instances.values()) {
      const key = instance.find(id);
      if (key !== undefined) return [instance, key];
    }
    throw new Error(`There is no key ${reference}.`);
  };
  const change = (reference: string, work: (key: IbmKey, instance: Instance) => void): void => {
    const [instance, key] = find(reference);
    work(key, instance);
    key.lastUpdateAt = cloud.now();
    cloud.saveKey(key);
  };
  return {
    keys: () => {
      cloud.tick();
      return [...cloud.instances.values()].flatMap((instance) =>
        [...instance.keys.values()].map((key) => listing(instance, key, cloud.now())),
      );
    },
    disable: (reference) => {
      change(reference, (key) => {
        key.state = STATE.suspended;
      });
    },
    enable: (reference) => {
      change(reference, (key) => {
        key.state = STATE.active;
      });
    },
    delete: (reference) => {
      change(reference, (key) => {
        key.state = STATE.destroyed;
        key.deletedAt = cloud.now();
        key.deletedBy = 'operator';
      });
    },
    restore: (reference) => {
      change(reference, (key) => {
        key.state = STATE.active;
        key.deletedAt = undefined;
        key.deletedBy = undefined;
      });
    },
    purge: (reference) => {
      cloud.purgeKey(find(reference)[1]);
    },
    rotate: (reference) => {
      change(reference, (key) => {
        const bytes = randomBytes(currentMaterial(key).bytes.length);
        key.materials.push({ id: randomUUID(), createdAt: cloud.now(), bytes });
        key.lastRotateAt = cloud.now();
      });
    },
    expire: (reference) => {
      change(reference, (key) => {
        key.state = STATE.deactivated;
      });
    },
    moveToKeyRing: (reference, keyRingId) => {
      change(reference, (key, instance) => {
        if (!instance.keyRings.has(keyRingId)) cloud.addKeyRing(instance, keyRingId, 'operator');
        key.keyRingId = keyRingId;
      });
    },
    addAlias: (reference, alias) => {
      change(reference, (key) => {
        key.aliases.push(alias);
      });
    },
    removeAlias: (reference, alias) => {
      change(reference, (key) => {
        key.aliases = key.aliases.filter((each) => each !== alias);
      });
    },
    moveAlias: (alias, toKey) => {
      change(alias, (key) => {
        key.aliases = key.aliases.filter((each) => each !== alias);
      });
      change(toKey, (key) => {
        key.aliases.push(alias);
      });
    },
    setDualAuth: (reference, enabled) => {
      change(reference, (key) => {
        key.dualAuth = enabled;
        key.setForDeletion = undefined;
      });
    },
    register: (reference, { resourceCrn, description = '', preventKeyDeletion = false }) => {
      change(reference, (key) => {
        key.registrations.push({ resourceCrn, description, preventKeyDeletion, createdAt: cloud.now() });
      });
    },
    unregister: (reference, resourceCrn) => {
      change(reference, (key) => {
        key.registrations = key.registrations.filter((each) => each.resourceCrn !== resourceCrn);
      });
    },
    holdAliases: (milliseconds) => {
      cloud.aliasReleaseMs = milliseconds;
    },
    revokeTokens: () => {
      iam.revokeTokens();
    },
  };
}

function listing(instance: Instance, key: IbmKey, now: number): KeyListing {
  return {
    id: key.id,
    crn: instance.crn(key.id),
    instanceId: instance.id,
    keyRingId: key.keyRingId,
    name: key.name,
    description: key.description,
    aliases: [...key.aliases],
    state: stateAt(key, now),
    imported: key.imported,
    versionId: currentMaterial(key).id,
    versions: key.materials.length,
    restorable: key.deletedAt !== undefined && now < key.deletedAt + RESTORABLE_FOR,
    registrations: key.registrations.map(({ resourceCrn }) => resourceCrn),
  };
}
