import type { KeystoreFaultKind } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import { rpcError, tokenRefusal } from './resources.ts';

/** What Google's status codes mean to us. Sources: google.rpc.Code; Cloud KMS documentation, "Error messages". */
const KINDS: Readonly<Record<string, KeystoreFaultKind>> = {
  PERMISSION_DENIED: 'denied',
  UNAUTHENTICATED: 'denied',
  RESOURCE_EXHAUSTED: 'throttled',
  NOT_FOUND: 'not_found',
  ABORTED: 'conflict',
  ALREADY_EXISTS: 'conflict',
  FAILED_PRECONDITION: 'conflict',
  INVALID_ARGUMENT: 'unsupported',
  OUT_OF_RANGE: 'unsupported',
  UNIMPLEMENTED: 'unsupported',
  UNAVAILABLE: 'unavailable',
  // It answered, yet not what became of the call.
  CANCELLED: 'unreachable',
  DEADLINE_EXCEEDED: 'unreachable',
  DATA_LOSS: 'broken',
  INTERNAL: 'broken',
  UNKNOWN: 'broken',
};

/** RFC 6749, section 5.2, and Google's own. */
const TOKEN_KINDS: Readonly<Record<string, KeystoreFaultKind>> = {
  access_denied: 'denied',
  admin_policy_enforced: 'denied',
  disabled_client: 'denied',
  invalid_client: 'denied',
  invalid_grant: 'denied',
  invalid_request: 'denied',
  invalid_scope: 'denied',
  unauthorized_client: 'denied',
};

function kindByStatus(status: number): KeystoreFaultKind {
  if (status === 401 || status === 403) return 'denied';
  if (status === 404) return 'not_found';
  if (status === 409) return 'conflict';
  if (status === 429) return 'throttled';
  if (status === 408 || status === 504) return 'unreachable';
  if (status === 502 || status === 503) return 'unavailable';
  return 'broken';
}

/** Long enough for any sentence of Google's, short enough to keep whole documents out of our records. */
const MESSAGE_LENGTH = 400;

function words(message: string): string {
  const line = message.split('\n', 1)[0] ?? '';
  return line.length > MESSAGE_LENGTH ? `${line.slice(0, MESSAGE_LENGTH)}…` : line;
}

/** The one place where an error answer of Google Cloud KMS becomes a fault. `call` is the method's name, for the message. */
export function faultFromAnswer(call: string, status: number, body: unknown): KeystoreFault {
  const parsed = rpcError.safeParse(body);
  if (!parsed.success) {
    return new KeystoreFault(
      kindByStatus(status),
      `Google Cloud KMS answered ${call} with the HTTP status ${status}.`,
      {
        providerCode: String(status),
      },
    );
  }
  const { message, status: code } = parsed.data.error;
  const kind = (code === undefined ? undefined : KINDS[code]) ?? kindByStatus(status);
  const providerCode = code ?? String(status);
  return new KeystoreFault(kind, `Google Cloud KMS ${call}: ${providerCode}: ${words(message)}`, { providerCode });
}

/** The same for the token endpoint. Only its code and description are told; what was sent is a credential. */
export function faultFromTokenAnswer(status: number, body: unknown): KeystoreFault {
  const parsed = tokenRefusal.safeParse(body);
  if (!parsed.success) {
    return new KeystoreFault(kindByStatus(status), `Google's token endpoint answered with the HTTP status ${status}.`, {
      providerCode: String(status),
    });
  }
  const { error: code, error_description: description } = parsed.data;
  const said = description === undefined ? code : `${code}: ${words(description)}`;
  return new KeystoreFault(
    TOKEN_KINDS[code] ?? kindByStatus(status),
    `Google gives the service account of this keystore no access token: ${said}`,
    { providerCode: code },
  );
}

/** No answer came. `error` is what `fetch` threw. */
export function faultFromSilence(call: string, error: unknown): KeystoreFault {
  return new KeystoreFault('unreachable', `Google gave no answer to ${call} (${reasonOf(error)}).`, { cause: error });
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error ? (codeOf(error.cause) ?? codeOf(error)) : undefined;
  if (code !== undefined) return code;
  return error instanceof Error ? error.name : 'no reason given';
}

function codeOf(error: unknown): string | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** Given up by us: the deadline came or the caller left. What the call did, if anything, is not known. */
export function abandoned(call: string, cause: unknown): KeystoreFault {
  return new KeystoreFault('unreachable', `Google Cloud KMS ${call} was given up before an answer came.`, { cause });
}

/** Whether the error is a `KeystoreFault` of this kind. */
export function isFault(error: unknown, kind: KeystoreFaultKind): error is KeystoreFault {
  return error instanceof KeystoreFault && error.kind === kind;
}

/** Undefined when what is asked for does not exist; whatever else goes wrong is thrown. */
export async function orAbsent<T>(look: Promise<T>): Promise<T | undefined> {
  try {
    return await look;
  } catch (error) {
    if (isFault(error, 'not_found')) return undefined;
    throw error;
  }
}
