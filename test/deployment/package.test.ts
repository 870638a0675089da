import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod/mini';
import { startTestDatabase } from '../../sandbox/dynamodb.ts';
import { loadHandlers } from '../functions/deliver.ts';
import type { Package } from './package.ts';
import { packageDeployment } from './package.ts';
import { circleIn, referencesIn, referencesOf } from './references.ts';

let made: Package;
beforeAll(async () => {
  made = await packageDeployment();
}, 240_000);
afterAll(() => {
  made.remove();
});

const STATEMENT = z.object({
  Effect: z.enum(['Allow', 'Deny']),
  Action: z.pipe(
    z.union([z.string(), z.array(z.string())]),
    z.transform((given: string | string[]) => [given].flat()),
  ),
  Resource: z.unknown(),
  Condition: z.optional(z.unknown()),
});
const ROLE = z.object({
  RoleName: z.optional(z.unknown()),
  AssumeRolePolicyDocument: z.object({
    Statement: z.array(z.object({ Principal: z.object({ Service: z.string() }), Action: z.string() })),
  }),
  Policies: z.array(z.object({ PolicyDocument: z.object({ Statement: z.array(STATEMENT) }) })),
});
const statementsOf = (properties: unknown) =>
  ROLE.parse(properties).Policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement);

describe('the template', () => {
  test('is within what CloudFormation takes', () => {
    expect(Object.keys(made.template.Resources).length).toBeLessThan(500);
    expect(Buffer.byteLength(made.text)).toBeLessThan(1_000_000);
    expect(Object.keys(made.template.Outputs).length).toBeLessThan(200);
    expect(made.text).not.toContain('${self:');
    expect(made.text).not.toContain('${env:');
  });

  test('speaks of nothing that it has not, in no circle', () => {
    const references = [...referencesOf(made), ...referencesIn(made.template.Outputs, 'Outputs')];
    const missing = references.filter(({ to, by }) =>
      by === 'Condition' ? !(to in made.template.Conditions) : !(to in made.template.Resources),
    );
    expect(missing).toEqual([]);
    expect(circleIn(references)).toBeUndefined();
  });

  test('speaks of what is there on a condition only where that condition holds', () => {
    const conditional = (id: string) => made.template.Resources[id]?.Condition;
    for (const { from, to, by } of referencesOf(made)) {
      if (by === 'Condition') continue;
      const condition = conditional(to);
      // These choose by Fn::If, or were chosen when the package was made.
      if (condition === undefined || condition === 'OwnCustodyKey') continue;
      expect(conditional(from), `${from} → ${to}`).toBe(condition);
    }
  });

  test('would show a circle and a missing resource', () => {
    const template = { Conditions: {}, Outputs: {} };
    const a = { Type: 'X', Properties: { P: { Ref: 'B' } } };
    const b = { Type: 'X', Properties: { P: { 'Fn::Sub': '${A.Arn} ${C}' } } };
    const references = referencesOf({ template: { ...template, Resources: { A: a, B: b } } });
    expect(references.map(({ to }) => to)).toEqual(['B', 'A', 'C']);
    expect(circleIn(references)).toEqual(['A', 'B', 'A']);
  });
});

