import { Logger } from '@aws-lambda-powertools/logger';

/**
 * The functions' log. Nothing secret is ever handed to it; should that happen all the same, what looks like a secret is masked before it is
 * printed.
 */
export function newLog(): Logger {
  return new Logger({ serviceName: 'shearline', jsonReplacerFn: masked });
}

const MASK = '********';

/** Names of what is nobody's to read, or ends of such names; `keyId` and `key` are no secrets. */
const SECRET_NAME =
  /(?:secrets?|secret_?(?:access_?)?key|password|passphrase|token|authorization|cookie|credentials?|api_?key|private_?key|plaintext|pin|signature)$/i;

/** What cannot be mistaken for anything but a secret, whatever it is called and wherever it stands. Each takes time linear in the text. */
const SECRET_TEXTS: readonly (readonly [RegExp, string])[] = [
  // A JSON Web Token, signed or not.
  [/\beyJ[\w-]{6,}\.[\w-]+(?:\.[\w-]*)?/g, MASK],
  [/\b(Bearer|Basic) [\w.~+/=-]{8,}/gi, `$1 ${MASK}`],
  // The ids of AWS access keys; their ends tell people which one it was.
  [/\b(?:AKIA|ASIA)[A-Z0-9]{12}([A-Z0-9]{4})\b/g, `${MASK}$1`],
  [/\bSignature=[0-9a-f]{64}/g, `Signature=${MASK}`],
  // A whole request or answer as text: the value after such a name.
  [
    /\b([\w-]{0,40}(?:secret|password|passphrase|api_?key|secret_?access_?key|client_assertion)"?\s{0,4}[:=]\s{0,4}"?)[^"\s,;&}]+/gi,
    `$1${MASK}`,
  ],
  [/-----BEGIN ([A-Z ]{0,20})PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,20}PRIVATE KEY-----)?/g, MASK],
];

/** A value as it may be printed; for `JSON.stringify`, which calls it for every value inside. */
export function masked(name: string, value: unknown): unknown {
  if (value === undefined || value === null || typeof value === 'boolean') return value;
  if (SECRET_NAME.test(name)) return MASK;
  if (typeof value === 'string')
    return SECRET_TEXTS.reduce((text, [pattern, mask]) => text.replace(pattern, mask), value);
  // Bytes say nothing to people, and may be a key.
  return ArrayBuffer.isView(value) || isBuffer(value) ? MASK : value;
}

/** A Buffer has made itself into this before it comes here. */
function isBuffer(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'type' in value && value.type === 'Buffer' && 'data' in value;
}
