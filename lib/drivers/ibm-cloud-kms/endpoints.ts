import { KeystoreFault } from '../driver.ts';

/** Where an instance and the identity service are reached. Neither ends with a slash. */
export interface Endpoints {
  /** With `/api/v2`. */
  readonly api: string;
  /** With `/identity/token`. */
  readonly token: string;
}

const SETTING = 'ALLOW_INSECURE_KEYSTORE_ENDPOINTS';

/**
 * The endpoints of a keystore's settings; paths may be left out of them. Throws `unsupported` for one that is not https or that is this
 * machine itself: an API key would go over the wire in clear, or to whatever listens here. `ALLOW_INSECURE_KEYSTORE_ENDPOINTS=true` in
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
  if (process.env[SETTING] !== 'true') {
    if (url.protocol !== 'https:') throw refused(name, 'it must begin with https://');
    if (isOwnMachine(url.hostname))
      throw refused(name, 'it must not be an address of this machine or its network link');
  }
  const path = url.pathname.endsWith('/') ? url.pathname.slice(0, -1) : url.pathname;
  return `${url.origin}${path}`;
}

function refused(name: string, why: string): KeystoreFault {
  return new KeystoreFault(
    'unsupported',
    `${name} cannot be used: ${why} (${SETTING}=true allows it for development).`,
  );
}

/** Loopback, unspecified and link-local: where other services of the same machine, and cloud metadata, are found. */
function isOwnMachine(hostname: string): boolean {
  const host = hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
  return (
    host === 'localhost' ||
    host.endsWith('.localhost') ||
    /^(?:127|0)\.\d+\.\d+\.\d+$/.test(host) ||
    /^169\.254\.\d+\.\d+$/.test(host) ||
    host === '::1' ||
    host === '::' ||
    host.startsWith('::ffff:') ||
    /^fe[89ab][0-9a-f]:/.test(host)
  );
}
