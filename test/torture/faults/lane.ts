import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { BatchWriteCommand, DynamoDBDocumentClient, paginateScan } from '@aws-sdk/lib-dynamodb';
import { KMSClient } from '@aws-sdk/client-kms';
import type { Custody } from '../../../lib/deployment.ts';
import { openCustody } from '../../../lib/material/custody.ts';
import { Database } from '../../../lib/records/database.ts';
import type { RawItem } from '../../../lib/records/database.ts';
import { CUSTODY_ACCOUNT, CUSTODY_REGION } from '../../../sandbox/aws-accounts.ts';
import { startFunctions } from './functions.ts';
import type { FunctionProcess } from './functions.ts';
import { CUSTODY_KEY, custodyEnvironment } from './ground.ts';
import type { Ground, LaneAccount } from './ground.ts';
import { Stage } from './stage.ts';
import { startWireProxy } from './wire-proxy.ts';
import type { WireProxy } from './wire-proxy.ts';

/** One case after another is played here: a table, an AWS account and a proxy of its own, and functions that call through it. */
export class Lane {
  readonly proxy: WireProxy;
  readonly table: string;
  readonly #ground: Ground;
  readonly #account: LaneAccount;
  readonly #documents: DynamoDBDocumentClient;
  readonly #custodyClient: KMSClient;
  readonly #custody: Custody;
  readonly #said: (text: string) => void;
  #functions: Promise<FunctionProcess>;

  private constructor(ground: Ground, number: number, proxy: WireProxy, said: (text: string) => void) {
    const account = ground.accounts[number];
    if (account === undefined) throw new Error('There are fewer lanes than that.');
    this.#ground = ground;
    this.#account = account;
    this.proxy = proxy;
    this.table = ground.tableOf(number);
    this.#said = said;
    const client = new DynamoDBClient({
      endpoint: ground.dynamodb,
      region: CUSTODY_REGION,
      credentials: CUSTODY_ACCOUNT,
    });
    this.#documents = DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
    this.#custodyClient = new KMSClient({
      // What it hands out to whoever prepares and recovers is a canary too.
      endpoint: proxy.endpoint,
      region: CUSTODY_REGION,
      credentials: CUSTODY_ACCOUNT,
    });
    this.#custody = openCustody({ custodyKeyId: CUSTODY_KEY, kms: this.#custodyClient });
    this.#functions = this.#startFunctions();
  }

  /** `said` gets all that its functions print. */
  static async open(ground: Ground, number: number, said: (text: string) => void): Promise<Lane> {
    const proxy = await startWireProxy({ DynamoDB: ground.dynamodb, KMS: ground.kms.endpoint });
    return new Lane(ground, number, proxy, said);
  }

  #startFunctions(): Promise<FunctionProcess> {
    const environment = {
      TABLE_NAME: this.table,
      DYNAMODB_ENDPOINT: this.proxy.endpoint,
      AWS_ENDPOINT_URL_KMS: this.proxy.endpoint,
      CUSTODY_KEY_ID: CUSTODY_KEY,
      OIDC_ISSUER: this.#ground.issuer.url,
      OIDC_AUDIENCE: 'shearline',
      DESTROY_COOL_DOWN_HOURS: '0',
      SETTLING_SECONDS: '0',
      POWERTOOLS_LOG_LEVEL: 'DEBUG',
      ...custodyEnvironment(),
    };
    const starting = startFunctions(environment, this.#ground.compiled, this.#said);
    // Whoever asks for them is told.
    starting.catch(() => undefined);
    return starting;
  }

  /** Functions that are ready for a request. */
  functions(): Promise<FunctionProcess> {
    return this.#functions;
  }

  /** Ends the process that has served so far, if it still lives, and lets another one come up meanwhile. */
  replaceFunctions(): void {
    const before = this.#functions;
    this.#functions = this.#startFunctions();
    before.then(
      (functions) => {
        functions.kill();
      },
      () => undefined,
    );
  }

  /** An empty stage: whatever an earlier case has left is gone. */
  async stage(): Promise<Stage> {
    const { kms } = this.#ground;
    for (const { arn } of kms.operator.keys({ accountId: this.#account.accountId })) kms.operator.purge(arn);
    const keys = (await this.items()).map(({ pk, sk }) => ({ pk, sk }));
    for (let start = 0; start < keys.length; start += 25) {
      const requests = keys.slice(start, start + 25).map((Key) => ({ DeleteRequest: { Key } }));
      await this.#documents.send(new BatchWriteCommand({ RequestItems: { [this.table]: requests } }));
    }
    const database = new Database(this.#documents, this.table);
    return new Stage({ database, custody: this.#custody, kms, account: this.#account });
  }

  /** Every item of the table. */
  async items(): Promise<RawItem[]> {
    const found: RawItem[] = [];
    for await (const page of paginateScan(
      { client: this.#documents },
      { TableName: this.table, ConsistentRead: true },
    )) {
      found.push(...(page.Items ?? []));
    }
    return found;
  }

  async close(): Promise<void> {
    const functions = await this.#functions;
    functions.kill();
    await functions.ended;
    await this.proxy.close();
    this.#documents.destroy();
    this.#custodyClient.destroy();
  }
}
