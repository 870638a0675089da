/** One entry of `reasons`: IBM's own code and sentence. Source: Key Protect docs, "Error messages". */
export interface Reason {
  readonly code: string;
  readonly message: string;
}

/** An error that the service answers with, in its own envelope. */
export class KmsError extends Error {
  readonly status: number;
  readonly reason: Reason | undefined;

  /** `what` follows the status's name: "Key could not be created". */
  constructor(status: number, what: string, reason?: Reason) {
    super(`${STATUS_NAMES[status] ?? 'Error'}: ${what}`);
    this.name = 'KmsError';
    this.status = status;
    this.reason = reason;
  }

  /** What calls are counted as. */
  get outcome(): string {
    return this.reason?.code ?? String(this.status);
  }
}

const STATUS_NAMES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  410: 'Gone',
  413: 'Request Entity Too Large',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
};

const MORE = 'https://cloud.ibm.com/apidocs/key-protect';

/** The body of an error answer. */
export function errorBody(error: KmsError): unknown {
  const { reason } = error;
  return {
    metadata: { collectionType: 'application/vnd.ibm.kms.error+json', collectionTotal: 1 },
    resources: [
      reason === undefined
        ? { errorMsg: error.message }
        : {
            errorMsg: `${error.message}. Please see \`reasons\` for more details.`,
            reasons: [{ ...reason, status: error.status, moreInfo: MORE }],
          },
    ],
  };
}

/** The token is missing, malformed, expired or not ours. */
export function badToken(): KmsError {
  return new KmsError(401, 'The user does not have access to the specified resource');
}

/** The token is good, but may not do this. */
export function notAllowed(): KmsError {
  return new KmsError(401, 'The user does not have access to the specified resource', {
    code: 'UNAUTHORIZED_ERR',
    message: 'Unauthorized: The user does not have access to the specified resource',
  });
}

export function badBody(what: string, detail: string): KmsError {
  return new KmsError(400, what, {
    code: 'BAD_BODY_ERR',
    message: `Invalid body data was passed. Please ensure the data passed had valid formatting with no invalid characters: ${detail}`,
  });
}

export function noSuchKey(): KmsError {
  return new KmsError(404, 'Key could not be retrieved', { code: 'KEY_NOT_FOUND_ERR', message: 'Key does not exist' });
}
