import type { KeystoreFaultKind } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import { addressFault } from '../outgoing.ts';

/**
 * What AWS's error codes mean to us, `Exception` cut off their ends. Sources: AWS KMS API reference, each operation's errors
 * and "Common errors".
 */
const KINDS: ReadonlyMap<string, KeystoreFaultKind> = new Map<string, KeystoreFaultKind>([
  ['AccessDenied', 'denied'],
  ['AuthFailure', 'denied'],
  ['CredentialsProviderError', 'denied'],
  ['ExpiredToken', 'denied'],
  ['IncompleteSignature', 'denied'],
  ['InvalidClientTokenId', 'denied'],
  ['InvalidSignature', 'denied'],
  ['KMS.NotAuthorized', 'denied'],
  ['MissingAuthenticationToken', 'denied'],
  ['NotAuthorized', 'denied'],
  ['OptInRequired', 'denied'],
  ['RequestExpired', 'denied'],
  ['SignatureDoesNotMatch', 'denied'],
  ['TokenProviderError', 'denied'],
  ['UnrecognizedClient', 'denied'],

  ['ProvisionedThroughputExceeded', 'throttled'],
  ['RequestLimitExceeded', 'throttled'],
  ['Throttling', 'throttled'],
  ['TooManyRequests', 'throttled'],

  ['NotFound', 'not_found'],
  ['CustomKeyStoreNotFound', 'not_found'],

  ['AlreadyExists', 'conflict'],
  ['Conflict', 'conflict'],
  ['Disabled', 'conflict'],
  ['IncorrectKeyMaterial', 'conflict'],
  ['KMSInvalidState', 'conflict'],
  // A quota of things, not of calls: more keys, aliases or rotations than the account may have. Waiting does not help.
  ['LimitExceeded', 'conflict'],

  ['InvalidAliasName', 'unsupported'],
  ['InvalidArn', 'unsupported'],
  ['InvalidKeyUsage', 'unsupported'],
  ['Tag', 'unsupported'],
  ['UnknownOperation', 'unsupported'],
  ['UnsupportedOperation', 'unsupported'],
  ['Validation', 'unsupported'],

  ['CloudHsmClusterNotActive', 'unavailable'],
  ['CustomKeyStoreInvalidState', 'unavailable'],
  ['KeyUnavailable', 'unavailable'],
  ['ServiceUnavailable', 'unavailable'],

  // It answered, yet not what became of the call.
  ['DependencyTimeout', 'unreachable'],
  ['RequestTimeout', 'unreachable'],
]);

/** Codes of Node and of the SDK when no answer came. */
const NO_ANSWER = new Set([
  'AbortError',
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ERR_PROXY_TUNNEL',
  'ERR_SOCKET_CONNECTION_TIMEOUT',
  'ETIMEDOUT',
  'TimeoutError',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_SOCKET',
]);

/** Long enough for any sentence of AWS, short enough to keep a whole signed request out of our records. */
const MESSAGE_LENGTH = 400;

/** The provider's own words, one line. Its answers to signing errors quote the request on further lines; those stay out. */
function words(message: string): string {
  const line = message.split('\n', 1)[0] ?? '';
  return line.length > MESSAGE_LENGTH ? `${line.slice(0, MESSAGE_LENGTH)}…` : line;
}

function property(error: object, name: string): unknown {
  return (error as Record<string, unknown>)[name];
}

function statusOf(error: Error): number | undefined {
  const metadata = property(error, '$metadata');
  const status = typeof metadata === 'object' && metadata !== null ? property(metadata, 'httpStatusCode') : undefined;
  return typeof status === 'number' ? status : undefined;
}

function kindByStatus(status: number | undefined): KeystoreFaultKind {
  if (status === 401 || status === 403) return 'denied';
  if (status === 429) return 'throttled';
  if (status === 503) return 'unavailable';
  return 'broken';
}

/** The one place where an error of the AWS SDK becomes ours. `call` is the operation's name, for the message. */
export function faultFrom(error: unknown, call: string): KeystoreFault {
  if (error instanceof KeystoreFault) return error;
  const refused = addressFault(error);
  if (refused !== undefined) return refused;
  if (!(error instanceof Error)) return new KeystoreFault('broken', `AWS KMS ${call} failed.`, { cause: error });

  const codes = [error.name, property(error, 'code')].filter((code) => typeof code === 'string');
  const noAnswer = codes.find((code) => NO_ANSWER.has(code));
  if (noAnswer !== undefined) {
    return new KeystoreFault('unreachable', `AWS KMS gave no answer to ${call} (${noAnswer}).`, {
      cause: error,
    });
  }

  const status = statusOf(error);
  const kind = KINDS.get(error.name.replace(/Exception$/, '')) ?? kindByStatus(status);
  return new KeystoreFault(kind, `AWS KMS ${call}: ${error.name}: ${words(error.message)}`, {
    cause: error,
    ...(status === undefined ? {} : { providerCode: error.name }),
  });
}

/** Given up by us: the deadline came or the caller left. What the call did, if anything, is not known. */
export function abandoned(call: string, cause: unknown): KeystoreFault {
  return new KeystoreFault('unreachable', `AWS KMS ${call} was given up before an answer came.`, { cause });
}

/** Whether the error is a `KeystoreFault` of this kind. */
export function isFault(error: unknown, kind: KeystoreFaultKind): error is KeystoreFault {
  return error instanceof KeystoreFault && error.kind === kind;
}
