import { startAzureKeyVaultSandbox } from './azure-key-vault/server.ts';
import type { SandboxClock } from './clock.ts';
import type { ControllableSandbox } from './control.ts';
import { startGoogleKmsSandbox } from './google-kms/server.ts';
import { startIbmCloudKmsSandbox } from './ibm-cloud-kms/server.ts';
import { LOOPBACK } from './ports.ts';

// Known to everybody: nothing outside the sandboxes accepts any of these.
const AZURE_APPLICATION = {
  tenantId: '0f6f1e1a-3c5b-4b1e-9d36-2f8e1c7a4b10',
  clientId: '5d0c4a7e-2b1f-4f7a-8c63-9e1d0b6a3f21',
  clientSecret: 'sandbox~azure~opens~nothing~at~all',
};
const AZURE_VAULTS = [
  { name: 'shearline-premium', sku: 'premium' },
  { name: 'shearline-standard', sku: 'standard' },
] as const;
const GOOGLE_PROJECT = 'shearline-sandbox';
const IBM_API_KEY = 'sandbox-ibm-opens-nothing-at-all-0000000000';
const IBM_INSTANCES = [
  { instanceId: '3b1f7c52-6a0d-4e8b-9f21-c4d5e6f70811', variant: 'key_protect' },
  { instanceId: '8e2d9a43-1c5f-4b7a-8d60-a1b2c3d4e5f6', variant: 'hpcs' },
] as const;

export interface OtherCloudPorts {
  readonly azureKeyVault: number;
  readonly googleKms: number;
  readonly ibmCloudKms: number;
}

/** Azure, Google and IBM in a box, beside AWS. */
export interface OtherClouds {
  readonly endpoints: { readonly azure_key_vault: string; readonly google_kms: string; readonly ibm_cloud_kms: string };
  readonly sandboxes: Readonly<Record<string, ControllableSandbox>>;
  /** What connecting keystores in them takes, one body per keystore, without vault. */
  readonly keystores: readonly Readonly<Record<string, string | readonly string[]>>[];
  close(): Promise<void>;
}

/** What the functions must have in their environment to reach the sandboxes in place of the clouds. */
export function otherCloudEnvironment(ports: OtherCloudPorts): Record<string, string> {
  return {
    AZURE_KEY_VAULT_ENDPOINT: `http://${LOOPBACK}:${ports.azureKeyVault}`,
    AZURE_AUTHORITY_HOST: `http://${LOOPBACK}:${ports.azureKeyVault}`,
    GOOGLE_KMS_ENDPOINT: `http://${LOOPBACK}:${ports.googleKms}`,
    // The endpoints of IBM keystores are fields of theirs; in the sandbox they are plain http on this machine.
    ALLOW_INSECURE_KEYSTORE_ENDPOINTS: 'true',
  };
}

/** Starts the three. `fileOf` says where one keeps its state; undefined: in memory. */
export async function startOtherClouds(options: {
  readonly ports: OtherCloudPorts;
  readonly clock: SandboxClock;
  readonly fileOf: (name: string) => string | undefined;
}): Promise<OtherClouds> {
  const { ports, clock, fileOf } = options;
  const kept = (name: string) => {
    const stateFile = fileOf(name);
    return stateFile === undefined ? {} : { stateFile };
  };
  const [azure, google, ibm] = await Promise.all([
    startAzureKeyVaultSandbox({
      port: ports.azureKeyVault,
      clock,
      vaults: AZURE_VAULTS.map((vault) => ({ ...vault, tenantId: AZURE_APPLICATION.tenantId })),
      applications: [AZURE_APPLICATION],
      ...kept('azure-key-vault.json'),
    }),
    startGoogleKmsSandbox({
      port: ports.googleKms,
      clock,
      serviceAccounts: [{ projectId: GOOGLE_PROJECT }],
      ...kept('google-kms.json'),
    }),
    startIbmCloudKmsSandbox({
      port: ports.ibmCloudKms,
      clock,
      instances: IBM_INSTANCES,
      apiKeys: [{ apiKey: IBM_API_KEY }],
      settleMs: 0,
      ...kept('ibm-cloud-kms.json'),
    }),
  ]);
  const [keyProtect, hpcs] = IBM_INSTANCES.map(({ instanceId }) => instanceId);
  return {
    endpoints: { azure_key_vault: azure.endpoint, google_kms: google.endpoint, ibm_cloud_kms: ibm.endpoint },
    sandboxes: { azure_key_vault: azure, google_kms: google, ibm_cloud_kms: ibm },
    keystores: [
      ...AZURE_VAULTS.map(({ name, sku }) => ({
        name: `azure-${sku}`,
        type: 'azure_key_vault',
        description: `Azure Key Vault, ${sku}`,
        groups: ['Azure'],
        azure_service_name: name,
        azure_resource_group: 'shearline',
        azure_location: 'westeurope',
        azure_subscription_id: '7a9b1c2d-3e4f-4a5b-8c6d-7e8f9a0b1c2d',
        azure_tenant: AZURE_APPLICATION.tenantId,
        azure_service_principal_client_id: AZURE_APPLICATION.clientId,
        azure_service_principal_password: AZURE_APPLICATION.clientSecret,
        azure_variant: sku,
      })),
      ...['europe-west3', 'us-east1'].map((location) => ({
        name: `google-${location}`,
        type: 'google_kms',
        description: `Google Cloud KMS, ${location}`,
        groups: ['Google'],
        google_credentials: JSON.stringify(google.credentials(GOOGLE_PROJECT)),
        google_project_id: GOOGLE_PROJECT,
        google_location: location,
        google_key_ring: 'shearline',
      })),
      ...[
        { name: 'key-protect-us-south', variant: 'key_protect', instance: keyProtect ?? '' },
        { name: 'hpcs-us-south', variant: 'hpcs', instance: hpcs ?? '' },
      ].map(({ name, variant, instance }) => ({
        name,
        type: 'ibm_cloud_kms',
        description: variant === 'hpcs' ? 'IBM Hyper Protect Crypto Services' : 'IBM Key Protect',
        groups: ['IBM'],
        ibm_variant: variant,
        ibm_api_endpoint: ibm.endpoint,
        ibm_iam_endpoint: ibm.endpoint,
        ibm_api_key: IBM_API_KEY,
        ibm_instance_id: instance,
      })),
    ],
    close: async () => {
      await Promise.all([azure.close(), google.close(), ibm.close()]);
    },
  };
}
