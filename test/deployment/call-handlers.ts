/**
 * Calls every handler of a package, in a process of its own without this project around it: the folder of the bundles is its only
 * argument, CALLS says which. Prints what each answered, as JSON on the last line.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';

interface Call {
  readonly name: string;
  readonly handler: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly routes: readonly string[];
}
type Handler = (event: unknown, context: object) => Promise<unknown>;

const [, , folder = ''] = process.argv;
const calls = JSON.parse(process.env['CALLS'] ?? '[]') as readonly Call[];
const own = { ...process.env };
const answers: { name: string; route: string; status?: number; answer?: string }[] = [];
const context = { getRemainingTimeInMillis: () => 20_000, awsRequestId: 'a-request' };

for (const { name, handler, environment, routes } of calls) {
  // What the package says, but for the database, which is here.
  const given = Object.fromEntries(Object.entries(environment).filter(([variable]) => own[variable] === undefined));
  Object.assign(process.env, given);
  process.chdir(join(folder, name));
  const [file, exported] = handler.split('.');
  const module = createRequire(import.meta.url)(join(folder, name, `${file ?? ''}.cjs`)) as Record<string, Handler>;
  const run = module[exported ?? ''];
  if (run === undefined) throw new Error(`${name} has no ${handler}.`);
  for (const route of routes.length === 0 ? [''] : routes) {
    try {
      const answer = await run(route === '' ? scheduledOrQueued() : request(route), context);
      const { statusCode, body } = (answer ?? {}) as { statusCode?: number; body?: string };
      answers.push({
        name,
        route,
        ...(statusCode === undefined ? {} : { status: statusCode }),
        answer: (body ?? JSON.stringify(answer ?? null)).slice(0, 300),
      });
    } catch (error) {
      answers.push({ name, route, answer: `thrown ${String(error)}` });
    }
  }
  for (const variable of Object.keys(given)) Reflect.deleteProperty(process.env, variable);
}
process.stdout.write(`\n${JSON.stringify(answers)}\n`, () => {
  process.exit();
});

/** What a schedule, a queue without messages and the bus have in common: every function without routes can take it. */
function scheduledOrQueued(): object {
  return {
    Records: [],
    version: '0',
    id: '6f0d4b7e-3c3c-4d2a-9d6e-0a7f5f1f2a10',
    source: 'aws.kms',
    'detail-type': 'KMS CMK Rotation',
    account: '111122223333',
    region: 'us-east-1',
    time: '2026-11-22T18:00:00Z',
    resources: ['arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab'],
    detail: { 'key-id': '1234abcd-12ab-34cd-56ef-1234567890ab' },
  };
}

/** As an HTTP API sends it, payload version 2.0, from a caller without a token. */
function request(route: string): object {
  const [method = 'GET', template = '/nowhere'] = route === '$default' ? ['GET', '/nowhere'] : route.split(' ');
  const path = template.replace('{id}', '0f6f1e1a-3c5b-4b1e-9d36-2f8e1c7a4b10').replace('{path+}', 'assets/none.js');
  return {
    version: '2.0',
    routeKey: route,
    rawPath: path,
    rawQueryString: '',
    headers: {
      accept: '*/*',
      'content-length': '0',
      host: 'abcde12345.execute-api.us-east-1.amazonaws.com',
      'user-agent': 'curl/8.5.0',
      'x-amzn-trace-id': 'Root=1-67409c5f-0a1b2c3d4e5f60718293a4b5',
      'x-forwarded-for': '198.51.100.7',
      'x-forwarded-port': '443',
      'x-forwarded-proto': 'https',
    },
    requestContext: {
      accountId: '111122223333',
      apiId: 'abcde12345',
      domainName: 'abcde12345.execute-api.us-east-1.amazonaws.com',
      domainPrefix: 'abcde12345',
      http: { method, path, protocol: 'HTTP/1.1', sourceIp: '198.51.100.7', userAgent: 'curl/8.5.0' },
      requestId: 'JKJaXmPLvHcESHA=',
      routeKey: route,
      stage: '$default',
      time: '22/Nov/2026:18:00:00 +0000',
      timeEpoch: 1_795_370_400_000,
    },
    pathParameters: template.includes('{id}') ? { id: '0f6f1e1a-3c5b-4b1e-9d36-2f8e1c7a4b10' } : {},
    isBase64Encoded: false,
  };
}
