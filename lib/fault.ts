/** Where in a request the fault lies. `name` is dotted for body fields (`keystores[0].group`). */
export interface FaultTarget {
  readonly type: 'field' | 'parameter' | 'header';
  readonly name: string;
}

/** One entry of the contract's `errors` array. Messages are for the caller: never a secret, never a stack. */
export interface FaultDetail {
  readonly message: string;
  /** This entry's own code, where a fault reports several kinds at once (an invalid and an unknown field); else the fault's. */
  readonly code?: FaultCode;
  readonly target?: FaultTarget;
}

/** The closed list of faults: what status a caller sees, and whether asking again unchanged can help. */
export const FAULTS = {
  malformed: { status: 400, retryable: false },
  invalid_field: { status: 400, retryable: false },
  unknown_field: { status: 400, retryable: false },
  invalid_parameter: { status: 400, retryable: false },
  unknown_parameter: { status: 400, retryable: false },
  conflicting_parameters: { status: 400, retryable: false },
  invalid_header: { status: 400, retryable: false },
  unauthenticated: { status: 401, retryable: false },
  forbidden: { status: 403, retryable: false },
  not_found: { status: 404, retryable: false },
  state_conflict: { status: 409, retryable: false },
  name_taken: { status: 409, retryable: false },
  in_use: { status: 409, retryable: false },
  template_archived: { status: 409, retryable: false },
  limit_exceeded: { status: 409, retryable: false },
  being_changed: { status: 409, retryable: true },
  precondition_failed: { status: 412, retryable: false },
  too_large: { status: 413, retryable: false },
  unsupported_media_type: { status: 415, retryable: false },
  unsupported_by_keystore: { status: 422, retryable: false },
  idempotency_mismatch: { status: 422, retryable: false },
  precondition_required: { status: 428, retryable: false },
  too_often: { status: 429, retryable: true },
  rate_limited: { status: 429, retryable: true },
  internal: { status: 500, retryable: false },
  keystore_refused: { status: 502, retryable: false },
  keystore_unreachable: { status: 503, retryable: true },
  keystore_throttled: { status: 503, retryable: true },
  busy: { status: 503, retryable: true },
  table_too_new: { status: 503, retryable: false },
} as const satisfies Record<string, { status: number; retryable: boolean }>;

export type FaultCode = keyof typeof FAULTS;

/** A fault that the caller is told about in the contract's error body. Anything else that is thrown becomes `internal`. */
export class Fault extends Error {
  override readonly name = 'Fault';
  readonly code: FaultCode;
  readonly details: readonly FaultDetail[];
  /** Seconds for the `Retry-After` header, when the moment is known. */
  readonly retryAfter: number | undefined;

  constructor(
    code: FaultCode,
    details: string | FaultDetail | readonly FaultDetail[],
    options: { cause?: unknown; retryAfter?: number } = {},
  ) {
    const list: readonly FaultDetail[] =
      typeof details === 'string' ? [{ message: details }] : 'message' in details ? [details] : details;
    super(list.map((detail) => detail.message).join(' '), { cause: options.cause });
    this.code = code;
    this.details = list;
    this.retryAfter = options.retryAfter;
  }

  get status(): number {
    return FAULTS[this.code].status;
  }
}

/** Whether somebody else has changed, or is changing, what was to be changed: what is wrong after that is to be found anew. */
export function isOvertaken(error: unknown): boolean {
  return error instanceof Fault && (error.code === 'being_changed' || error.code === 'precondition_failed');
}
