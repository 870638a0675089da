import { accountOfRole } from '../keystores/role.ts';
import type { Keystore } from '../keystores/keystore.ts';

/**
 * What shares one quota with the provider, as a name: keystores of one scope are swept one after the other, so that a scope's rate needs no
 * distributed limiter. AWS counts by account and region; an account is told by the role that is assumed there, or by its access key, or is the deployment's own. Two access keys
 * of one account are two scopes that share a quota: what that costs is found out by throttles.
 */
export function scopeOf({ id, type, settings }: Pick<Keystore, 'id' | 'type' | 'settings'>): string {
  const setting = (name: string): string => {
    const value = settings[name];
    return value === undefined || value === '' ? '-' : String(value).toLowerCase();
  };
  switch (type) {
    case 'aws_kms':
    case 'aws_cloudhsm':
      return `aws/${accountOfRole(setting('aws_role_arn')) ?? setting('aws_access_key_id')}/${setting('aws_region')}`;
    case 'azure_key_vault':
      return `azure/${setting('azure_environment')}/${setting('azure_service_name')}`;
    case 'google_kms':
      return `google/${setting('google_project_id')}/${setting('google_location')}`;
    case 'ibm_cloud_kms':
      return settings['ibm_variant'] === 'internal' ? `aws/-/internal` : `ibm/${setting('ibm_instance_id')}`;
    case 'pkcs11':
    case 'cca':
      return `${type}/${id}`;
  }
}
