/** google.rpc.Code with the HTTP status that each is sent with. */
const httpStatus = {
  INVALID_ARGUMENT: 400,
  FAILED_PRECONDITION: 400,
  OUT_OF_RANGE: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  ABORTED: 409,
  RESOURCE_EXHAUSTED: 429,
  INTERNAL: 500,
  UNIMPLEMENTED: 501,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
} as const;
export type GoogleStatus = keyof typeof httpStatus;

/** An error as Google answers it: google.rpc.Status. */
export class GoogleError extends Error {
  readonly status: GoogleStatus;
  readonly details: readonly Record<string, unknown>[];

  constructor(status: GoogleStatus, message: string, details: readonly Record<string, unknown>[] = []) {
    super(message);
    this.name = 'GoogleError';
    this.status = status;
    this.details = details;
  }

  get httpStatus(): number {
    return httpStatus[this.status];
  }

  get body(): Record<string, unknown> {
    const details = this.details.length === 0 ? {} : { details: this.details };
    return { error: { code: this.httpStatus, message: this.message, status: this.status, ...details } };
  }
}

export const errorInfo = (reason: string, metadata: Record<string, string> = {}): Record<string, unknown> => ({
  '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
  reason,
  domain: 'googleapis.com',
  metadata: { service: 'cloudkms.googleapis.com', ...metadata },
});

export const invalid = (message: string): GoogleError => new GoogleError('INVALID_ARGUMENT', message);
export const notFound = (kind: string, name: string): GoogleError =>
  new GoogleError('NOT_FOUND', `${kind} ${name} not found.`);
export const exists = (kind: string, name: string): GoogleError =>
  new GoogleError('ALREADY_EXISTS', `${kind} ${name} already exists.`);

/** The resource's state does not allow what was asked. */
export const wrongState = (name: string, field: string, value: string): GoogleError =>
  new GoogleError(
    'FAILED_PRECONDITION',
    `The request cannot be fulfilled. Resource ${name} has value ${value} in field ${field}.`,
  );