describe('roles', () => {
  /** Actions that know no narrower resource than *. Source: the service authorization reference of each. */
  const RESOURCELESS = new Set([
    'dynamodb:ListStreams',
    'ec2:CreateNetworkInterface',
    'ec2:DeleteNetworkInterface',
    'ec2:DescribeNetworkInterfaces',
    'ec2:DescribeSubnets',
    'kms:CreateKey',
    'kms:ListAliases',
    'kms:ListKeys',
    'xray:PutTelemetryRecords',
    'xray:PutTraceSegments',
  ]);
  const roles = () => made.ofType('AWS::IAM::Role').map(([id, { Properties }]) => [id, Properties] as const);

  test('are one for each function, of its own', () => {
    const used = made.ofType('AWS::Lambda::Function').map(([id, { Properties }]) => {
      const role = z.object({ 'Fn::GetAtt': z.tuple([z.string(), z.literal('Arn')]) }).parse(Properties['Role']);
      return [made.nameOf(id), role['Fn::GetAtt'][0]];
    });
    expect(new Set(used.map(([, role]) => role)).size).toBe(used.length);
    for (const [, role] of used) expect(Object.keys(made.template.Resources)).toContain(role);
    expect(Object.keys(made.template.Resources)).not.toContain('IamRoleLambdaExecution');
  });

  test('name each action, and each resource that can be named', () => {
    for (const [id, properties] of roles()) {
      for (const { Effect, Action, Resource } of statementsOf(properties)) {
        for (const action of Action) expect(action, id).toMatch(/^[a-z0-9]+:[A-Za-z0-9]+$/);
        if (Effect === 'Deny') continue;
        for (const resource of [Resource].flat()) {
          if (resource !== '*') continue;
          for (const action of Action) expect(RESOURCELESS, `${id}: ${action} on *`).toContain(action);
        }
      }
    }
  });

  test('are assumed by the one service that needs them', () => {
    for (const [id, properties] of roles()) {
      const services = ROLE.parse(properties).AssumeRolePolicyDocument.Statement.map(
        ({ Principal }) => Principal.Service,
      );
      expect(services, id).toEqual([id === 'SchedulerRole' ? 'scheduler.amazonaws.com' : 'lambda.amazonaws.com']);
    }
  });

  test('that write records cannot alter the audit trail', () => {
    for (const [id, properties] of roles()) {
      const statements = statementsOf(properties);
      if (!statements.some(({ Effect, Action }) => Effect === 'Allow' && Action.includes('dynamodb:PutItem'))) continue;
      const denied = statements.find(({ Effect }) => Effect === 'Deny');
      expect(denied?.Action, id).toEqual(['dynamodb:DeleteItem', 'dynamodb:UpdateItem']);
      expect(JSON.stringify(denied?.Condition)).toContain('"AUDIT#*"');
    }
  });

  test('touch the custody key for the purpose only that they have', () => {
    for (const [id, properties] of roles()) {
      for (const { Action, Resource, Condition } of statementsOf(properties)) {
        if (!JSON.stringify(Resource).includes('CustodyKey') || id === 'Pkcs11Role') continue;
        // Whether it is there and can be used says nothing of what is kept under it.
        if (Action.join() === 'kms:DescribeKey') continue;
        expect(JSON.stringify(Condition), id).toMatch(
          /"kms:EncryptionContext:shearline:purpose":"(?:key-material|keystore-credentials)"/,
        );
        for (const action of Action) expect(action).toMatch(/^kms:(?:Decrypt|Encrypt|GenerateDataKey(?:Pair)?)$/);
      }
    }
  });

  test('that make key material are few, and are told by name', () => {
    const makers = roles().flatMap(([id, properties]) =>
      statementsOf(properties).some(({ Action }) => Action.includes('kms:GenerateDataKeyPair')) ? [id] : [],
    );
    expect(makers.toSorted()).toEqual(['KeyCreateRole', 'LifecycleRole', 'RotateRole']);
  });
});

describe('the custody key', () => {
  const POLICY = z.object({
    Statement: z.array(z.object({ Sid: z.string(), Action: z.array(z.string()), Condition: z.optional(z.unknown()) })),
  });
  const USE = ['kms:Decrypt', 'kms:Encrypt', 'kms:GenerateDataKey', 'kms:GenerateDataKeyPair'];

  test('is administered by those who cannot use it, and used by those who cannot administer it', () => {
    const policy = POLICY.parse(made.template.Resources['CustodyKey']?.Properties['KeyPolicy']);
    const [administration, use] = policy.Statement;
    expect(policy.Statement.map(({ Sid }) => Sid)).toEqual(['Administration', 'UseByFunctions']);
    expect(use?.Action.toSorted()).toEqual([...USE, 'kms:DescribeKey'].toSorted());
    for (const action of administration?.Action ?? []) {
      expect(action).not.toMatch(/\*|kms:(?:Decrypt|Encrypt|ReEncrypt|GenerateDataKey|CreateGrant|Sign)/);
    }
    // Without these, nobody could ever change or end it.
    expect(administration?.Action).toEqual(expect.arrayContaining(['kms:PutKeyPolicy', 'kms:CancelKeyDeletion']));
  });

  test('is used by exactly the functions whose roles say so too', () => {
    const users = JSON.stringify(
      POLICY.parse(made.template.Resources['CustodyKey']?.Properties['KeyPolicy']).Statement[1]?.Condition,
    );
    const named = [...users.matchAll(/role\/shearline-dev-\$\{AWS::Region\}-([a-z0-9-]+)/g)].map(([, name]) => name);
    const needing = made.ofType('AWS::Lambda::Function').flatMap(([id, { Properties }]) => {
      const [role = ''] = (Properties['Role'] as { 'Fn::GetAtt': readonly string[] })['Fn::GetAtt'];
      const text = JSON.stringify(made.template.Resources[role]?.Properties);
      return text.includes('CustodyKey') ? [made.nameOf(id)] : [];
    });
    expect(named.toSorted()).toEqual(needing.toSorted());
  });
});

