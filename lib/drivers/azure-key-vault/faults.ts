import type { KeystoreFaultKind } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import { addressFault } from '../outgoing.ts';

/**
 * What Azure's error codes mean to us; an inner code says more than the outer one and is looked up first. Sources: "Azure Key Vault REST
 * API error codes", "Common error codes", and the codes of Microsoft Entra's token endpoint (OAuth 2.0).
 */
const KINDS: ReadonlyMap<string, KeystoreFaultKind> = new Map<string, KeystoreFaultKind>([
  ['AccessDenied', 'denied'],
  ['AKV10032', 'denied'],
  ['ForbiddenByConnection', 'denied'],
  ['ForbiddenByFirewall', 'denied'],
  ['ForbiddenByPolicy', 'denied'],
  ['ForbiddenByRbac', 'denied'],
  ['Unauthorized', 'denied'],
  ['invalid_client', 'denied'],
  ['invalid_grant', 'denied'],
  ['invalid_request', 'denied'],
  ['invalid_resource', 'denied'],
  ['invalid_scope', 'denied'],
  ['invalid_tenant', 'denied'],
  ['unauthorized_client', 'denied'],

  ['Throttled', 'throttled'],
  ['TooManyRequests', 'throttled'],

  ['KeyNotFound', 'not_found'],

  ['Conflict', 'conflict'],
  ['KeyDisabled', 'conflict'],
  ['KeyExpired', 'conflict'],
  ['KeyNotYetValid', 'conflict'],
  ['ObjectIsDeletedButRecoverable', 'conflict'],
  ['ResourceQuotaExceeded', 'conflict'],

  ['BadParameter', 'unsupported'],
  ['InvalidKeyOperation', 'unsupported'],
  ['NotSupported', 'unsupported'],
  ['OperationNotAllowed', 'unsupported'],
  ['PurgeProtectionEnabled', 'unsupported'],
  ['SkuNotSupported', 'unsupported'],

  // It passes by itself, and after it the same call may do.
  ['ObjectIsBeingDeleted', 'unavailable'],
  ['ObjectIsBeingRecovered', 'unavailable'],
  ['ServiceUnavailable', 'unavailable'],
  ['temporarily_unavailable', 'unavailable'],
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
  'ETIMEDOUT',
  'REQUEST_SEND_ERROR',
  'TimeoutError',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_SOCKET',
]);

/** Long enough for any sentence of Azure, short enough to keep anything else out of our records. */
const MESSAGE_LENGTH = 400;

/** The provider's own words, one line. Entra's answers carry trace ids on further lines. */
function words(message: string): string {
  const line = message.split(/\r?\n/, 1)[0] ?? '';
  return line.length > MESSAGE_LENGTH ? `${line.slice(0, MESSAGE_LENGTH)}…` : line;
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function kindByStatus(status: number | undefined): KeystoreFaultKind {
  switch (status) {
    case 400:
      return 'unsupported';
    case 401:
    case 403:
      return 'denied';
    case 409:
      return 'conflict';
    case 429:
      return 'throttled';
    case 503:
      return 'unavailable';
    // It answered, yet not what became of the call.
    case 408:
    case 502:
    case 504:
      return 'unreachable';
    // A 404 without the code KeyNotFound is somebody else's answer: it never means that a key is absent.
    case undefined:
    default:
      return 'broken';
  }
}

/**
 * What is left of an error of the SDK to look at. The error itself holds the request, and that may hold key material or a token: it goes
 * no further.
 */
function harmless(error: Error, status: number | undefined): Error {
  const cause = new Error(words(error.message));
  cause.name = error.name;
  return status === undefined ? cause : Object.assign(cause, { statusCode: status });
}

/**
 * The one place where an error of the Azure SDK, or of a token request, becomes ours. `call` is the operation's name; `body` is what Azure
 * answered, because the SDK forgets that where it turns pages.
 */
export function faultFrom(error: unknown, call: string, body?: string): KeystoreFault {
  if (error instanceof KeystoreFault) return error;
  const refused = addressFault(error);
  if (refused !== undefined) return refused;
  if (!(error instanceof Error)) return new KeystoreFault('broken', `Azure Key Vault ${call} failed.`);

  const statusCode = member(error, 'statusCode');
  const status = typeof statusCode === 'number' ? statusCode : undefined;
  const code = text(member(error, 'code'));
  if (status === undefined) {
    const cause = harmless(error, undefined);
    const codes = [error.name, code, text(member(error.cause, 'code'))];
    const noAnswer = codes.find((each) => each !== undefined && NO_ANSWER.has(each));
    if (noAnswer !== undefined) {
      return new KeystoreFault('unreachable', `Azure Key Vault gave no answer to ${call} (${noAnswer}).`, { cause });
    }
    return new KeystoreFault('broken', `Azure Key Vault ${call}: ${words(error.message)}`, { cause });
  }

  const said = member(parsed(body), 'error');
  const inner = text(member(member(said, 'innererror'), 'code'));
  const kind = KINDS.get(inner ?? '') ?? KINDS.get(code ?? '') ?? kindByStatus(status);
  const shown = inner ?? code ?? String(status);
  const message = words(text(member(said, 'message')) ?? error.message);
  return new KeystoreFault(kind, `Azure Key Vault ${call}: ${shown}: ${message}`, {
    cause: harmless(error, status),
    providerCode: shown,
  });
}

function parsed(body: string | undefined): unknown {
  try {
    return body === undefined ? undefined : JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** Given up by us: the deadline came or the caller left. What the call did, if anything, is not known. */
export function abandoned(call: string, cause: unknown): KeystoreFault {
  return new KeystoreFault('unreachable', `Azure Key Vault ${call} was given up before an answer came.`, { cause });
}

/** Whether the error is a `KeystoreFault` of this kind. */
export function isFault(error: unknown, kind: KeystoreFaultKind): error is KeystoreFault {
  return error instanceof KeystoreFault && error.kind === kind;
}
