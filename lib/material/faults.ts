import { faultFrom } from '../drivers/aws-kms/faults.ts';
import { Fault } from '../fault.ts';

/**
 * What a failing call to the custody key means to a caller: to be tried again, or ours to set right. `call` is the operation's
 * name. Details that only the deployment's owner should read go into `cause`.
 */
export function custodyFault(error: unknown, call: string): Fault {
  if (error instanceof Fault) return error;
  const found = faultFrom(error, call);
  switch (found.kind) {
    case 'throttled':
      return new Fault('keystore_throttled', 'AWS KMS takes no more calls for the custody key at this moment.', {
        cause: found,
        retryAfter: 1,
      });
    case 'unreachable':
    case 'unavailable':
      return new Fault('keystore_unreachable', 'The custody key that protects key material cannot be reached now.', {
        cause: found,
      });
    case 'denied':
      return new Fault(
        'internal',
        `Shearline may not use its custody key (${call}); its permissions must be set right.`,
        {
          cause: found,
        },
      );
    case 'not_found':
      return new Fault(
        'internal',
        `The custody key does not exist (${call}); the deployment's settings must be set right.`,
        {
          cause: found,
        },
      );
    case 'conflict':
      return new Fault('internal', `The custody key cannot be used in its present state (${call}).`, { cause: found });
    case 'unsupported':
    case 'broken':
      return found.providerCode === 'InvalidCiphertextException' || found.providerCode === 'IncorrectKeyException'
        ? new Fault('internal', 'What is kept for this record was not encrypted for it, or was altered.', {
            cause: found,
          })
        : new Fault('internal', `The custody key failed (${call}).`, { cause: found });
  }
}
