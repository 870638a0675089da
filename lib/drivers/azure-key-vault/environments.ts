import { KeystoreFault } from '../driver.ts';

/** Where one of Microsoft's clouds has its vaults and its tokens. */
export interface AzureEnvironment {
  /** What follows the vault's name in its host name. */
  readonly vaultSuffix: string;
  readonly authorityHost: string;
}

/** By the keystore's setting `azure_environment`. Source: "National clouds" of Microsoft's documentation. */
export const AZURE_ENVIRONMENTS: Readonly<Record<string, AzureEnvironment>> = {
  azure: { vaultSuffix: 'vault.azure.net', authorityHost: 'https://login.microsoftonline.com' },
  azure_china: { vaultSuffix: 'vault.azure.cn', authorityHost: 'https://login.partner.microsoftonline.cn' },
  azure_germany: { vaultSuffix: 'vault.microsoftazure.de', authorityHost: 'https://login.microsoftonline.de' },
  azure_us_government: { vaultSuffix: 'vault.usgovcloudapi.net', authorityHost: 'https://login.microsoftonline.us' },
};

/** The endpoints of an environment, by default those of the public cloud. Throws `unsupported` for a name that is none. */
export function environmentOf(name: unknown): AzureEnvironment {
  if (name === undefined || name === '') return environmentOf('azure');
  const found =
    typeof name === 'string' && Object.hasOwn(AZURE_ENVIRONMENTS, name) ? AZURE_ENVIRONMENTS[name] : undefined;
  if (found !== undefined) return found;
  throw new KeystoreFault(
    'unsupported',
    `azure_environment must be one of ${Object.keys(AZURE_ENVIRONMENTS).join(', ')}.`,
  );
}
