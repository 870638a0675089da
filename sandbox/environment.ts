import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { apiClient } from './api-client.ts';
import { buildConsole, consoleFolder } from '../console/build.ts';
import { startAwsKmsSandbox } from './aws-kms/server.ts';
import type { AwsKmsSandbox } from './aws-kms/server.ts';
import {
  KEYSTORE_ACCOUNT,
  PLAIN_ACCESS_KEY,
  CUSTODY_ACCOUNT,
  CUSTODY_REGION,
  prepareCustody,
  REGIONS,
} from './aws-accounts.ts';
import type { AwsCredentials } from './aws-accounts.ts';
import { sandboxClock } from './clock.ts';
import { startControl } from './control.ts';
import { mapStream } from './dynamodb-stream.ts';
import { createTable, DEFAULT_TABLE, startDynamoDb } from './dynamodb.ts';
import { readEndpoints, removeEndpoints, writeEndpoints } from './endpoints.ts';
import { LOCAL_RULES, OWN_BUS } from './event-bridge/rules.ts';
import { startEventBridge } from './event-bridge/server.ts';
import type { Endpoints } from './endpoints.ts';
import { startFunctions } from './functions.ts';
import type { LocalFunctions } from './functions.ts';
import { startInbox } from './inbox/server.ts';
import type { Inbox } from './inbox/server.ts';
import { AUDIENCE, ROLES, startIssuer } from './issuer.ts';
import type { LocalIssuer } from './issuer.ts';
import { lockFolder } from './lock.ts';
import { otherCloudEnvironment, startOtherClouds } from './other-clouds.ts';
import type { OtherClouds } from './other-clouds.ts';
import { openLocalHsm } from './pkcs11/local-hsm.ts';
import type { LocalHsm } from './pkcs11/local-hsm.ts';
import { freePort, LOOPBACK, requireFreePort } from './ports.ts';
import { scanNow } from './scan.ts';
import type { Settings } from './settings.ts';
import { mapEventSource } from './sqs/event-source-mapping.ts';
import { deadLetterQueueOf, LOCAL_QUEUES } from './sqs/queues.ts';
import { startSqs } from './sqs/server.ts';
import { messageOf, StartProblem } from './start-problem.ts';
import { STREAM_TARGETS } from './stream-targets.ts';

export interface EnvironmentOptions {
  readonly settings: Settings;
  /** Where everything is kept; undefined: in memory, gone at the end. */
  readonly dataFolder: string | undefined;
  /** Whether scan and resume run by themselves, every minute. */
  readonly schedules: boolean;
  /** Whether functions are rebuilt when their source changes. */
  readonly reload: boolean;
  /** Whether the web console is built, where its source has changed, and served. Default: not. */
  readonly console?: boolean;
  /** Told of each part that is up, as a sentence. */
  readonly progress?: (sentence: string) => void;
  /** Told what the functions report as errors, line by line. */
  readonly complain?: (line: string) => void;
}

/** Shearline and everything that it needs, running on this machine. */
export interface Environment {
  readonly endpoints: Endpoints;
  /** The sandbox of AWS KMS; undefined when another one was given. */
  readonly kms: AwsKmsSandbox | undefined;
  /** Id of the CloudHSM-backed custom key store in the sandbox. */
  readonly customKeyStoreId: string | undefined;
  /** What connecting keystores in the sandboxes of Azure, Google and IBM, and in the HSM, takes, without vault; none when AWS KMS was given. */
  readonly otherKeystores: OtherClouds['keystores'];
  /** Undefined where SoftHSM 2 is not installed, or another library was given. */
  readonly hsm: LocalHsm | undefined;
  /** What subscribers get. */
  readonly inbox: Inbox;
  /** A token of the local issuer. Throws when another issuer was given. */
  mint(options: Parameters<LocalIssuer['mint']>[0]): Promise<string>;
  /** Invokes a function as its schedule would; answers its result, throws what it threw. */
  invoke(name: string, event?: unknown): Promise<unknown>;
  /** Has every keystore swept, as the schedule and the queue do, and waits for the end. */
  scan(): Promise<void>;
  /** Makes `endpoints.json` appear in the data folder. */
  announce(): void;
  /** Resolves with a sentence when a part has ended by itself. */
  readonly broken: Promise<string>;
  /** Stops everything; resolves when nothing is left. May be called again. */
  stop(): Promise<void>;
}

