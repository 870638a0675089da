import type { KeyInstance, ManagedKey } from '../lib/keys/key.ts';
import type { Keystore } from '../lib/keystores/keystore.ts';
import type { Template } from '../lib/templates/template.ts';

const THEN = new Date('2026-01-31T12:00:00.000Z');
const AUTHORED = { createdAt: THEN, updatedAt: THEN, createdBy: 'ada', updatedBy: 'ada' };

/** A record as it would be stored, but for what a test says of it. */
export function keyOf(given: Partial<ManagedKey> = {}): ManagedKey {
  return {
    id: '00000000-0000-4000-8000-00000000000a',
    revision: 1,
    vaultId: '00000000-0000-4000-8000-00000000000b',
    templateId: '00000000-0000-4000-8000-00000000000c',
    templateVersion: 1,
    keystoreType: 'aws_kms',
    keystoreIds: ['00000000-0000-4000-8000-00000000000d'],
    version: 1,
    label: 'billing',
    description: '',
    state: 'active',
    spec: { algorithm: 'aes', size: '256', material: 'imported', properties: {} },
    activationDate: '2026-01-31',
    expirationDate: undefined,
    deactivationDate: undefined,
    deactivateOnRotation: false,
    labelTags: [],
    tags: [],
    namingScheme: undefined,
    rotatedAt: undefined,
    deactivatedAt: undefined,
    destroyedAt: undefined,
    ...AUTHORED,
    ...given,
  };
}

export function instanceOf(given: Partial<KeyInstance> = {}): KeyInstance {
  const key = keyOf();
  return {
    keyId: key.id,
    version: 1,
    keystoreId: '00000000-0000-4000-8000-00000000000d',
    vaultId: key.vaultId,
    label: key.label,
    spec: key.spec,
    keyState: 'active',
    current: true,
    wanted: 'enabled',
    outgrown: false,
    rotating: false,
    keyRemoved: false,
    removedByUser: false,
    binding: { idInKeystore: 'arn:ours', fingerprint: 'f1' },
    intendedAt: THEN,
    createSentAt: undefined,
    rotationSentAt: undefined,
    fence: 7,
    touchedAt: undefined,
    open: undefined,
    ...given,
  };
}

export function keystoreOf(given: Partial<Keystore> = {}): Keystore {
  return {
    id: '00000000-0000-4000-8000-00000000000d',
    revision: 1,
    vaultId: '00000000-0000-4000-8000-00000000000b',
    type: 'aws_kms',
    name: `keystore ${given.id ?? ''}`,
    description: '',
    groups: ['Production'],
    tlsProxy: undefined,
    settings: { aws_region: 'eu-central-1' },
    secretNames: [],
    ...AUTHORED,
    ...given,
  };
}

export function templateOf(given: Partial<Omit<Template, 'key'>> & { key?: Partial<Template['key']> } = {}): Template {
  return {
    id: '00000000-0000-4000-8000-00000000000c',
    revision: 1,
    version: 1,
    vaultId: '00000000-0000-4000-8000-00000000000b',
    name: 'aes',
    description: '',
    type: 'user_defined',
    state: 'unarchived',
    namingScheme: undefined,
    keystoreIds: undefined,
    autoRepair: 'as_vault',
    keystores: [{ type: 'aws_kms', group: 'Production', namingScheme: undefined, properties: {} }],
    ...AUTHORED,
    ...given,
    key: {
      algorithm: 'aes',
      size: '256',
      activationDate: '',
      expirationDate: '',
      state: 'active',
      deactivateOnRotation: false,
      material: 'imported',
      ...given.key,
    },
  };
}
