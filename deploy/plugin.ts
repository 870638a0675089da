import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { alarmsOf, dashboardOf } from './alarms.ts';
import type { Statement, Template } from './privileges.ts';
import { custodyUsers, roleNameOf, roleOf, rolesOf, schedulerRole } from './roles.ts';
import type { FunctionNeeds, Stack } from './roles.ts';

interface Resource {
  readonly Type: string;
  Properties: Record<string, unknown>;
  DependsOn?: readonly string[] | string;
}
interface FunctionConfig {
  role?: unknown;
  vpc?: unknown;
  reservedConcurrency?: number;
  readonly privileges?: readonly (string | Statement)[];
  readonly events?: readonly { readonly sqs?: { readonly arn: Template } }[];
  readonly destinations?: { readonly onFailure?: { readonly arn: Template } };
}
interface CompiledTemplate {
  Resources: Record<string, Resource>;
}
/** As much of the Serverless Framework as is used here. */
interface Serverless {
  readonly serviceDir: string;
  readonly service: {
    readonly service: string;
    readonly functions: Readonly<Record<string, FunctionConfig>>;
    readonly custom: {
      readonly custody: { readonly arn: string; readonly earlier: string };
      readonly vpc: { readonly subnets: string; readonly securityGroups: string };
      readonly reserved: string;
    };
    readonly provider: { readonly stage: string; compiledCloudFormationTemplate?: CompiledTemplate };
  };
  readonly configSchemaHandler: {
    defineFunctionProperties(provider: string, schema: object): void;
  };
  getProvider(name: 'aws'): {
    readonly naming: { getLogGroupLogicalId(name: string): string; getLambdaLogicalId(name: string): string };
  };
}

const list = (text: string): string[] => text.split(',').filter((each) => each !== '');

/**
 * What YAML cannot say once for all functions: a role for each, made of the privileges that it names; the custody key's users; logs
 * encrypted; alarms and the dashboard. And it builds the console before a package is made. Everything else of the deployment is in serverless.yml and in the files that it names.
 */
export default class Deployment {
  readonly hooks: Readonly<Record<string, () => void>>;
  readonly #serverless: Serverless;

  constructor(serverless: Serverless) {
    this.#serverless = serverless;
    serverless.configSchemaHandler.defineFunctionProperties('aws', {
      type: 'object',
      properties: { privileges: { type: 'array', items: { anyOf: [{ type: 'string' }, { type: 'object' }] } } },
    });
    this.hooks = {
      'before:package:initialize': () => {
        // A package must not lack its console, nor have that of another source. It is built anew only when something of it changed.
        execFileSync(process.execPath, [join(serverless.serviceDir, 'console/build.ts')], { stdio: 'inherit' });
      },
      'before:package:setupProviderConfiguration': () => {
        this.#assignRoles();
      },
      'after:aws:package:finalize:mergeCustomProviderResources': () => {
        this.#complete();
      },
    };
  }

  get #stack(): Stack {
    const { service, provider, custom } = this.#serverless.service;
    const { arn, earlier } = custom.custody;
    const current = arn === '' ? { 'Fn::GetAtt': ['CustodyKey', 'Arn'] } : arn;
    return { service, stage: provider.stage, custody: { current, earlier: list(earlier) } };
  }

  get #functions(): readonly (readonly [string, FunctionConfig])[] {
    return Object.entries(this.#serverless.service.functions);
  }

  #assignRoles(): void {
    const { vpc, reserved } = this.#serverless.service.custom;
    const unlimited = reserved === 'off';
    for (const [name, config] of this.#functions) {
      if (config.privileges === undefined) {
        throw new Error(`The function ${name} says no privileges in serverless.yml; [] are none.`);
      }
      config.role = { 'Fn::GetAtt': [roleOf(name), 'Arn'] };
      if (unlimited) delete config.reservedConcurrency;
      if (this.#isInVpc(config)) {
        config.vpc = { subnetIds: list(vpc.subnets), securityGroupIds: list(vpc.securityGroups) };
      }
    }
  }

  /** Only functions that reach keystores: the others have nothing to look for in a private network. */
  #isInVpc({ privileges = [] }: FunctionConfig): boolean {
    return this.#serverless.service.custom.vpc.subnets !== '' && privileges.includes('reach_keystores');
  }

  #complete(): void {
    const { service } = this.#serverless;
    const template = service.provider.compiledCloudFormationTemplate;
    if (template === undefined) throw new Error('There is no compiled template to complete.');
    const { naming } = this.#serverless.getProvider('aws');
    const stack = this.#stack;
    const needs = this.#functions.map(([name, config]): FunctionNeeds => ({
      name,
      logGroup: naming.getLogGroupLogicalId(name),
      privileges: config.privileges ?? [],
      reads: (config.events ?? []).flatMap(({ sqs }) => (sqs === undefined ? [] : [sqs.arn])),
      failuresTo: config.destinations?.onFailure === undefined ? [] : [config.destinations.onFailure.arn],
      inVpc: this.#isInVpc(config),
    }));
    const { Resources } = template;
    Object.assign(Resources, rolesOf(needs, stack));
    const all = Object.entries(Resources);
    this.#nameCustodyUsers(Resources, [
      ...custodyUsers(needs, stack),
      { 'Fn::Sub': `arn:\${AWS::Partition}:iam::\${AWS::AccountId}:role/${roleNameOf(stack, 'pkcs11')}` },
    ]);
    const scheduled: Template[] = [];
    for (const [, { Type, Properties }] of all) {
      if (Type === 'AWS::Logs::LogGroup') Properties['KmsKeyId'] = { 'Fn::GetAtt': ['DataKey', 'Arn'] };
      if (Type === 'AWS::Scheduler::Schedule') {
        const target = Properties['Target'] as { Arn: Template; RoleArn: Template };
        scheduled.push(target.Arn);
        target.RoleArn = { 'Fn::GetAtt': ['SchedulerRole', 'Arn'] };
      }
    }
    if (scheduled.length > 0) Resources['SchedulerRole'] = schedulerRole(scheduled) as unknown as Resource;
    const queues = all.flatMap(([id, { Type }]) => (Type === 'AWS::SQS::Queue' ? [id] : []));
    const watched = { functions: needs.map(({ name }) => name), queues, ...stack, naming };
    Object.assign(Resources, alarmsOf(watched), dashboardOf(watched));
  }

  #nameCustodyUsers(resources: Record<string, Resource>, users: readonly Template[]): void {
    const policy = resources['CustodyKey']?.Properties['KeyPolicy'] as
      { Statement: { Sid: string; Condition?: Record<string, Record<string, unknown>> }[] } | undefined;
    const use = policy?.Statement.find(({ Sid }) => Sid === 'UseByFunctions');
    if (use === undefined) throw new Error('The policy of CustodyKey has no statement UseByFunctions.');
    use.Condition = { ArnEquals: { 'aws:PrincipalArn': users } };
  }
}