/** What a schedule sends, as far as a function may look at it. */
const SCHEDULED = { source: 'aws.scheduler', 'detail-type': 'Scheduled Event', detail: {} };

/**
 * Starts DynamoDB, the clouds, the issuer and the functions, each on the loopback interface, and waits until they answer. What the
 * settings give is used instead of its stand-in. Throws a `StartProblem` for whatever a user can mend, with everything stopped again.
 */
export async function startEnvironment(options: EnvironmentOptions): Promise<Environment> {
  const running = new Running();
  try {
    return await start(options, running);
  } catch (error) {
    await running.stop();
    throw error;
  }
}

/** What has been started so far, and how it ends. */
class Running {
  readonly #stops: (() => Promise<void> | void)[] = [];
  readonly #given = new AbortController();
  #stopping: Promise<void> | undefined;

  /** Aborts when the end begins: for what is still starting. */
  get signal(): AbortSignal {
    return this.#given.signal;
  }

  /** What comes up too late is stopped at once. */
  async add(stop: () => Promise<void> | void): Promise<void> {
    if (this.isStopping) await stop();
    else this.#stops.push(stop);
  }

  /** Stops all in the opposite order: whoever calls ends before what it calls. */
  stop(): Promise<void> {
    this.#given.abort();
    this.#stopping ??= (async () => {
      for (const stop of this.#stops.toReversed()) await stop();
    })();
    return this.#stopping;
  }

  get isStopping(): boolean {
    return this.#stopping !== undefined;
  }
}

