/** An error as Azure Key Vault answers it: `{"error": {"code", "message", "innererror": {"code"}}}`. */
export class VaultError extends Error {
  readonly status: number;
  readonly code: string;
  readonly inner: string | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    message: string,
    more: { inner?: string; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(message);
    this.name = 'VaultError';
    this.status = status;
    this.code = code;
    this.inner = more.inner;
    this.headers = more.headers ?? {};
  }

  get body(): unknown {
    const inner = this.inner === undefined ? {} : { innererror: { code: this.inner } };
    return { error: { code: this.code, message: this.message, ...inner } };
  }
}

export const badParameter = (message: string): VaultError => new VaultError(400, 'BadParameter', message);

export const notFound = (name: string): VaultError =>
  new VaultError(
    404,
    'KeyNotFound',
    `A key with (name/id) ${name} was not found in this key vault. If you recently deleted this key you may be able to recover it using the correct recovery command.`,
  );

export const deletedNotFound = (name: string): VaultError =>
  new VaultError(404, 'KeyNotFound', `Deleted Key not found: ${name}`);

export const conflict = (inner: string, message: string): VaultError =>
  new VaultError(409, 'Conflict', message, { inner });

export const forbidden = (inner: string, message: string): VaultError =>
  new VaultError(403, 'Forbidden', message, { inner });
