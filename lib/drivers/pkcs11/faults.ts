import type { KeystoreFaultKind } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';

/** What the standard's return values mean to us, without their `CKR_`. Source: PKCS #11 v2.40, section 5.1 "Function return values". */
const KINDS: ReadonlyMap<string, KeystoreFaultKind> = new Map<string, KeystoreFaultKind>([
  ['ACTION_PROHIBITED', 'denied'],
  ['FUNCTION_REJECTED', 'denied'],
  ['PIN_EXPIRED', 'denied'],
  ['PIN_INCORRECT', 'denied'],
  ['PIN_INVALID', 'denied'],
  ['PIN_LEN_RANGE', 'denied'],
  ['PIN_LOCKED', 'denied'],
  ['SESSION_READ_ONLY', 'denied'],
  ['TOKEN_WRITE_PROTECTED', 'denied'],
  ['USER_NOT_LOGGED_IN', 'denied'],
  ['USER_PIN_NOT_INITIALIZED', 'denied'],
  ['USER_TYPE_INVALID', 'denied'],

  ['SESSION_COUNT', 'throttled'],
  ['USER_TOO_MANY_TYPES', 'throttled'],

  // What the call did, if anything, is not known.
  ['DEVICE_ERROR', 'unreachable'],
  ['DEVICE_REMOVED', 'unreachable'],
  ['FUNCTION_CANCELED', 'unreachable'],
  ['FUNCTION_FAILED', 'unreachable'],
  ['SESSION_CLOSED', 'unreachable'],
  ['SESSION_HANDLE_INVALID', 'unreachable'],

  ['ATTRIBUTE_READ_ONLY', 'conflict'],
  ['KEY_FUNCTION_NOT_PERMITTED', 'conflict'],
  ['KEY_TYPE_INCONSISTENT', 'conflict'],

  ['ARGUMENTS_BAD', 'unsupported'],
  ['ATTRIBUTE_TYPE_INVALID', 'unsupported'],
  ['ATTRIBUTE_VALUE_INVALID', 'unsupported'],
  ['CURVE_NOT_SUPPORTED', 'unsupported'],
  ['DOMAIN_PARAMS_INVALID', 'unsupported'],
  ['FUNCTION_NOT_SUPPORTED', 'unsupported'],
  ['KEY_SIZE_RANGE', 'unsupported'],
  ['MECHANISM_INVALID', 'unsupported'],
  ['MECHANISM_PARAM_INVALID', 'unsupported'],
  ['TEMPLATE_INCOMPLETE', 'unsupported'],
  ['TEMPLATE_INCONSISTENT', 'unsupported'],

  ['DEVICE_MEMORY', 'unavailable'],
  ['HOST_MEMORY', 'unavailable'],
  // It was there a moment ago.
  ['KEY_HANDLE_INVALID', 'unavailable'],
  ['OBJECT_HANDLE_INVALID', 'unavailable'],
  ['OPERATION_ACTIVE', 'unavailable'],
  ['SLOT_ID_INVALID', 'unavailable'],
  ['TOKEN_NOT_PRESENT', 'unavailable'],
  ['TOKEN_NOT_RECOGNIZED', 'unavailable'],
]);

/** The one place where an error of the HSM's library becomes ours. `call` is the standard's function, for the message. */
export function faultFrom(error: unknown, call: string): KeystoreFault {
  if (error instanceof KeystoreFault) return error;
  // pkcs11js puts the return value's name, and nothing else, into the message.
  const code = error instanceof Error ? /^CKR_\w+$/.exec(error.message)?.[0] : undefined;
  if (code === undefined) {
    return new KeystoreFault('broken', `The HSM's library failed in ${call}.`, { cause: error });
  }
  const kind = KINDS.get(code.slice('CKR_'.length)) ?? 'broken';
  return new KeystoreFault(kind, `The HSM answered ${call} with ${code}.`, { cause: error, providerCode: code });
}

/** Given up by us: the deadline came or the caller left. */
export function abandoned(): KeystoreFault {
  return new KeystoreFault('unreachable', 'The HSM was given up before it had answered.');
}