async function start(options: EnvironmentOptions, running: Running): Promise<Environment> {
  const { settings, dataFolder, progress = () => undefined, complain = () => undefined } = options;
  const fileOf = (name: string) => (dataFolder === undefined ? undefined : join(dataFolder, name));
  const killed = dataFolder !== undefined && (await takeFolder(dataFolder, running));

  const ports = await choosePorts(settings, killed);
  const api = `http://${LOOPBACK}:${ports.api}`;
  const table = settings.table ?? DEFAULT_TABLE;
  const dynamodbEndpoint = settings.dynamodbEndpoint ?? `http://${LOOPBACK}:${ports.dynamodb}`;
  const kmsEndpoint = settings.kmsEndpoint ?? `http://${LOOPBACK}:${ports.awsKms}`;
  const issuerUrl = settings.issuer ?? `http://${LOOPBACK}:${ports.issuer}`;
  const aws = settings.kmsEndpoint === undefined ? sandboxIdentity() : givenIdentity(settings);
  const custodyKeyId = settings.custodyKeyId ?? 'alias/shearline-custody';
  const hsm =
    settings.kmsEndpoint === undefined ? await startHsm(settings, fileOf('pkcs11'), running, progress) : undefined;

  const local: { functions?: LocalFunctions } = {};
  const invoke = (name: string, event: unknown): Promise<unknown> => {
    if (local.functions === undefined) throw new Error('The functions are not ready yet.');
    return local.functions.invoke(name, event);
  };
  const bus = await startEventBridge({
    port: ports.eventBridge,
    rules: LOCAL_RULES,
    buses: [OWN_BUS],
    invoke: async (name, event) => invoke(name, event),
    complain,
  });
  await running.add(() => bus.close());
  const inbox = await startInbox({ port: ports.sns });
  await running.add(() => inbox.close());

  const startDatabase = async (): Promise<{ ended: Promise<unknown> | undefined }> => {
    let ended: Promise<unknown> | undefined;
    if (settings.dynamodbEndpoint === undefined) {
      const dataFile = fileOf('dynamodb.db');
      const database = await startDynamoDb({ port: ports.dynamodb, ...(dataFile === undefined ? {} : { dataFile }) });
      await running.add(() => database.close());
      ended = database.exited;
    }
    await createTable({ endpoint: dynamodbEndpoint, table, region: aws.region, credentials: aws.credentials });
    progress(`DynamoDB      ${dynamodbEndpoint}  table ${table}`);
    // In an object: a promise that is returned would be waited for.
    return { ended };
  };

  const startClouds = async () => {
    if (settings.kmsEndpoint !== undefined) {
      await prepareCustody({
        endpoint: kmsEndpoint,
        aws,
        keyId: custodyKeyId,
        create: settings.custodyKeyId === undefined,
      });
      progress(`AWS KMS       ${kmsEndpoint}  (given)`);
      return undefined;
    }
    const clock = sandboxClock();
    const stateFile = fileOf('aws-kms.json');
    const kms = await startAwsKmsSandbox({
      port: ports.awsKms,
      clock,
      accounts: [KEYSTORE_ACCOUNT, PLAIN_ACCESS_KEY, CUSTODY_ACCOUNT],
      ...(stateFile === undefined ? {} : { stateFile }),
    });
    await running.add(() => kms.close());
    const others = await startOtherClouds({ ports, clock, fileOf });
    await running.add(() => others.close());
    const control = await startControl({
      port: ports.control,
      clock,
      sandboxes: { aws_kms: kms, event_bridge: bus, inbox, ...others.sandboxes },
    });
    await running.add(() => control.close());
    await prepareCustody({ endpoint: kmsEndpoint, aws, keyId: custodyKeyId, create: true });
    const customKeyStoreId = kms.operator.seedCustomKeyStore(
      REGIONS[0],
      KEYSTORE_ACCOUNT.accountId,
      'shearline-sandbox',
    );
    progress(`AWS KMS       ${kmsEndpoint}  ${REGIONS.join(', ')}, CloudHSM key store ${customKeyStoreId}`);
    progress(
      `Other clouds  Azure ${others.endpoints.azure_key_vault}, Google ${others.endpoints.google_kms}, IBM ${others.endpoints.ibm_cloud_kms}`,
    );
    return { kms, control: control.endpoint, customKeyStoreId, others };
  };

  const startLogin = async (): Promise<LocalIssuer | undefined> => {
    if (settings.issuer !== undefined) {
      await requireIssuer(settings.issuer);
      progress(`Issuer        ${settings.issuer}  (given)`);
      return undefined;
    }
    const keyFile = fileOf('issuer.json');
    const issuer = await startIssuer({ port: ports.issuer, ...(keyFile === undefined ? {} : { keyFile }) });
    await running.add(() => issuer.close());
    progress(`Issuer        ${issuer.url}`);
    return issuer;
  };

  const builtConsole = options.console === true ? consoleFolder() : undefined;
  const makeConsole = async (): Promise<string | null> => {
    if (builtConsole === undefined) return null;
    const began = performance.now();
    try {
      const done = await buildConsole(builtConsole, running.signal);
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      progress(`Console       ${api}/console${done ? `  built in ${seconds} s` : ''}`);
    } catch (error) {
      // Everything else works without it.
      if (!running.isStopping) complain(messageOf(error));
      return null;
    }
    return `${api}/console`;
  };

  const startApi = async () => {
    const functions = await startFunctions({
      port: ports.api,
      invokePort: ports.invoke,
      reload: options.reload,
      logFile: fileOf('functions.log'),
      complain,
      signal: running.signal,
      environment: {
        ...withoutAws(settings.environment),
        SETTLING_SECONDS: '0',
        RATE_LIMIT_PER_MINUTE: '0',
        DESTROY_COOL_DOWN_HOURS: '0',
        SCAN_RATE: 'rate(1 minute)',
        NOTICE_WINDOW_SECONDS: '2',
        SCHEDULES: String(options.schedules),
        PUBLIC_URL: api,
        ...given(settings.environment, FUNCTION_SETTINGS),
        // Our own issuer writes its tokens its own way.
        ...(settings.issuer === undefined ? { OIDC_AUDIENCE: AUDIENCE, OIDC_ROLES_CLAIM: 'roles' } : {}),
        TABLE_NAME: table,
        DYNAMODB_ENDPOINT: dynamodbEndpoint,
        OIDC_ISSUER: issuerUrl,
        ...(settings.issuer === undefined ? { OIDC_LOCAL: 'true' } : {}),
        ...(builtConsole === undefined ? {} : { CONSOLE_FOLDER: builtConsole }),
        CUSTODY_KEY_ID: custodyKeyId,
        AWS_ENDPOINT_URL_KMS: kmsEndpoint,
        AWS_ENDPOINT_URL_SQS: `http://${LOOPBACK}:${ports.sqs}`,
        DOCTOR_QUEUES: LOCAL_QUEUES.flatMap((queue) => [queue.name, deadLetterQueueOf(queue)]).join(' '),
        AWS_ENDPOINT_URL_EVENTBRIDGE: bus.endpoint,
        AWS_ENDPOINT_URL_SNS: inbox.endpoint,
        AWS_ENDPOINT_URL_LAMBDA: `http://${LOOPBACK}:${ports.invoke}`,
        AWS_REGION: aws.region,
        ...(settings.kmsEndpoint === undefined ? otherCloudEnvironment(ports) : {}),
        ...hsm?.environment,
        ...aws.environment,
      },
    });
    await running.add(() => functions.close());
    return functions;
  };

  const startQueues = async () => {
    const sqs = await startSqs({ port: ports.sqs, queues: LOCAL_QUEUES });
    await running.add(() => sqs.close());
    progress(`SQS           ${sqs.endpoint}  ${LOCAL_QUEUES.map(({ name }) => name).join(', ')}`);
    return sqs;
  };

  // Nobody waits for another: the functions know from the ports where everything will be.
  const [database, clouds, issuer, functions, sqs, consoleUrl] = await allOrNone(running, [
    startDatabase(),
    startClouds(),
    startLogin(),
    startApi(),
    startQueues(),
    makeConsole(),
  ]);
  local.functions = functions;
  progress(`EventBridge   ${bus.endpoint}  bus ${OWN_BUS}`);
  // A table of somebody else's is not made to have a stream.
  for (const target of settings.dynamodbEndpoint === undefined ? STREAM_TARGETS : []) {
    const mapping = await mapStream({
      place: { endpoint: dynamodbEndpoint, table, region: aws.region, credentials: aws.credentials },
      target,
      positionFile: fileOf(`stream-${target.function}.json`),
      invoke: async (name, event) => invoke(name, event),
      complain,
    });
    await running.add(() => mapping.close());
  }
  progress(`Notices       webhook ${inbox.webhook}, SNS topic ${inbox.topicArn}`);
  const endEvents = clouds?.kms.on('event', (event) => {
    bus.emit(event);
  });
  if (endEvents !== undefined) await running.add(endEvents);
  for (const queue of LOCAL_QUEUES) {
    const mapping = mapEventSource({
      endpoint: sqs.endpoint,
      queueUrl: sqs.urlOf(queue.name),
      queue,
      invoke: (name, event) => functions.invoke(name, event),
      complain,
    });
    await running.add(() => mapping.close());
  }

  const endpoints: Endpoints = {
    api,
    console: consoleUrl,
    issuer: issuerUrl,
    tokens: issuer === undefined ? {} : await tokensOf(issuer),
    dynamodb: { endpoint: dynamodbEndpoint, table },
    keystores: { aws_kms: kmsEndpoint, ...clouds?.others.endpoints },
    operators: clouds === undefined ? {} : { aws_kms: credentialsOf(KEYSTORE_ACCOUNT) },
    control: clouds?.control ?? null,
    functions: `http://${LOOPBACK}:${ports.invoke}`,
  };
  if (endpoints.tokens['all'] !== undefined) await warmUp(api, endpoints.tokens['all']);
  progress(`API           ${api}`);

  return {
    endpoints,
    kms: clouds?.kms,
    customKeyStoreId: clouds?.customKeyStoreId,
    otherKeystores: [...(clouds?.others.keystores ?? []), ...(hsm === undefined ? [] : [hsm.keystore])],
    hsm,
    inbox,
    mint: (wanted) => {
      if (issuer === undefined) throw new Error('Tokens come from the issuer that OIDC_ISSUER names');
      return issuer.mint(wanted);
    },
    invoke: (name, event = SCHEDULED) => functions.invoke(name, event),
    scan: async () => {
      await scanNow((name, event) => functions.invoke(name, event));
    },
    announce: () => {
      if (dataFolder !== undefined) writeEndpoints(dataFolder, endpoints);
    },
    broken: new Promise((resolve) => {
      const unlessStopped = (sentence: string) => {
        if (!running.isStopping) resolve(sentence);
      };
      void functions.exited.then((last) => {
        unlessStopped(`The functions have ended by themselves; they said last:\n${last}`);
      });
      void database.ended?.then(() => {
        unlessStopped('The embedded DynamoDB has ended by itself.');
      });
    }),
    stop: () => running.stop(),
  };
}

