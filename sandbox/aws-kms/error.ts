/** An error as AWS KMS answers it: `type` becomes `__type`, and clients turn it into the exception's name. */
export class KmsError extends Error {
  readonly type: string;
  readonly status: number;

  constructor(type: string, message: string, status = 400) {
    super(message);
    this.name = 'KmsError';
    this.type = type;
    this.status = status;
  }
}

/** The shape is right, a value is not. */
export const validationError = (message: string): KmsError => new KmsError('ValidationException', message);

export const notFound = (message: string): KmsError => new KmsError('NotFoundException', message);

export const unsupported = (message = ''): KmsError => new KmsError('UnsupportedOperationException', message);

export const invalidState = (message: string): KmsError => new KmsError('KMSInvalidStateException', message);

export const limitExceeded = (message: string): KmsError => new KmsError('LimitExceededException', message);
