import type { CustodyKeys, Statement, Template } from './privileges.ts';
import { statementsOf, USES_CUSTODY } from './privileges.ts';

/** A function as far as its role follows from it. */
export interface FunctionNeeds {
  /** As in serverless.yml. */
  readonly name: string;
  /** CloudFormation's name of its log group. */
  readonly logGroup: string;
  readonly privileges: readonly (string | Statement)[];
  /** ARNs of queues that Lambda reads for it, with its role. */
  readonly reads: readonly Template[];
  /** ARNs of queues that Lambda sends its failures to, with its role. */
  readonly failuresTo: readonly Template[];
  readonly inVpc: boolean;
}

export interface Stack {
  readonly service: string;
  readonly stage: string;
  readonly custody: CustodyKeys;
}

/** CloudFormation's name of a function's role. */
export function roleOf(functionName: string): string {
  const parts = functionName.split(/[^A-Za-z0-9]+/);
  return `${parts.map((part) => `${part.charAt(0).toUpperCase()}${part.slice(1)}`).join('')}Role`;
}

/** The name of a function's role, as a template for Fn::Sub. In it the region: roles are the account's. */
export function roleNameOf({ service, stage }: Pick<Stack, 'service' | 'stage'>, functionName: string): string {
  return `${service}-${stage}-\${AWS::Region}-${functionName}`;
}

/** A role for each function, with what its privileges say and what every function needs: its own log, and traces. */
export function rolesOf(functions: readonly FunctionNeeds[], stack: Stack): Record<string, Template> {
  return Object.fromEntries(functions.map((each) => [roleOf(each.name), role(each, stack)]));
}

function role(of: FunctionNeeds, stack: Stack): Template {
  const statements: Statement[] = [
    ...statementsOf(of.privileges, stack.custody, `The function ${of.name}`),
    ...queues(of),
    {
      Effect: 'Allow',
      Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      Resource: { 'Fn::GetAtt': [of.logGroup, 'Arn'] },
    },
    // Neither these nor the next know a narrower resource.
    { Effect: 'Allow', Action: ['xray:PutTelemetryRecords', 'xray:PutTraceSegments'], Resource: '*' },
    ...(of.inVpc ? [NETWORK_INTERFACES] : []),
  ];
  return {
    Type: 'AWS::IAM::Role',
    Properties: {
      RoleName: { 'Fn::Sub': roleNameOf(stack, of.name) },
      AssumeRolePolicyDocument: {
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }],
      },
      Policies: [
        {
          PolicyName: 'privileges',
          PolicyDocument: { Version: '2012-10-17', Statement: statements as unknown as Template },
        },
      ],
    },
  };
}

const NETWORK_INTERFACES: Statement = {
  Effect: 'Allow',
  Action: [
    'ec2:CreateNetworkInterface',
    'ec2:DeleteNetworkInterface',
    'ec2:DescribeNetworkInterfaces',
    'ec2:DescribeSubnets',
  ],
  Resource: '*',
};

function queues({ reads, failuresTo }: FunctionNeeds): Statement[] {
  return [
    ...reads.map((Resource): Statement => ({
      Effect: 'Allow',
      Action: ['sqs:ChangeMessageVisibility', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:ReceiveMessage'],
      Resource,
    })),
    ...failuresTo.map((Resource): Statement => ({ Effect: 'Allow', Action: ['sqs:SendMessage'], Resource })),
  ];
}

/** The role by which EventBridge Scheduler invokes these functions, and nothing else. `functions` are their ARNs. */
export function schedulerRole(functions: readonly Template[]): Template {
  return {
    Type: 'AWS::IAM::Role',
    Properties: {
      AssumeRolePolicyDocument: {
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Principal: { Service: 'scheduler.amazonaws.com' },
            Action: 'sts:AssumeRole',
            Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
          },
        ],
      },
      Policies: [
        {
          PolicyName: 'invoke',
          PolicyDocument: {
            Version: '2012-10-17',
            Statement: [{ Effect: 'Allow', Action: 'lambda:InvokeFunction', Resource: functions }],
          },
        },
      ],
    },
  };
}

/** Who may use the custody key, by the policy of the key itself: the roles of the functions whose privileges need it. */
export function custodyUsers(
  functions: readonly FunctionNeeds[],
  stack: Pick<Stack, 'service' | 'stage'>,
): readonly Template[] {
  return functions
    .filter(({ privileges }) => privileges.some((each) => typeof each === 'string' && USES_CUSTODY.includes(each)))
    .map(({ name }) => ({
      'Fn::Sub': `arn:\${AWS::Partition}:iam::\${AWS::AccountId}:role/${roleNameOf(stack, name)}`,
    }));
}
