import { DynamoDBClient, paginateScan } from '@aws-sdk/client-dynamodb';
import type { JWTPayload } from 'jose';
import type { ApiClient } from '../../sandbox/api-client.ts';
import { CUSTODY_ACCOUNT, CUSTODY_REGION, KEYSTORE_ACCOUNT, prepareCustody } from '../../sandbox/aws-accounts.ts';
import { startAwsKmsSandbox } from '../../sandbox/aws-kms/server.ts';
import type { AwsKmsSandbox } from '../../sandbox/aws-kms/server.ts';
import { sandboxClock } from '../../sandbox/clock.ts';
import { startTestDatabase } from '../../sandbox/dynamodb.ts';
import { Issuer } from '../access/issuer.ts';
import type { WireAnswer } from '../wire/answers.ts';
import { BASE_URL, deliver, loadHandlers } from './deliver.ts';
import type { RawRequest } from './deliver.ts';

export { BASE_URL };
export type { RawRequest };

/** Every function behind its routes in this process, with a database and an AWS KMS of their own. */
export interface TestApi {
  readonly issuer: Issuer;
  readonly kms: AwsKmsSandbox;
  /** Id of a connected CloudHSM key store in the sandbox, in us-east-1. */
  readonly customKeyStoreId: string;
  /** A token with these roles: `<role>` or `<role>@<vault id>`. */
  token(roles: readonly string[], claims?: JWTPayload): Promise<string>;
  /** Speaks to the functions as whoever has the token. Every answer is held against the OpenAPI document. */
  client(token: string): ApiClient;
  /** Sends a request as it is. The answer is held against the OpenAPI document where an operation gave it. */
  send(request: RawRequest): Promise<WireAnswer>;
  /** Every item of the table as text, in a stable order, without those of which `leaveOut` is true. */
  items(leaveOut?: (item: { readonly pk: string; readonly sk: string }) => boolean): Promise<readonly string[]>;
  close(): Promise<void>;
}

/**
 * Starts all that the functions need and loads them. Call it once per test file, before anything else imports a function: they read their
 * environment once.
 */
export async function startApi(environment: Readonly<Record<string, string>> = {}): Promise<TestApi> {
  const [database, issuer, kms] = await Promise.all([
    startTestDatabase(),
    Issuer.start(),
    startAwsKmsSandbox({ clock: sandboxClock(), accounts: [KEYSTORE_ACCOUNT, CUSTODY_ACCOUNT] }),
  ]);
  const custodyKeyId = 'alias/shearline-custody';
  const { accessKeyId, secretAccessKey } = CUSTODY_ACCOUNT;
  const aws = { region: CUSTODY_REGION, credentials: { accessKeyId, secretAccessKey } };
  await prepareCustody({ endpoint: kms.endpoint, aws, keyId: custodyKeyId, create: true });
  Object.assign(process.env, {
    TABLE_NAME: database.table,
    DYNAMODB_ENDPOINT: database.endpoint,
    CUSTODY_KEY_ID: custodyKeyId,
    OIDC_ISSUER: issuer.url,
    OIDC_AUDIENCE: 'shearline',
    AWS_ENDPOINT_URL_KMS: kms.endpoint,
    AWS_REGION: CUSTODY_REGION,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    DESTROY_COOL_DOWN_HOURS: '0',
    SETTLING_SECONDS: '0',
    RATE_LIMIT_PER_MINUTE: '0',
    POWERTOOLS_LOG_LEVEL: 'SILENT',
    ...environment,
  });
  const handlers = await loadHandlers();
  const send = (request: RawRequest) => deliver(handlers, request);
  const dynamodb = new DynamoDBClient({ endpoint: database.endpoint });
  return {
    issuer,
    kms,
    customKeyStoreId: kms.operator.seedCustomKeyStore('us-east-1', KEYSTORE_ACCOUNT.accountId, 'test'),
    token: (roles, claims = {}) => issuer.token({ roles: [...roles], ...claims }),
    client: (token) => inProcess(token, send),
    send,
    items: async (leaveOut = () => false) => {
      const found: string[] = [];
      for await (const page of paginateScan({ client: dynamodb }, { TableName: database.table })) {
        for (const item of page.Items ?? []) {
          if (!leaveOut({ pk: item['pk']?.S ?? '', sk: item['sk']?.S ?? '' })) found.push(inOrder(item));
        }
      }
      return found.sort();
    },
    close: async () => {
      dynamodb.destroy();
      await Promise.all([kms.close(), issuer.stop(), database.close()]);
    },
  };
}

/** What is in one of two listings of the table and not in the other. */
export function difference(before: readonly string[], after: readonly string[]): readonly string[] {
  const [was, is] = [new Set(before), new Set(after)];
  return [
    ...before.filter((item) => !is.has(item)).map((item) => `- ${item}`),
    ...after.filter((item) => !was.has(item)).map((item) => `+ ${item}`),
  ];
}

/** The database gives attributes in any order. */
function inOrder(item: object): string {
  return JSON.stringify(item, (_name, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

/** As `apiClient` of the sandbox, without a socket between. */
function inProcess(token: string, send: TestApi['send']): ApiClient {
  return {
    async send({ method, path, body, ifMatch, headers }) {
      const { pathname, search } = new URL(`${BASE_URL}/api/v4${path}`);
      const answer = await send({
        method,
        path: pathname,
        query: search.slice(1),
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
          ...headers,
        },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const given = Object.entries(answer.headers).flatMap(([name, value]): [string, string][] =>
        value === undefined ? [] : [[name, value]],
      );
      return {
        status: answer.status,
        headers: new Headers(given),
        etag: answer.headers['etag'],
        body: contentOf(answer),
      };
    },
  };
}

/** JSON parsed, bytes as they are, anything else as text; undefined for an empty body. */
function contentOf({ body, base64, headers }: WireAnswer): unknown {
  if (body === undefined || body === '') return undefined;
  if (base64 === true) return Buffer.from(body, 'base64');
  return /[/+]json\b/.test(headers['content-type'] ?? '') ? (JSON.parse(body) as unknown) : body;
}
