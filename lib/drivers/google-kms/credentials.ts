import * as z from 'zod/mini';
import { KeystoreFault } from '../driver.ts';

/** A service account's key, as Google's JSON file has it, of which we use this much. */
export interface ServiceAccount {
  readonly clientEmail: string;
  readonly privateKey: string;
  readonly privateKeyId: string | undefined;
  readonly projectId: string | undefined;
  readonly tokenUri: string;
}

const file = z.object({
  type: z.optional(z.string()),
  client_email: z.string().check(z.minLength(1)),
  private_key: z.string().check(z.minLength(1)),
  private_key_id: z.optional(z.string()),
  project_id: z.optional(z.string()),
  token_uri: z._default(z.string(), 'https://oauth2.googleapis.com/token'),
});

/** Hosts that a token is asked of. The file comes from users; without this it could send us anywhere. */
const TOKEN_HOST = /^(?:[a-z0-9-]+\.)*(?:googleapis\.com|google\.com)$/;

/**
 * Reads `google_credentials`: the JSON of a service account's key, or the same in Base64. Throws a `denied` fault that says what is
 * wrong with it and repeats nothing of it. `local` allows a token endpoint on this machine.
 */
export function readCredentials(text: string, local: boolean): ServiceAccount {
  const parsed = file.safeParse(jsonOf(text));
  if (!parsed.success) {
    const members = [...new Set(parsed.error.issues.map((issue) => issue.path.join('.')))].filter(
      (path) => path !== '',
    );
    throw refused(
      members.length === 0
        ? 'is not the JSON of a service account key, plain or in Base64'
        : `is no service account key: ${members.join(', ')} missing or not text`,
    );
  }
  const { data } = parsed;
  if (data.type !== undefined && data.type !== 'service_account') {
    throw refused('must be the key of a service account: its "type" is another');
  }
  if (!isTokenEndpoint(data.token_uri, local))
    throw refused('names a token_uri that is not an https address of Google');
  return {
    clientEmail: data.client_email,
    privateKey: data.private_key,
    privateKeyId: data.private_key_id,
    projectId: data.project_id,
    tokenUri: data.token_uri,
  };
}

function jsonOf(text: string): unknown {
  const plain = text.trimStart().startsWith('{') ? text : Buffer.from(text, 'base64').toString('utf8');
  try {
    return JSON.parse(plain);
  } catch {
    return undefined;
  }
}

function isTokenEndpoint(uri: string, local: boolean): boolean {
  if (!URL.canParse(uri)) return false;
  const { protocol, hostname, username } = new URL(uri);
  if (username !== '') return false;
  if (protocol === 'https:' && TOKEN_HOST.test(hostname)) return true;
  return local && (hostname === '127.0.0.1' || hostname === 'localhost');
}

function refused(why: string): KeystoreFault {
  return new KeystoreFault('denied', `google_credentials ${why}.`);
}
