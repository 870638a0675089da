import { KeyClient } from '@azure/keyvault-keys';
import type { KeyClientOptions } from '@azure/keyvault-keys';
import { constants, createPublicKey, publicEncrypt, verify } from 'node:crypto';
import { clientCredential } from '../../lib/drivers/azure-key-vault/credential.ts';
import { AZURE_KEY_RULES } from '../../lib/drivers/azure-key-vault/kind.ts';
import { privateKeyOf } from '../../lib/drivers/azure-key-vault/public-key.ts';
import type { KeySpec } from '../../lib/drivers/driver.ts';
import type { Connection, DriverModule } from '../../lib/drivers/registry.ts';
import type { AzureKeyVaultSandbox, FaultKind, SandboxApplication } from '../../sandbox/azure-key-vault/server.ts';
import { startAzureKeyVaultSandbox } from '../../sandbox/azure-key-vault/server.ts';
import type { SandboxClock } from '../../sandbox/clock.ts';
import { sandboxClock } from '../../sandbox/clock.ts';
import { makeMaterial } from './aws-material.ts';
import type { Keystore } from './contract.ts';

export const TENANT = '11112222-3333-4444-5555-666677778888';
export const APPLICATION: SandboxApplication = {
  tenantId: TENANT,
  clientId: 'aaaabbbb-0000-cccc-1111-dddd2222eeee',
  clientSecret: 'sandbox~secret-that-opens-nothing',
};
/** An application with exactly the permissions that the documentation asks for. */
export const MODEST: SandboxApplication = {
  tenantId: TENANT,
  clientId: 'aaaabbbb-0000-cccc-1111-000000000000',
  clientSecret: 'sandbox~modest',
  permissions: ['get', 'list', 'create', 'import', 'update', 'delete', 'recover'],
};
export const PREMIUM = 'contract-premium';
export const STANDARD = 'contract-standard';

export interface AzureKeystore extends Keystore {
  readonly sandbox: AzureKeyVaultSandbox;
  readonly clock: SandboxClock;
  /** A client as somebody else with access to the vault would have it. */
  readonly client: KeyClient;
  connection(settings?: Connection['settings'], credentials?: Connection['credentials']): Connection;
}

/** A KeyClient that reaches the sandbox's vaults by their own names, as the cloud's DNS would let it. */
export function clientOf(
  endpoint: string,
  vault: string,
  application = APPLICATION,
  suffix = 'vault.azure.net',
): KeyClient {
  const credential = clientCredential({
    authorityHost: endpoint,
    tenant: application.tenantId,
    clientId: application.clientId,
    password: application.clientSecret,
    scope: `https://${suffix}/.default`,
  });
  return new KeyClient(`https://${vault}.${suffix}`, credential, {
    retryOptions: { maxRetries: 0 },
    additionalPolicies: toSandbox(endpoint),
  });
}

/** For any client of the Azure SDK: leads its requests to the sandbox. */
export function toSandbox(endpoint: string): NonNullable<KeyClientOptions['additionalPolicies']> {
  return [
    {
      position: 'perRetry',
      policy: {
        name: 'toSandbox',
        async sendRequest(request, next) {
          const { url } = request;
          const { host, pathname, search } = new URL(url);
          request.headers.set('host', host);
          request.url = `${endpoint}${pathname}${search}`;
          request.allowInsecureConnection = true;
          try {
            return await next(request);
          } finally {
            request.url = url;
          }
        },
      },
    },
  ];
}

const OPERATIONS = { look: ['GetKey'], create: ['CreateKey', 'ImportKey'], list: ['GetKeys'] } as const;
const FAULTS = {
  throttled: 'throttle',
  denied: 'denied',
  answer_lost: 'reset_after',
  no_answer: 'reset_before',
} as const satisfies Record<string, FaultKind>;

