/**
 * What functions may do in AWS, by name. A function of serverless.yml names its privileges; its role has these statements and no others
 * (`deploy/roles.ts`). Resources are written out; a `*` stands only where AWS knows no narrower one, and then says so.
 */

/** A value of a CloudFormation template. */
export type Template = string | number | boolean | null | readonly Template[] | { readonly [name: string]: Template };

export interface Statement {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: readonly string[];
  readonly Resource: Template;
  readonly Condition?: Template;
}

const TABLE: Template = { 'Fn::GetAtt': ['Table', 'Arn'] };
const INDEXES: Template = { 'Fn::Sub': '${Table.Arn}/index/*' };
/** Stands for the custody key in the statements below, and for the keys that were it before where it is only decrypted with. */
const CUSTODY = 'the custody key';
const CUSTODY_EVER = 'the custody key, and those before it';
/** KMS binds each ciphertext to what it is for; so does each privilege. */
const forPurpose = (purpose: 'key-material' | 'keystore-credentials'): Template => ({
  StringEquals: { 'kms:EncryptionContext:shearline:purpose': purpose },
});
const kmsArn = (rest: string): Template => ({
  'Fn::Sub': `arn:\${AWS::Partition}:kms:\${AWS::Region}:\${AWS::AccountId}:${rest}`,
});
/** Made for an internal keystore: the tag names it. */
const INTERNAL = '*@*';

const allow = (Action: readonly string[], Resource: Template, Condition?: Template): Statement => ({
  Effect: 'Allow',
  Action,
  Resource,
  ...(Condition === undefined ? {} : { Condition }),
});

const READ = allow(['dynamodb:BatchGetItem', 'dynamodb:GetItem', 'dynamodb:Query'], [TABLE, INDEXES]);
const WRITE = allow(
  ['dynamodb:ConditionCheckItem', 'dynamodb:DeleteItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem'],
  TABLE,
);
/** The trail only grows: what is in it can be neither changed nor taken away by any function. */
const APPEND_ONLY: Statement = {
  Effect: 'Deny',
  Action: ['dynamodb:DeleteItem', 'dynamodb:UpdateItem'],
  Resource: TABLE,
  Condition: { 'ForAnyValue:StringLike': { 'dynamodb:LeadingKeys': ['AUDIT#*', 'AUDITED'] } },
};