/** The HSM, where SoftHSM 2 is installed and no other library is given. */
async function startHsm(
  settings: Settings,
  folder: string | undefined,
  running: Running,
  progress: (sentence: string) => void,
): Promise<LocalHsm | undefined> {
  const given = settings.environment['PKCS11_LIBRARY'];
  if (given !== undefined && given !== '') {
    progress(`HSM           ${given}  (given)`);
    return undefined;
  }
  const hsm = openLocalHsm(folder);
  if ('why' in hsm) {
    progress(`HSM           none: ${hsm.why}`);
    return undefined;
  }
  await running.add(() => {
    hsm.close();
  });
  progress(`HSM           ${hsm.environment.PKCS11_LIBRARY}  token ${hsm.tokenLabel}`);
  return hsm;
}

/** Takes the folder for us. Answers whether whoever had it before was killed. */
async function takeFolder(folder: string, running: Running): Promise<boolean> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lock = lockFolder(folder);
  if (lock === undefined) {
    const other = readEndpoints(folder);
    throw new StartProblem(
      `Shearline is already running with the data in ${folder}${other === undefined ? '' : ` (${other.api})`}: stop that one first.`,
    );
  }
  await running.add(() => {
    lock.release();
  });
  const killed = readEndpoints(folder) !== undefined;
  removeEndpoints(folder);
  await running.add(() => {
    removeEndpoints(folder);
  });
  return killed;
}