/** Starts a sandbox, makes the driver of this process use it, and opens a keystore on it. */
export async function openAzureKeystore(
  module: DriverModule,
  options: { readonly vault?: string; readonly application?: SandboxApplication; readonly kek?: boolean } = {},
): Promise<AzureKeystore> {
  const { vault = PREMIUM, application = APPLICATION } = options;
  const clock = sandboxClock();
  const sandbox = await startAzureKeyVaultSandbox({
    clock,
    vaults: [
      { name: PREMIUM, tenantId: TENANT, sku: 'premium' },
      { name: STANDARD, tenantId: TENANT, sku: 'standard', recoverableDays: 7 },
      { name: PREMIUM, tenantId: TENANT, suffix: 'vault.azure.cn' },
      { name: 'of-others', tenantId: '99999999-3333-4444-5555-666677778888' },
    ],
    applications: [APPLICATION, MODEST],
  });
  process.env['AZURE_KEY_VAULT_ENDPOINT'] = sandbox.endpoint;
  process.env['AZURE_AUTHORITY_HOST'] = sandbox.authorityHost;
  const client = clientOf(sandbox.endpoint, vault);
  if (options.kek === true) {
    await client.createRsaKey('EKMF-BYOK-KEK-FOR-IMPORT', { keySize: 2048, hsm: true, keyOps: ['import'] });
  }
  const connection: AzureKeystore['connection'] = (changed = {}, credentials) => ({
    keystoreId: 'keystore-1',
    settings: {
      azure_service_name: vault,
      azure_tenant: application.tenantId,
      azure_service_principal_client_id: application.clientId,
      azure_variant: vault === STANDARD ? 'standard' : 'premium',
      ...changed,
    },
    credentials: credentials ?? { azure_service_principal_password: application.clientSecret },
  });
  return {
    sandbox,
    clock,
    client,
    connection,
    connect: () => module.connect(connection()),
    now: () => clock.now(),
    strike(during, how, times) {
      for (const operation of OPERATIONS[during]) sandbox.faults.add({ kind: FAULTS[how], operation, times });
    },
    mend() {
      sandbox.faults.clear();
      sandbox.calls.reset();
    },
    takeName: (label) => sandbox.operator.createKey(vault, label),
    countOf: (keyId) => {
      const versions = sandbox.operator.keys().flatMap((key) => key.versions);
      return Promise.resolve(versions.filter(({ tags }) => tags['shearline:key'] === keyId).length);
    },
    letDeletionsEnd() {
      clock.advance(91 * 86_400_000);
    },
    // A version keeps the material that it was made with, whoever asks.
    loseMaterial: undefined,
    changeMaterial: undefined,
    provesMaterial: (id, spec, material) => proves(client, id, spec, material),
    async close() {
      await sandbox.close();
    },
  };
}

/** Every sort of key that Azure Key Vault takes imported material for, of this protection. */
export const azureImports = (protection: 'software' | 'hsm') =>
  AZURE_KEY_RULES.filter((rule) => rule.protection === protection && rule.materials.includes('imported')).map(
    ({ algorithm, size }) => ({
      spec: {
        algorithm,
        size,
        material: 'imported',
        properties: { azure_key_protection_level: protection },
      } as const satisfies KeySpec,
      makeMaterial: () => makeMaterial({ algorithm, size }),
    }),
  );

const MESSAGE = Buffer.from('what only this material can make or read');
const SIGNATURES: Readonly<Record<string, [string, string]>> = {
  '256': ['sha256', 'ES256'],
  '256K': ['sha256', 'ES256K'],
  '384': ['sha384', 'ES384'],
  '521': ['sha512', 'ES512'],
};

async function proves(client: KeyClient, id: string, spec: KeySpec, material: Uint8Array): Promise<void> {
  const [, , name = '', keyVersion = ''] = new URL(id).pathname.split('/');
  const cryptography = client.getCryptographyClient(name, { keyVersion });
  const key = createPublicKey(privateKeyOf(material));
  if (spec.algorithm === 'rsa') {
    const ciphertext = publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, MESSAGE);
    const { result } = await cryptography.decrypt({ algorithm: 'RSA-OAEP-256', ciphertext });
    if (Buffer.compare(result, MESSAGE) !== 0) throw new Error('The material is another.');
    return;
  }
  const [hash, algorithm] = SIGNATURES[spec.size] ?? ['sha256', 'ES256'];
  const { result } = await cryptography.signData(algorithm, MESSAGE);
  if (!verify(hash, MESSAGE, { key, dsaEncoding: 'ieee-p1363' }, result)) {
    throw new Error('The signature is not by this material.');
  }
}