describe('what keeps data', () => {
  const properties = (id: string) => made.template.Resources[id]?.Properties ?? {};

  test('outlives the stack', () => {
    for (const type of ['AWS::DynamoDB::Table', 'AWS::KMS::Key', 'AWS::KMS::Alias']) {
      for (const [id, resource] of made.ofType(type)) {
        expect([resource.DeletionPolicy, resource.UpdateReplacePolicy], id).toEqual(['Retain', 'Retain']);
      }
    }
    expect(properties('Table')).toMatchObject({
      DeletionProtectionEnabled: true,
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true, RecoveryPeriodInDays: 35 },
      StreamSpecification: { StreamViewType: 'NEW_AND_OLD_IMAGES' },
      TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: true },
      BillingMode: 'PAY_PER_REQUEST',
    });
    for (const [, { Properties }] of made.ofType('AWS::KMS::Key')) {
      expect(Properties).toMatchObject({ EnableKeyRotation: true, PendingWindowInDays: 30 });
    }
  });

  test('is encrypted', () => {
    expect(properties('Table')['SSESpecification']).toEqual({
      SSEEnabled: true,
      SSEType: 'KMS',
      KMSMasterKeyId: { Ref: 'DataKey' },
    });
    for (const [id, { Properties }] of made.ofType('AWS::Logs::LogGroup')) {
      expect(Properties['KmsKeyId'], id).toEqual({ 'Fn::GetAtt': ['DataKey', 'Arn'] });
      expect(Properties['RetentionInDays'], id).toBe(90);
      expect(Properties['LogGroupName'], id).toMatch(/^\/aws\/(?:lambda|http-api)\/shearline-dev/);
    }
    for (const [id, { Properties }] of made.ofType('AWS::SQS::Queue')) {
      expect(Properties['SqsManagedSseEnabled'] === true || 'KmsMasterKeyId' in Properties, id).toBe(true);
    }
    for (const [id, { Properties }] of made.ofType('AWS::SNS::Topic'))
      expect(Properties, id).toHaveProperty('KmsMasterKeyId');
    for (const [id, { Properties }] of made.ofType('AWS::S3::Bucket'))
      expect(Properties, id).toHaveProperty('BucketEncryption');
  });
});

describe('queues', () => {
  test('have their dead letters, or are where those go', () => {
    const queues = made.ofType('AWS::SQS::Queue');
    const dead = new Set(
      referencesIn(
        queues.map(([, { Properties }]) => Properties['RedrivePolicy']),
        '',
      ).map(({ to }) => to),
    );
    const failures = new Set(
      ['AWS::Lambda::EventInvokeConfig', 'AWS::Lambda::EventSourceMapping']
        .flatMap((type) => made.ofType(type))
        .flatMap(([id, { Properties }]) => referencesIn(Properties['DestinationConfig'], id).map(({ to }) => to)),
    );
    for (const [id, { Properties }] of queues) {
      expect('RedrivePolicy' in Properties || dead.has(id) || failures.has(id), id).toBe(true);
      // As long as SQS keeps anything: until a person has looked.
      if (dead.has(id) || failures.has(id)) expect(Properties['MessageRetentionPeriod'], id).toBe(1_209_600);
    }
  });

  test('are read by functions that may read them', () => {
    for (const [id, { Properties }] of made.ofType('AWS::Lambda::EventSourceMapping')) {
      if (JSON.stringify(Properties['EventSourceArn']).includes('StreamArn')) continue;
      const [queue, reader] = [Properties['EventSourceArn'], Properties['FunctionName']].map(
        (value) => referencesIn(value, '')[0]?.to ?? '',
      );
      const role = referencesIn(made.template.Resources[reader ?? '']?.Properties['Role'], '')[0]?.to ?? '';
      const granted = statementsOf(made.template.Resources[role]?.Properties).find(({ Action }) =>
        Action.includes('sqs:ReceiveMessage'),
      );
      expect(granted?.Action, id).toContain('sqs:DeleteMessage');
      expect(granted?.Resource, id).toEqual({ 'Fn::GetAtt': [queue, 'Arn'] });
    }
  });
});

