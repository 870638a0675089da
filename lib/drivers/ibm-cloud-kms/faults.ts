import type { KeystoreFaultKind } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import { addressFault } from '../outgoing.ts';

/** What IBM's reason codes mean to us. Sources: Key Protect and HPCS docs, "Error messages"; IAM identity API. */
const KINDS: ReadonlyMap<string, KeystoreFaultKind> = new Map<string, KeystoreFaultKind>([
  ['AUTHORIZATIONS_NOT_MET', 'denied'],
  ['BEARER_SUB_EXTRACTION_ERR', 'denied'],
  ['CONFIG_RULE_CONFLICT_ERR', 'denied'],
  ['KEY_CREATE_IMPORT_ACCESS_ERR', 'denied'],
  ['RESOURCE_OWNER_ERR', 'denied'],
  ['SERVICE_ONLY_ERR', 'denied'],
  ['UNAUTHORIZED_ERR', 'denied'],
  // IAM's: the API key is unknown, disabled, or from another account.
  ['BXNIM0415E', 'denied'],

  // Once an hour and key.
  ['KEY_ROTATION_NOT_PERMITTED', 'throttled'],

  ['KEY_ALIAS_NOT_UNIQUE_ERR', 'conflict'],
  ['KEY_ACTION_INVALID_STATE_ERR', 'conflict'],
  ['KEY_DELETED_ERR', 'conflict'],
  ['KEY_EXPIRED_ERR', 'conflict'],
  ['KEY_INVALID_STATE_ERR', 'conflict'],
  ['KEY_RESTORE_EXPIRED', 'conflict'],
  ['KEY_RING_NOT_FOUND_ERR', 'conflict'],
  ['NOT_DUAL_AUTH_ERR', 'conflict'],
  ['PREV_KEY_DEL_ERR', 'conflict'],
  ['PROTECTED_RESOURCE_ERR', 'conflict'],

  ['BAD_BODY_ERR', 'unsupported'],
  ['FEATURE_RESTRICTED_ERR', 'unsupported'],
  ['KEY_IMPT_REQ_ERR', 'unsupported'],
  ['KEY_PAYLOAD_REQ_ERR', 'unsupported'],
  ['KEY_ROOT_REQ_ERR', 'unsupported'],

  // Somebody else took the instance's one import token meanwhile, or it ran out: the next try takes a new one.
  ['IMPORT_TOKEN_EXPIRED_ERR', 'unavailable'],
  ['INCORRECT_NONCE_ERR', 'unavailable'],
  // Enabling and restoring must wait for 30 seconds after any other action.
  ['REQ_TOO_EARLY_ERR', 'unavailable'],

  ['INCOMPLETE_METADATA_ERR', 'broken'],
  ['INCORRECT_NONCE_IV_ERR', 'broken'],
]);

function kindByStatus(status: number): KeystoreFaultKind {
  switch (status) {
    case 400:
    case 422:
      return 'unsupported';
    case 401:
    case 403:
      return 'denied';
    case 404:
      return 'not_found';
    case 408:
    case 504:
      return 'unreachable';
    case 409:
    case 410:
    case 412:
      return 'conflict';
    case 429:
      return 'throttled';
    case 502:
    case 503:
      return 'unavailable';
    default:
      return 'broken';
  }
}

/** Long enough for any sentence of IBM. */
const MESSAGE_LENGTH = 400;

/** An error answer, as far as it could be read. `code` and `message` are IBM's own; without them a proxy may have spoken. */
export interface Refusal {
  readonly status: number;
  readonly code: string | undefined;
  readonly message: string | undefined;
}

/** The one place where an error answer becomes ours. `call` names the operation, for the message. */
export function faultFrom(refusal: Refusal, call: string): KeystoreFault {
  const { status, code, message } = refusal;
  // That something is not found is believed only from the service itself.
  const known = code === undefined ? undefined : KINDS.get(code);
  const kind = known ?? (status === 404 && message === undefined ? 'broken' : kindByStatus(status));
  const words = [code, message].filter((part) => part !== undefined).join(': ');
  const said =
    words === '' ? `status ${status}` : words.length > MESSAGE_LENGTH ? `${words.slice(0, MESSAGE_LENGTH)}…` : words;
  return new KeystoreFault(kind, `IBM Cloud ${call}: ${said}`, { providerCode: code ?? String(status) });
}

/** No answer came, or it broke off: what the call did, if anything, is not known. */
export function noAnswer(call: string, cause: unknown): KeystoreFault {
  const refused = addressFault(cause);
  if (refused !== undefined) return refused;
  return new KeystoreFault('unreachable', `IBM Cloud gave no answer to ${call} (${reasonOf(cause)}).`, { cause });
}

/** Given up by us: the deadline came or the caller left. */
export function abandoned(call: string, cause: unknown): KeystoreFault {
  return new KeystoreFault('unreachable', `IBM Cloud ${call} was given up before an answer came.`, { cause });
}

/** Node's code of a network error (`ECONNREFUSED`), or what ended the wait. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if (error.name === 'AbortError' && error.cause instanceof Error) return error.cause.name;
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : error.name;
}

/** Whether the error is a `KeystoreFault` of this kind. */
export function isFault(error: unknown, kind: KeystoreFaultKind): error is KeystoreFault {
  return error instanceof KeystoreFault && error.kind === kind;
}

/** Whether the error is IBM's with this code. */
export function hasCode(error: unknown, ...codes: readonly string[]): error is KeystoreFault {
  return error instanceof KeystoreFault && error.providerCode !== undefined && codes.includes(error.providerCode);
}
