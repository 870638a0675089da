import { KeystoreFault } from '../driver.ts';
import { faultFrom } from './faults.ts';

/** Temporary credentials, or those of an access key, in the shape that the AWS SDK takes. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expiration?: Date;
}

export interface RoleToAssume {
  readonly roleArn: string;
  /** What the role's trust policy asks for: so that the role of one vault cannot be used by another. */
  readonly externalId: string;
  /** In CloudTrail of the role's account this tells which keystore it was. */
  readonly keystoreId: string;
  readonly region: string;
  /** Who assumes it; undefined: the function's own role. */
  readonly as: AwsCredentials | undefined;
}

/** Milliseconds before their end at which credentials are not used any more: a call that has begun must not outlive them. */
const MARGIN_MS = 300_000;
/** Seconds. The most that AWS gives to a role that is assumed by a role. */
const SESSION_SECONDS = 3_600;

/**
 * Credentials of a role, assumed when they are first needed and again shortly before they end; many who ask at once cause one call. Throws a
 * `KeystoreFault`: `denied` when the role cannot be assumed, naming what its trust policy must say.
 */
export function assumedRole(role: RoleToAssume, now: () => number = Date.now): () => Promise<AwsCredentials> {
  let held: { readonly until: number; readonly credentials: AwsCredentials } | undefined;
  let asking: Promise<AwsCredentials> | undefined;
  const ask = async (): Promise<AwsCredentials> => {
    const credentials = await assume(role);
    held = { credentials, until: (credentials.expiration?.getTime() ?? now()) - MARGIN_MS };
    return credentials;
  };
  return () => {
    if (held !== undefined && now() < held.until) return Promise.resolve(held.credentials);
    return (asking ??= ask().finally(() => {
      asking = undefined;
    }));
  };
}

async function assume({ roleArn, externalId, keystoreId, region, as }: RoleToAssume): Promise<AwsCredentials> {
  // Only keystores with a role need it.
  const { AssumeRoleCommand, STSClient } = await import('@aws-sdk/client-sts');
  const client = new STSClient({
    region,
    maxAttempts: 2,
    requestHandler: { connectionTimeout: 2_000, requestTimeout: 5_000, throwOnRequestTimeout: true },
    ...(as === undefined ? {} : { credentials: as }),
  });
  try {
    const { Credentials: given } = await client.send(
      new AssumeRoleCommand({
        RoleArn: roleArn,
        RoleSessionName: `shearline-${keystoreId}`.slice(0, 64),
        ExternalId: externalId,
        DurationSeconds: SESSION_SECONDS,
      }),
    );
    if (given?.AccessKeyId === undefined || given.SecretAccessKey === undefined || given.SessionToken === undefined) {
      throw new KeystoreFault('broken', 'AWS STS answered AssumeRole without credentials.');
    }
    return {
      accessKeyId: given.AccessKeyId,
      secretAccessKey: given.SecretAccessKey,
      sessionToken: given.SessionToken,
      ...(given.Expiration === undefined ? {} : { expiration: given.Expiration }),
    };
  } catch (error) {
    const fault = faultFrom(error, 'AssumeRole');
    if (fault.kind !== 'denied') throw fault;
    throw new KeystoreFault(
      'denied',
      `The role ${roleArn} cannot be assumed. Its trust policy must name Shearline's account and the external id ${externalId}, the vault's id.`,
      { cause: error },
    );
  } finally {
    client.destroy();
  }
}