export const PRIVILEGES = {
  /** Reads records. */
  read_records: [READ],
  /** Counts a caller's requests, to slow down who sends too many. */
  count_requests: [
    allow(['dynamodb:UpdateItem'], TABLE, { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ['RATE#*'] } }),
  ],
  /** Reads and writes records; adds to the audit trail. */
  write_records: [READ, WRITE, APPEND_ONLY],
  /** Opens the credentials of keystores. */
  open_credentials: [allow(['kms:Decrypt'], CUSTODY_EVER, forPurpose('keystore-credentials'))],
  /** Seals credentials that users give. */
  seal_credentials: [allow(['kms:GenerateDataKey'], CUSTODY, forPurpose('keystore-credentials'))],
  /** Unwraps key material, to import it into a keystore. */
  lend_material: [allow(['kms:Decrypt'], CUSTODY_EVER, forPurpose('key-material'))],
  /** Makes new key material. `Encrypt`: where a custom key store makes no key pairs, they are made by the function. */
  make_material: [
    allow(['kms:Encrypt', 'kms:GenerateDataKey', 'kms:GenerateDataKeyPair'], CUSTODY, forPurpose('key-material')),
  ],
  /** Looks at keystores that are in other accounts by their roles, in this one by internal keys, or HSMs. */
  reach_keystores: [
    // The trust policy of each such role asks for the keystore's external id: deploy/keystore-role.json.
    allow(['sts:AssumeRole'], { 'Fn::Sub': 'arn:${AWS::Partition}:iam::*:role/shearline/*' }),
    allow(['lambda:InvokeFunction'], {
      'Fn::Sub': 'arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${AWS::StackName}-pkcs11',
    }),
    // These two know no resource but *.
    allow(['kms:ListAliases', 'kms:ListKeys'], '*'),
    allow(['kms:DescribeKey', 'kms:ListKeyRotations', 'kms:ListResourceTags'], kmsArn('key/*'), {
      StringLike: { 'aws:ResourceTag/shearline:key': INTERNAL },
    }),
  ],
  /** Makes, changes and destroys keys in internal keystores; in others, the credentials and roles of each say what may be done. */
  change_keystores: [
    // CreateKey knows no resource but *; every key that is made must be marked as one of an internal keystore.
    allow(['kms:CreateKey'], '*', { StringLike: { 'aws:RequestTag/shearline:key': INTERNAL } }),
    allow(['kms:TagResource'], kmsArn('key/*'), { StringLike: { 'aws:RequestTag/shearline:key': INTERNAL } }),
    allow(
      [
        'kms:CancelKeyDeletion',
        'kms:CreateAlias',
        'kms:DeleteAlias',
        'kms:DisableKey',
        'kms:EnableKey',
        'kms:GetParametersForImport',
        'kms:ImportKeyMaterial',
        'kms:RotateKeyOnDemand',
        'kms:ScheduleKeyDeletion',
        'kms:TagResource',
        'kms:UntagResource',
        'kms:UpdateAlias',
        'kms:UpdateKeyDescription',
      ],
      kmsArn('key/*'),
      { StringLike: { 'aws:ResourceTag/shearline:key': INTERNAL } },
    ),
    allow(['kms:CreateAlias', 'kms:DeleteAlias', 'kms:UpdateAlias'], kmsArn('alias/shearline/*')),
  ],
  /** Describes the deployment's own parts; changes and reads nothing in them. */
  examine_deployment: [
    allow(['dynamodb:DescribeContinuousBackups', 'dynamodb:DescribeTable', 'dynamodb:DescribeTimeToLive'], TABLE),
    allow(['kms:DescribeKey'], CUSTODY),
    allow(['sqs:GetQueueAttributes', 'sqs:GetQueueUrl'], {
      'Fn::Sub': 'arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${AWS::StackName}-*',
    }),
  ],
} as const satisfies Record<string, readonly Statement[]>;

export type Privilege = keyof typeof PRIVILEGES;

/** The keys under which material and credentials are kept: the one of today, as a value of the template, and ARNs of earlier ones. */
export interface CustodyKeys {
  readonly current: Template;
  readonly earlier: readonly string[];
}

/** The statements of these privileges; one that is given as a statement stands for itself. Throws for a name that there is not. */
export function statementsOf(
  privileges: readonly (string | Statement)[],
  custody: CustodyKeys,
  where: string,
): readonly Statement[] {
  const resources: Readonly<Record<string, Template>> = {
    [CUSTODY]: custody.current,
    [CUSTODY_EVER]: custody.earlier.length === 0 ? custody.current : [custody.current, ...custody.earlier],
  };
  return privileges.flatMap((privilege): readonly Statement[] => {
    if (typeof privilege !== 'string') return [privilege];
    if (!isPrivilege(privilege)) {
      const known = Object.keys(PRIVILEGES).join(', ');
      throw new Error(`${where} asks for the privilege ${privilege}; there are ${known}.`);
    }
    return PRIVILEGES[privilege].map((statement: Statement) => ({
      ...statement,
      Resource:
        (typeof statement.Resource === 'string' ? resources[statement.Resource] : undefined) ?? statement.Resource,
    }));
  });
}

function isPrivilege(name: string): name is Privilege {
  return Object.hasOwn(PRIVILEGES, name);
}

/** Privileges that use the custody key: its own policy lets these functions' roles use it, and nobody else. */
export const USES_CUSTODY: readonly string[] = [
  'open_credentials',
  'seal_credentials',
  'lend_material',
  'make_material',
] satisfies Privilege[];
