import { KeystoreFault } from '../driver.ts';
import { ALLOW_INSECURE, refusesHost } from '../outgoing.ts';

/** Where an instance and the identity service are reached. Neither ends with a slash. */
export interface Endpoints {
  /** With `/api/v2`. */
  readonly api: string;
  /** With `/identity/token`. */
  readonly token: string;
}

/**
 * The endpoints of a keystore's settings; paths may be left out of them. Throws `unsupported` for one that is not https, or that leads into
 * our own network: an API key would go over the wire in clear, or to whatever listens there. `ALLOW_INSECURE_KEYSTORE_ENDPOINTS=true` in
 * the environment allows both, for development.
 */
export function endpointsOf(settings: Readonly<Record<string, unknown>>): Endpoints {
  const api = endpointIn(settings, 'ibm_api_endpoint');
  const token = endpointIn(settings, 'ibm_iam_endpoint');
  return { api: withPath(api, '/api/v2'), token: withPath(token, '/identity/token') };
}

function withPath(endpoint: string, path: string): string {
  return endpoint.endsWith(path) ? endpoint : `${endpoint}${path}`;
}

function endpointIn(settings: Readonly<Record<string, unknown>>, name: string): string {
  const value = settings[name];
  if (typeof value !== 'string' || !URL.canParse(value)) {
    throw new KeystoreFault('unsupported', `The keystore has no usable ${name}.`);
  }
  const url = new URL(value);
  if (process.env[ALLOW_INSECURE] !== 'true') {
    if (url.protocol !== 'https:') throw refused(name, 'it must begin with https://');
    const why = refusesHost(url.hostname);
    if (why !== undefined) throw refused(name, why);
  }
  const path = url.pathname.endsWith('/') ? url.pathname.slice(0, -1) : url.pathname;
  return `${url.origin}${path}`;
}

function refused(name: string, why: string): KeystoreFault {
  return new KeystoreFault(
    'unsupported',
    `${name} cannot be used: ${why} (${ALLOW_INSECURE}=true allows it for development).`,
  );
}