describe('what is watched', () => {
  const ALARM = z.object({
    AlarmName: z.string(),
    AlarmDescription: z.string(),
    Namespace: z.string(),
    MetricName: z.string(),
    AlarmActions: z.tuple([z.unknown()]),
    Dimensions: z.array(z.object({ Name: z.string(), Value: z.unknown() })),
  });
  const alarms = () => made.ofType('AWS::CloudWatch::Alarm').map(([, { Properties }]) => ALARM.parse(Properties));

  test('is every function, every queue of failures, the table, the API and the work', () => {
    const watched = (metric: string) =>
      alarms().flatMap(({ MetricName, Dimensions }) =>
        MetricName === metric ? referencesIn(Dimensions, '').map(({ to }) => to) : [],
      );
    // The HSM's function is there on a condition; its callers tell of its failures.
    const functions = made
      .ofType('AWS::Lambda::Function')
      .flatMap(([id, { Condition }]) => (Condition === undefined ? [id] : []));
    expect(watched('Errors').toSorted()).toEqual(functions.toSorted());
    expect(watched('Throttles').toSorted()).toEqual(functions.toSorted());
    const dead = made
      .ofType('AWS::SQS::Queue')
      .flatMap(([id, { Properties }]) => ('RedrivePolicy' in Properties ? [] : [id]));
    expect(watched('ApproximateNumberOfMessagesVisible').toSorted()).toEqual(dead.toSorted());
    for (const alarm of alarms()) expect(alarm.AlarmActions).toEqual([{ Ref: 'AlarmTopic' }]);
  });

  test('is shown on the dashboard, of resources that exist', () => {
    const body = made.template.Resources['Dashboard']?.Properties['DashboardBody'] as { 'Fn::Sub': string };
    const { widgets } = JSON.parse(body['Fn::Sub']) as { widgets: { properties: { title: string } }[] };
    expect(widgets.map(({ properties }) => properties.title)).toContain('Work in keystores');
  });
});

describe('routes', () => {
  test('are those that a local start and the tests have', async () => {
    const packaged = made.ofType('AWS::ApiGatewayV2::Route').map(([, { Properties }]) => {
      const key = String(Properties['RouteKey']);
      return key === '$default' ? '*' : key;
    });
    expect(packaged.toSorted()).toEqual([...(await loadHandlers()).keys()].toSorted());
  });

  test('let the browser of nobody else in, and many callers at once only so far', () => {
    expect(made.template.Resources['HttpApi']?.Properties).not.toHaveProperty('CorsConfiguration');
    expect(made.template.Resources['HttpApiStage']?.Properties['DefaultRouteSettings']).toMatchObject({
      ThrottlingRateLimit: 1000,
    });
  });
});