async function choosePorts(settings: Settings, killed: boolean) {
  if (settings.port === 0) {
    return {
      api: await freePort(),
      issuer: await freePort(),
      invoke: await freePort(),
      dynamodb: await freePort(),
      awsKms: await freePort(),
      control: await freePort(),
      azureKeyVault: await freePort(),
      googleKms: await freePort(),
      ibmCloudKms: await freePort(),
      sqs: await freePort(),
      eventBridge: await freePort(),
      sns: await freePort(),
    };
  }
  const first = settings.port;
  const ports = {
    api: first,
    issuer: first + 1,
    invoke: first + 2,
    dynamodb: first + 3,
    awsKms: first + 4,
    control: first + 5,
    azureKeyVault: first + 6,
    googleKms: first + 7,
    ibmCloudKms: first + 8,
    sqs: first + 9,
    eventBridge: first + 10,
    sns: first + 11,
  };
  const standIn = { issuer: settings.issuer, dynamodb: settings.dynamodbEndpoint, awsKms: settings.kmsEndpoint };
  const needed: [number, string][] = [
    [ports.api, 'the API'],
    [ports.invoke, 'invoking functions'],
    [ports.sqs, 'SQS'],
    [ports.eventBridge, 'EventBridge'],
    [ports.sns, 'SNS'],
    ...(standIn.issuer === undefined ? [[ports.issuer, 'the issuer'] as [number, string]] : []),
    ...(standIn.dynamodb === undefined ? [[ports.dynamodb, 'DynamoDB'] as [number, string]] : []),
    ...(standIn.awsKms === undefined
      ? ([
          [ports.awsKms, 'AWS KMS'],
          [ports.control, 'the control port'],
          [ports.azureKeyVault, 'Azure Key Vault'],
          [ports.googleKms, 'Google Cloud KMS'],
          [ports.ibmCloudKms, 'IBM Cloud KMS'],
        ] as [number, string][])
      : []),
  ];
  // What a killed start has left behind is ending by itself.
  const patience = killed ? 3_000 : 0;
  for (const [port, use] of needed) await requireFreePort({ port, use, first }, patience);
  return ports;
}

/** All parts, or the first failure once the others have ended too. */
async function allOrNone<T extends readonly Promise<unknown>[]>(
  running: Running,
  parts: readonly [...T],
): Promise<{ -readonly [P in keyof T]: Awaited<T[P]> }> {
  try {
    return await Promise.all(parts);
  } catch (error) {
    await running.stop();
    await Promise.allSettled(parts);
    throw error;
  }
}

