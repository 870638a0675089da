import { StartProblem } from './start-problem.ts';

/** What the environment says about a start. Undefined endpoints are stood in for. */
export interface Settings {
  /** The first of ten ports in a row; 0 takes any that are free. */
  readonly port: number;
  readonly seed: boolean;
  readonly table: string | undefined;
  readonly dynamodbEndpoint: string | undefined;
  readonly kmsEndpoint: string | undefined;
  readonly issuer: string | undefined;
  readonly custodyKeyId: string | undefined;
  /** The environment that the functions start from: what was given for them wins over what a local start would choose. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** How many ports a start uses, from PORT on. */
export const PORTS = 12;
const HIGHEST_PORT = 65_536 - PORTS;

/** Parses the environment of a start. Throws a `StartProblem` that names the first variable that is wrong. Empty counts as not given. */
export function readSettings(environment: Readonly<Record<string, string | undefined>>): Settings {
  const given = (name: string): string | undefined => {
    const value = environment[name]?.trim();
    return value === '' ? undefined : value;
  };
  const url = (name: string): string | undefined => {
    const value = given(name);
    if (value === undefined) return undefined;
    if (!URL.canParse(value) || !/^https?:\/\//.test(value)) {
      throw new StartProblem(`${name} must be an http(s) URL such as http://127.0.0.1:8000, not "${value}".`);
    }
    return value.replace(/\/+$/, '');
  };
  const port = given('PORT') ?? '3000';
  if (!/^\d{1,5}$/.test(port) || Number(port) > HIGHEST_PORT) {
    throw new StartProblem(
      `PORT must be a whole number from 1 to ${HIGHEST_PORT} (or 0 for any free ports), not "${port}".`,
    );
  }
  const seed = given('SEED') ?? 'sample';
  if (seed !== 'sample' && seed !== 'none') {
    throw new StartProblem(`SEED must be "sample" (the default) or "none", not "${seed}".`);
  }
  return {
    port: Number(port),
    seed: seed === 'sample',
    table: given('TABLE_NAME'),
    dynamodbEndpoint: url('DYNAMODB_ENDPOINT'),
    kmsEndpoint: url('AWS_ENDPOINT_URL_KMS'),
    issuer: url('OIDC_ISSUER'),
    custodyKeyId: given('CUSTODY_KEY_ID'),
    environment,
  };
}