describe('each bundle', () => {
  const files = (name: string) => Object.entries(made.bundles.get(name) ?? {}).filter(([path]) => !path.endsWith('/'));

  test('is there for each function, and for nothing else', () => {
    const functions = made
      .ofType('AWS::Lambda::Function')
      .flatMap(([id, { Properties }]) => (Properties['PackageType'] === 'Image' ? [] : [made.nameOf(id)]));
    expect([...made.bundles.keys()].toSorted()).toEqual(functions.toSorted());
  });

  test('has the function, its map, and the files that it serves', () => {
    for (const name of made.bundles.keys()) {
      const others = files(name)
        .map(([path]) => path)
        .filter((path) => !/^functions\/[a-z0-9-]+\.cjs(?:\.map)?$/.test(path));
      const served =
        name === 'openapi' ? /^node_modules\/swagger-ui-dist\// : name === 'console' ? /^console\/dist\// : /^$/;
      for (const path of others) expect(path, name).toMatch(served);
      expect(
        files(name).filter(([path]) => path.endsWith('.cjs')),
        name,
      ).toHaveLength(1);
    }
  });

  test('is made of this project’s functions and lib, and of packages: no sandbox, no test, no source within', () => {
    for (const name of made.bundles.keys()) {
      const map = files(name).find(([path]) => path.endsWith('.cjs.map'));
      const { sources, sourcesContent } = JSON.parse(Buffer.from(map?.[1] ?? []).toString()) as {
        sources: string[];
        sourcesContent?: unknown;
      };
      expect(sourcesContent, name).toBeUndefined();
      const own = sources
        .map((source) => made.sourceOf(source))
        .filter((source) => !source.startsWith('node_modules/'));
      expect(own, name).not.toHaveLength(0);
      for (const source of own) expect(source, name).toMatch(/^(?:functions|lib)\/[a-z0-9/.-]+\.ts$/);
      expect(sources.join('\n'), name).not.toMatch(/pkcs11js|dynoxide|sandbox\//);
    }
  });

  test('is small, and has no secret in it', () => {
    for (const name of made.bundles.keys()) {
      const code = files(name).find(([path]) => path.endsWith('.cjs'))?.[1] ?? new Uint8Array();
      expect(code.length, name).toBeLessThan(2_500_000);
      expect(Buffer.from(code).toString(), name).not.toMatch(/-----BEGIN [A-Z ]*PRIVATE KEY-----\n|AKIA[A-Z0-9]{16}/);
    }
  });
});

describe('each handler in the package', () => {
  const DRIVER = fileURLToPath(new URL('call-handlers.ts', import.meta.url));
  const ANSWERS = z.array(
    z.object({ name: z.string(), route: z.string(), status: z.optional(z.int()), answer: z.optional(z.string()) }),
  );

  test('answers a real event, with nothing near it but its own files', async () => {
    const database = await startTestDatabase();
    try {
      const routes = new Map<string, string[]>();
      for (const [, { Properties }] of made.ofType('AWS::ApiGatewayV2::Route')) {
        const integration = referencesIn(Properties['Target'], '')[0]?.to ?? '';
        const target =
          referencesIn(made.template.Resources[integration]?.Properties['IntegrationUri'], '')[0]?.to ?? '';
        const name = made.nameOf(target);
        routes.set(name, [...(routes.get(name) ?? []), String(Properties['RouteKey'])]);
      }
      const names = [...made.bundles.keys()];
      const calls = names.map((name) => {
        const id = made.ofType('AWS::Lambda::Function').find(([each]) => made.nameOf(each) === name)?.[0] ?? '';
        const properties = made.template.Resources[id]?.Properties ?? {};
        const environment = z.object({ Variables: z.record(z.string(), z.string()) }).parse(properties['Environment']);
        return {
          name,
          handler: String(properties['Handler']),
          environment: environment.Variables,
          routes: routes.get(name) ?? [],
        };
      });
      const { stdout } = await promisify(execFile)(process.execPath, [DRIVER, made.folder], {
        cwd: made.folder,
        maxBuffer: 50_000_000,
        env: {
          PATH: process.env['PATH'],
          CALLS: JSON.stringify(calls),
          TABLE_NAME: database.table,
          DYNAMODB_ENDPOINT: database.endpoint,
          AWS_REGION: 'us-east-1',
          AWS_ACCESS_KEY_ID: 'of-the-role',
          AWS_SECRET_ACCESS_KEY: 'of-the-role',
        },
      });
      const answers = ANSWERS.parse(JSON.parse(stdout.slice(stdout.indexOf('\n[') + 1)));
      expect(new Set(answers.map(({ name }) => name))).toEqual(new Set(names));
      for (const { name, route, status, answer } of answers) {
        const open = /openapi|docs|^GET \/console|well-known|health/.test(route);
        if (route === '') expect(answer, name).not.toMatch(/^thrown/);
        else if (open) expect([200, 302, 307, 404], `${name} ${route} ${answer ?? ''}`).toContain(status);
        else if (name === 'not-found') expect([status, answer]).toEqual([404, expect.stringContaining('"not_found"')]);
        else expect([status, answer], `${name} ${route}`).toEqual([401, expect.stringContaining('"unauthenticated"')]);
      }
    } finally {
      await database.close();
    }
  }, 60_000);
});

test('every alarm is explained in docs/operate.md', () => {
  const text = readFileSync(new URL('../../docs/operate.md', import.meta.url), 'utf8');
  const explained = new Set([...text.matchAll(/^### `([A-Za-z]+)`/gm)].map(([, name]) => name));
  const general = /(?:Errors|Throttles|Depth)$/;
  for (const [, { Properties }] of made.ofType('AWS::CloudWatch::Alarm')) {
    const name = String(Properties['AlarmName']).replace('shearline-dev-', '');
    const title = general.exec(name)?.[0] ?? name;
    expect(explained, name).toContain(name === 'ServerErrors' || name === 'TableThrottles' ? name : title);
  }
});
