import {
  CreateAliasCommand,
  CreateKeyCommand,
  DescribeKeyCommand,
  KMSClient,
  NotFoundException,
} from '@aws-sdk/client-kms';
import { messageOf, StartProblem } from './start-problem.ts';

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** Whose keys Shearline looks after, in the sandbox. Known to everybody: nothing outside the sandbox accepts these credentials. */
export const KEYSTORE_ACCOUNT = {
  accountId: '111122223333',
  accessKeyId: 'AKIASHEARLINEKEYS001',
  secretAccessKey: 'sandbox/keystores/opens/nothing/at/all/0',
};

/** A second access key of the same account, as short as people type it. */
export const PLAIN_ACCESS_KEY = { ...KEYSTORE_ACCOUNT, accessKeyId: 'test', secretAccessKey: 'test' };

/** Whose custody key wraps the material, in the sandbox: another account and another region, as it should be in production. */
export const CUSTODY_ACCOUNT = {
  accountId: '444455556666',
  accessKeyId: 'AKIASHEARLINECUSTODY',
  secretAccessKey: 'sandbox/custody/opens/nothing/at/all/000',
};
export const CUSTODY_REGION = 'eu-west-1';

/** The keystore account's regions: the first has the CloudHSM-backed custom key store. */
export const REGIONS = ['us-east-1', 'eu-central-1'] as const;

/** A client of the keystore account: the operator's own way to the keys, outside Shearline. */
export function operatorClient(endpoint: string, region: string): KMSClient {
  return clientOf(endpoint, region, KEYSTORE_ACCOUNT);
}

/**
 * Makes sure of the custody key. A missing one is created, with its alias, when `create`. Throws a `StartProblem` naming the variable to
 * look at.
 */
export async function prepareCustody(options: {
  readonly endpoint: string;
  readonly aws: { readonly region: string; readonly credentials: AwsCredentials };
  readonly keyId: string;
  readonly create: boolean;
}): Promise<void> {
  const { endpoint, aws, keyId } = options;
  const client = clientOf(endpoint, aws.region, aws.credentials);
  try {
    await client.send(new DescribeKeyCommand({ KeyId: keyId }));
  } catch (error) {
    if (!(error instanceof NotFoundException)) {
      throw new StartProblem(`AWS KMS at AWS_ENDPOINT_URL_KMS=${endpoint} cannot be used: ${messageOf(error)}.`, {
        cause: error,
      });
    }
    if (!options.create) {
      throw new StartProblem(`CUSTODY_KEY_ID=${keyId} does not exist in ${aws.region} at ${endpoint}.`, {
        cause: error,
      });
    }
    const { KeyMetadata } = await client.send(
      new CreateKeyCommand({ Description: 'Wraps the key material and the keystore credentials that Shearline keeps' }),
    );
    await client.send(new CreateAliasCommand({ AliasName: keyId, TargetKeyId: KeyMetadata?.KeyId }));
  } finally {
    client.destroy();
  }
}

function clientOf(endpoint: string, region: string, credentials: AwsCredentials): KMSClient {
  return new KMSClient({
    endpoint,
    region,
    credentials,
    maxAttempts: 2,
    requestHandler: { connectionTimeout: 2_000, requestTimeout: 10_000 },
  });
}