interface AwsIdentity {
  readonly region: string;
  readonly credentials: AwsCredentials;
  /** How the functions come to the same credentials. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

function sandboxIdentity(): AwsIdentity {
  const credentials = credentialsOf(CUSTODY_ACCOUNT);
  return {
    region: CUSTODY_REGION,
    credentials,
    environment: { AWS_ACCESS_KEY_ID: credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey },
  };
}

function givenIdentity({ environment }: Settings): AwsIdentity {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = environment;
  if (!accessKeyId || !secretAccessKey) {
    throw new StartProblem(
      'AWS_ENDPOINT_URL_KMS is given, so AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be given too: they are for the custody key there.',
    );
  }
  const sessionToken = environment['AWS_SESSION_TOKEN'];
  return {
    region: environment['AWS_REGION'] ?? environment['AWS_DEFAULT_REGION'] ?? 'us-east-1',
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) },
    environment: {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_SESSION_TOKEN: sessionToken,
    },
  };
}

function credentialsOf(account: { accessKeyId: string; secretAccessKey: string }) {
  return { accessKeyId: account.accessKeyId, secretAccessKey: account.secretAccessKey };
}

/** What of the functions' configuration a user may set for a local start too; the rest follows from what was started. */
const FUNCTION_SETTINGS = [
  'SETTLING_SECONDS',
  'RATE_LIMIT_PER_MINUTE',
  'DESTROY_COOL_DOWN_HOURS',
  'SCAN_CONCURRENCY',
  'SWEEP_QUOTA_PERCENT',
  'REPAIR_QUOTA_PERCENT',
  'PROVIDER_QUOTAS',
  'PROBE_EVERY_SWEEPS',
  'PUBLIC_URL',
  'SCAN_RATE',
  'NOTICE_WINDOW_SECONDS',
  'LOG_LEVEL',
] as const;

function given(environment: Readonly<Record<string, string | undefined>>, names: readonly string[]) {
  return Object.fromEntries(
    names.flatMap((name) =>
      environment[name] === undefined || environment[name] === '' ? [] : [[name, environment[name]]],
    ),
  );
}

/** A profile, an endpoint or a region of the user's own must not lead the functions to another AWS than the one meant. */
function withoutAws(environment: Readonly<Record<string, string | undefined>>) {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('AWS_')));
}

async function tokensOf(issuer: LocalIssuer): Promise<Record<string, string>> {
  const roles: [string, readonly string[]][] = [
    ['all', ROLES],
    ...ROLES.map((role): [string, string[]] => [role, [role]]),
  ];
  return Object.fromEntries(
    await Promise.all(
      roles.map(async ([name, claim]) => [
        name,
        await issuer.mint({ subject: `local-${name}`, roles: claim, expiresIn: MONTH }),
      ]),
    ),
  ) as Record<string, string>;
}

const MONTH = 30 * 86_400;

async function requireIssuer(url: string): Promise<void> {
  const discovery = `${url}/.well-known/openid-configuration`;
  try {
    const response = await fetch(discovery, { signal: AbortSignal.timeout(5_000) });
    if (!response.ok) throw new Error(`it answers ${response.status}`);
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error);
    throw new StartProblem(`OIDC_ISSUER=${url} cannot be used: ${discovery}: ${cause}.`, { cause: error });
  }
}

/** The first call of each function loads it; better now than under somebody's first try. */
async function warmUp(api: string, token: string): Promise<void> {
  const client = apiClient({ api, token });
  const deadline = Date.now() + 10_000;
  for (;;) {
    const answers = await Promise.allSettled(
      ['vaults', 'templates', 'keystores', 'managed_keys'].map((list) =>
        client.send({ method: 'GET', path: `/${list}?limit=1` }),
      ),
    );
    const failed = answers.find((answer) => answer.status === 'rejected' || answer.value.status !== 200);
    if (failed === undefined) return;
    if (Date.now() > deadline) {
      throw new StartProblem(
        `The API does not work: ${failed.status === 'rejected' ? messageOf(failed.reason) : `it answers ${failed.value.status} ${JSON.stringify(failed.value.body)}`}.`,
      );
    }
    await wait(200);
  }
}
