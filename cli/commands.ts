import type { OperationId } from '../lib/wire/operations.ts';
import type { Run } from './invocation.ts';

/** An argument that has its place. */
export interface Argument {
  readonly name: string;
  readonly says: string;
  readonly optional?: true;
  /** Takes all that follow. */
  readonly many?: true;
  readonly choices?: readonly string[];
}

/** An option of a command. */
export interface Option {
  /** As it is typed: `label-tag`. Code reads it as `labelTag`. */
  readonly name: string;
  /** What its value is; left out for one that is given or not. */
  readonly value?: string;
  readonly says: string;
  /** May be repeated. */
  readonly many?: true;
  readonly choices?: readonly string[];
}

/** A command: what it is called, what it takes, what of the API it uses, and where its code is. */
export interface Command {
  readonly path: readonly [string, ...string[]];
  readonly summary: string;
  /** More than the summary says, for `--help` and the manual. */
  readonly more?: string;
  readonly arguments?: readonly Argument[];
  readonly options?: readonly Option[];
  readonly operations: readonly OperationId[];
  /** Loaded when the command is run: what others need is not waited for. */
  readonly load: () => Promise<Run>;
}

/** What a command that begins with this word is about. */
export const GROUPS: Readonly<Record<string, string>> = {
  keys: 'managed keys',
  keystores: 'the keystores that hold them',
  templates: 'the templates that keys are made from',
  vaults: 'the vaults that everything belongs to',
  approvals: 'requests that wait for a second person',
  notifications: 'who is told of drift: webhooks and topics of SNS',
  'open-work': 'what is still to be done in keystores',
  audit: 'the audit trail',
};

const KEY: Argument = { name: 'key', says: 'label or id' };
const KEYS: Argument = { name: 'key', says: 'labels or ids', optional: true, many: true };
const KEYSTORE: Argument = { name: 'keystore', says: 'name or id' };
const TEMPLATE: Argument = { name: 'template', says: 'name or id' };
const VAULT: Argument = { name: 'vault', says: 'name or id' };
const SUBSCRIPTION: Argument = { name: 'subscription', says: 'name or id' };
const APPROVAL: Argument = { name: 'approval', says: 'id' };

const IN_VAULT: Option = { name: 'vault', value: 'vault', says: 'the vault, by name or id' };
const LIMIT: Option = { name: 'limit', value: 'number', says: 'at most so many (default 100)' };
const SORT: Option = { name: 'sort', value: 'fields', says: 'by these fields, - before one for descending' };
const DRY_RUN: Option = { name: 'dry-run', says: 'show what would happen, change nothing' };
const YES: Option = { name: 'yes', says: 'do not ask' };
const YES_NAME: Option = { name: 'yes', value: 'name', says: 'do not ask: its name, once more' };
const NAME: Option = { name: 'name', value: 'name', says: 'its name' };
const DESCRIPTION: Option = { name: 'description', value: 'text', says: 'its description' };
const GROUP: Option = { name: 'group', value: 'group', says: 'a group it is in; all of them', many: true };
const TAG: Option = { name: 'tag', value: 'name=value', says: 'a tag; all of them', many: true };
const FILE: Option = { name: 'file', value: 'path', says: "the API's JSON, - for standard input" };
const KEYSTORE_TYPE: Option = {
  name: 'type',
  value: 'type',
  says: 'of this keystore type',
  choices: ['aws_kms', 'aws_cloudhsm', 'azure_key_vault', 'google_kms', 'ibm_cloud_kms', 'pkcs11'],
};
const STATE: Option = {
  name: 'state',
  value: 'state',
  says: 'in this state',
  many: true,
  choices: ['pre_activation', 'active', 'deactivated', 'destroyed'],
};
const FLAG: Option = {
  name: 'flag',
  value: 'flag',
  says: 'with this flag in one of its keystores',
  many: true,
  choices: ['ok', 'out_of_sync', 'error', 'verifying_sync'],
};
const SUBJECTS: Option = {
  name: 'approval-for',
  value: 'subject',
  says: 'takes a second person; all of them',
  many: true,
  choices: ['destroy_key', 'disconnect_keystore', 'realign_removing_keystores'],
};
const POLICY: Option = {
  name: 'policy',
  value: 'policy',
  says: 'flag: drift waits for people; sync: what only restores is repaired without them',
  choices: ['flag', 'sync'],
};
const CAP: Option = { name: 'maximum-per-sweep', value: 'number', says: 'repaired at most within a sweep’s time' };
const STOP: Option = {
  name: 'stop-at-percent',
  value: 'number',
  says: 'more drift at once than this is left to people',
};
const ALL: Option = { name: 'all', says: 'every key that you may list' };

/** Every command. The parser, the completion and the manual are made from this. */
export const COMMANDS: readonly Command[] = [
  {
    path: ['login'],
    summary: 'Sign in at a deployment, in the browser',
    more: 'Authorization code flow with PKCE. The token is kept in your configuration folder, for you alone, and refreshed by itself.',
    options: [
      { name: 'local', says: 'at the local start of this checkout, in one step' },
      { name: 'role', value: 'role', says: 'with --local: only this role; role@vault-id for one vault', many: true },
      { name: 'issuer', value: 'url', says: 'the OpenID Connect issuer, where the deployment does not tell' },
      { name: 'client-id', value: 'id', says: 'the client that the issuer knows' },
      { name: 'scope', value: 'scopes', says: 'what to ask for, with spaces between' },
      { name: 'no-browser', says: 'only print the address to sign in at' },
    ],
    operations: [],
    load: async () => (await import('./run/session.ts')).login,
  },
  {
    path: ['logout'],
    summary: 'Forget a login',
    options: [{ name: 'all', says: 'all logins' }],
    operations: [],
    load: async () => (await import('./run/session.ts')).logout,
  },
  {
    path: ['whoami'],
    summary: 'Show where commands go, as whom, with which roles',
    operations: [],
    load: async () => (await import('./run/session.ts')).whoami,
  },

  {
    path: ['keys', 'list'],
    summary: 'List managed keys',
    options: [
      IN_VAULT,
      STATE,
      FLAG,
      { name: 'label', value: 'text', says: 'whose label begins so' },
      { name: 'template', value: 'name', says: 'whose template’s name begins so' },
      { name: 'unaligned', says: 'not as their template says' },
      { name: 'keystore', value: 'keystore', says: 'in this keystore, by name or id' },
      KEYSTORE_TYPE,
      SORT,
      LIMIT,
    ],
    operations: ['ListManagedKeys', 'ListManagedKeysFromKeystore'],
    load: async () => (await import('./run/keys.ts')).list,
  },
  {
    path: ['keys', 'show'],
    summary: 'Show a key and what each keystore says of it',
    arguments: [KEY],
    options: [IN_VAULT],
    operations: ['GetManagedKey'],
    load: async () => (await import('./run/keys.ts')).show,
  },
  {
    path: ['keys', 'create'],
    summary: 'Create a key from a template',
    more: 'What is missing is asked for, on a terminal.',
    arguments: [{ name: 'label', says: 'its label; left out where the template has a naming scheme', optional: true }],
    options: [
      IN_VAULT,
      { name: 'template', value: 'name', says: 'the name of the template' },
      { name: 'label-tag', value: 'name=value', says: 'a placeholder of the naming scheme', many: true },
      DESCRIPTION,
      TAG,
      FILE,
      DRY_RUN,
    ],
    operations: ['CreateManagedKey'],
    load: async () => (await import('./run/keys.ts')).create,
  },
  {
    path: ['keys', 'edit'],
    summary: 'Change a key’s label, description, dates, tags or keystores',
    arguments: [KEY],
    options: [
      IN_VAULT,
      { name: 'label', value: 'label', says: 'another label' },
      DESCRIPTION,
      { name: 'activation-date', value: 'date', says: 'YYYY-MM-DD' },
      { name: 'expiration-date', value: 'date', says: 'YYYY-MM-DD' },
      TAG,
      { name: 'keystore', value: 'keystore', says: 'a keystore it is to be in; all of them', many: true },
      DRY_RUN,
    ],
    operations: ['UpdateManagedKey'],
    load: async () => (await import('./run/keys.ts')).edit,
  },
  {
    path: ['keys', 'activate'],
    summary: 'Activate a key in its keystores',
    arguments: [KEY],
    options: [IN_VAULT, DRY_RUN],
    operations: ['ActivateManagedKey'],
    load: async () => (await import('./run/keys.ts')).activate,
  },
  {
    path: ['keys', 'deactivate'],
    summary: 'Deactivate a key: whoever uses it cannot any more',
    arguments: [KEY],
    options: [IN_VAULT, DRY_RUN, YES],
    operations: ['DeactivateManagedKey'],
    load: async () => (await import('./run/keys.ts')).deactivate,
  },
  {
    path: ['keys', 'rotate'],
    summary: 'Give a key new material',
    arguments: [KEY],
    options: [IN_VAULT, DRY_RUN, YES],
    operations: ['RotateManagedKey'],
    load: async () => (await import('./run/keys.ts')).rotate,
  },
  {
    path: ['keys', 'destroy'],
    summary: 'Destroy a key in its keystores, for good',
    arguments: [KEY],
    options: [IN_VAULT, DRY_RUN, YES_NAME],
    operations: ['DestroyManagedKey'],
    load: async () => (await import('./run/keys.ts')).destroy,
  },
  {
    path: ['keys', 'remove'],
    summary: 'Remove a destroyed key from its vault',
    arguments: [KEY],
    options: [IN_VAULT, DRY_RUN, YES_NAME],
    operations: ['DeleteManagedKey'],
    load: async () => (await import('./run/keys.ts')).remove,
  },
  {
    path: ['keys', 'versions'],
    summary: 'List the versions of a key',
    arguments: [KEY],
    options: [IN_VAULT, LIMIT],
    operations: ['ListManagedKeyVersions'],
    load: async () => (await import('./run/keys.ts')).versions,
  },
  {
    path: ['keys', 'history'],
    summary: 'Show what befell a key, the newest first',
    arguments: [KEY],
    options: [
      IN_VAULT,
      { name: 'kind', value: 'kind', says: 'only this kind', many: true, choices: ['flag', 'work', 'decision'] },
      LIMIT,
    ],
    operations: ['GetManagedKeyHistory'],
    load: async () => (await import('./run/keys.ts')).history,
  },
  {
    path: ['keys', 'resources'],
    summary: 'List what a key protects, as far as its keystores tell',
    arguments: [KEY],
    options: [IN_VAULT, LIMIT],
    operations: ['ListAssociatedResourcesForManagedKey'],
    load: async () => (await import('./run/keys.ts')).resources,
  },

  {
    path: ['keystores', 'list'],
    summary: 'List keystores and how they are',
    options: [
      IN_VAULT,
      KEYSTORE_TYPE,
      { name: 'group', value: 'text', says: 'in a group that begins so' },
      SORT,
      LIMIT,
    ],
    operations: ['ListKeystores'],
    load: async () => (await import('./run/keystores.ts')).list,
  },
  {
    path: ['keystores', 'show'],
    summary: 'Show a keystore; secrets are never shown',
    arguments: [KEYSTORE],
    options: [IN_VAULT],
    operations: ['GetKeystore'],
    load: async () => (await import('./run/keystores.ts')).show,
  },
  {
    path: ['keystores', 'status'],
    summary: 'Say whether a keystore can be used; exit code 5 when it cannot',
    arguments: [KEYSTORE],
    options: [IN_VAULT],
    operations: ['GetKeystoreStatus'],
    load: async () => (await import('./run/keystores.ts')).status,
  },
  {
    path: ['keystores', 'types'],
    summary: 'List the types of keystores and the keys that each can hold',
    options: [{ ...KEYSTORE_TYPE, says: 'every sort of key that this type can hold' }],
    operations: ['GetKeystoreTypes'],
    load: async () => (await import('./run/keystores.ts')).types,
  },
  {
    path: ['keystores', 'connect'],
    summary: 'Connect a keystore; with --dry-run only try the connection',
    more: 'The JSON is the one of docs/keystores, with its secrets: give it on standard input, so that they are in no file and no process list.',
    options: [FILE, IN_VAULT, DRY_RUN],
    operations: ['CreateKeystore'],
    load: async () => (await import('./run/keystores.ts')).connect,
  },
  {
    path: ['keystores', 'edit'],
    summary: 'Change a keystore: its name, groups, or with --file anything',
    arguments: [KEYSTORE],
    options: [IN_VAULT, NAME, DESCRIPTION, GROUP, FILE, DRY_RUN],
    operations: ['UpdateKeystore'],
    load: async () => (await import('./run/keystores.ts')).edit,
  },
  {
    path: ['keystores', 'delete'],
    summary: 'Disconnect a keystore',
    arguments: [KEYSTORE],
    options: [
      IN_VAULT,
      {
        name: 'mode',
        value: 'mode',
        says: 'what becomes of its keys (default restrict: refused while it holds some)',
        choices: ['restrict', 'deactivate', 'destroy', 'disconnect'],
      },
      DRY_RUN,
      YES_NAME,
    ],
    operations: ['DeleteKeystore'],
    load: async () => (await import('./run/keystores.ts')).remove,
  },
  {
    path: ['keystores', 'resources'],
    summary: 'List what the keys in a keystore protect',
    arguments: [KEYSTORE],
    options: [IN_VAULT, LIMIT],
    operations: ['ListAssociatedResourcesForTargetKeystore'],
    load: async () => (await import('./run/keystores.ts')).resources,
  },
  {
    path: ['keystores', 'unmanaged'],
    summary: 'List the keys in a keystore that no managed key owns',
    arguments: [KEYSTORE],
    options: [IN_VAULT, LIMIT],
    operations: ['ListUnmanagedKeysInKeystore'],
    load: async () => (await import('./run/unmanaged.ts')).list,
  },
  {
    path: ['keystores', 'adopt'],
    summary: 'Make a managed key of a key that is in the keystore; its material and state stay',
    arguments: [KEYSTORE, { name: 'id', says: 'the keystore’s own id of the key' }],
    options: [
      IN_VAULT,
      { name: 'label', value: 'label', says: 'its label, where its name there is not to be it' },
      DESCRIPTION,
      TAG,
      DRY_RUN,
    ],
    operations: ['AdoptKeyInKeystore'],
    load: async () => (await import('./run/unmanaged.ts')).adopt,
  },

  {
    path: ['templates', 'list'],
    summary: 'List templates',
    options: [
      IN_VAULT,
      { name: 'name', value: 'text', says: 'whose name begins so' },
      { name: 'state', value: 'state', says: 'archived or not', choices: ['archived', 'unarchived'] },
      KEYSTORE_TYPE,
      SORT,
      LIMIT,
    ],
    operations: ['ListKeyTemplates'],
    load: async () => (await import('./run/templates.ts')).list,
  },
  {
    path: ['templates', 'show'],
    summary: 'Show a template',
    arguments: [TEMPLATE],
    options: [IN_VAULT],
    operations: ['GetKeyTemplate'],
    load: async () => (await import('./run/templates.ts')).show,
  },
  {
    path: ['templates', 'create'],
    summary: 'Create a template from the API’s JSON',
    options: [FILE, IN_VAULT, DRY_RUN],
    operations: ['CreateKeyTemplate'],
    load: async () => (await import('./run/templates.ts')).create,
  },
  {
    path: ['templates', 'edit'],
    summary: 'Change a template; its keys are unaligned until they are realigned',
    arguments: [TEMPLATE],
    options: [IN_VAULT, NAME, DESCRIPTION, FILE, DRY_RUN],
    operations: ['UpdateKeyTemplate'],
    load: async () => (await import('./run/templates.ts')).edit,
  },
  {
    path: ['templates', 'archive'],
    summary: 'Archive a template: no new keys from it, no realign',
    arguments: [TEMPLATE],
    options: [IN_VAULT, DRY_RUN],
    operations: ['ArchiveKeyTemplate'],
    load: async () => (await import('./run/templates.ts')).archive,
  },
  {
    path: ['templates', 'unarchive'],
    summary: 'Bring a template back from the archive',
    arguments: [TEMPLATE],
    options: [IN_VAULT, DRY_RUN],
    operations: ['UnarchiveKeyTemplate'],
    load: async () => (await import('./run/templates.ts')).unarchive,
  },
  {
    path: ['templates', 'expose'],
    summary: 'Turn the shadow template of one key into one for all',
    arguments: [TEMPLATE],
    options: [IN_VAULT, DRY_RUN],
    operations: ['ExposeKeyTemplate'],
    load: async () => (await import('./run/templates.ts')).expose,
  },
  {
    path: ['templates', 'delete'],
    summary: 'Delete a template that has no keys',
    arguments: [TEMPLATE],
    options: [IN_VAULT, DRY_RUN, YES_NAME],
    operations: ['DeleteKeyTemplate'],
    load: async () => (await import('./run/templates.ts')).remove,
  },

  {
    path: ['vaults', 'list'],
    summary: 'List vaults and how much is in them',
    options: [{ name: 'name', value: 'text', says: 'whose name begins so' }, SORT, LIMIT],
    operations: ['ListVaults'],
    load: async () => (await import('./run/vaults.ts')).list,
  },
  {
    path: ['vaults', 'show'],
    summary: 'Show a vault',
    arguments: [VAULT],
    operations: ['GetVault'],
    load: async () => (await import('./run/vaults.ts')).show,
  },
  {
    path: ['vaults', 'create'],
    summary: 'Create a vault',
    arguments: [{ name: 'name', says: 'its name' }],
    options: [DESCRIPTION, SUBJECTS, DRY_RUN],
    operations: ['CreateVault'],
    load: async () => (await import('./run/vaults.ts')).create,
  },
  {
    path: ['vaults', 'edit'],
    summary: 'Change a vault',
    arguments: [VAULT],
    options: [NAME, DESCRIPTION, SUBJECTS, POLICY, CAP, STOP, DRY_RUN],
    operations: ['UpdateVault'],
    load: async () => (await import('./run/vaults.ts')).edit,
  },
  {
    path: ['vaults', 'delete'],
    summary: 'Delete an empty vault',
    arguments: [VAULT],
    options: [DRY_RUN, YES_NAME],
    operations: ['DeleteVault'],
    load: async () => (await import('./run/vaults.ts')).remove,
  },
  {
    path: ['vaults', 'auto-repair'],
    summary: 'Show what would be repaired without people now, and what is left to them',
    more: 'With options: under another policy than the vault’s, as a trial. vaults edit sets one.',
    arguments: [VAULT],
    options: [POLICY, CAP, STOP],
    operations: ['GetVaultAutoRepair'],
    load: async () => (await import('./run/vaults.ts')).autoRepair,
  },
  {
    path: ['vaults', 'resume-auto-repair'],
    summary: 'Have a mass drift repaired after all: you have seen it',
    arguments: [VAULT],
    options: [YES],
    operations: ['ResumeVaultAutoRepair', 'GetVaultAutoRepair'],
    load: async () => (await import('./run/vaults.ts')).resumeAutoRepair,
  },

  {
    path: ['verify'],
    summary: 'Ask every keystore of these keys, now; exit code 3 when one is out of sync',
    arguments: [KEYS],
    options: [IN_VAULT, { name: 'flagged', says: 'the keys that are flagged out of sync' }, ALL],
    operations: ['GetKeyDistributionStatusForKeystores', 'ListManagedKeys'],
    load: async () => (await import('./run/fleet.ts')).verify,
  },
  {
    path: ['sync'],
    summary: 'Bring the keystores of these keys back in step with what was decided',
    arguments: [KEYS],
    options: [
      IN_VAULT,
      { name: 'flagged', says: 'the keys that are flagged out of sync' },
      ALL,
      { name: 'keystore', value: 'keystore', says: 'only in this keystore, by name or id', many: true },
      DRY_RUN,
      YES,
    ],
    operations: ['SyncManagedKey', 'GetManagedKey', 'ListManagedKeys'],
    load: async () => (await import('./run/fleet.ts')).sync,
  },
  {
    path: ['realign'],
    summary: 'Bring these keys in line with their templates',
    arguments: [KEYS],
    options: [IN_VAULT, { name: 'unaligned', says: 'the keys that are not' }, DRY_RUN, YES],
    operations: ['UpdateManagedKeyFromTemplate', 'GetManagedKey', 'ListManagedKeys'],
    load: async () => (await import('./run/fleet.ts')).realign,
  },
  {
    path: ['scan'],
    summary: 'Verify every key of the fleet, now, and sum up by keystore',
    more: 'The deployment scans by itself; this asks for each key through the API, which stores what it finds.',
    options: [IN_VAULT, { name: 'keystore', value: 'keystore', says: 'the keys in this keystore, by name or id' }],
    operations: ['GetKeyDistributionStatusForKeystores', 'ListManagedKeys', 'ListManagedKeysFromKeystore'],
    load: async () => (await import('./run/fleet.ts')).scan,
  },
  {
    path: ['drift'],
    summary: 'Show how the fleet stands, and what changed; asks no keystore',
    options: [
      IN_VAULT,
      { name: 'keystore', value: 'keystore', says: 'in this keystore, by name or id' },
      { name: 'since', value: 'time', says: 'changes since then: a time or a date (default 7 days ago)' },
      LIMIT,
    ],
    operations: ['ListDrift'],
    load: async () => (await import('./run/fleet.ts')).drift,
  },
  {
    path: ['upcoming'],
    summary: 'List what schedules will do to keys: activations, deactivations, rotations',
    options: [
      IN_VAULT,
      { name: 'until', value: 'time', says: 'what is due until then (default 30 days ahead)' },
      LIMIT,
    ],
    operations: ['ListUpcomingChanges'],
    load: async () => (await import('./run/upcoming.ts')).upcoming,
  },

  {
    path: ['approvals', 'list'],
    summary: 'List requests that wait, or waited',
    options: [
      IN_VAULT,
      {
        name: 'state',
        value: 'state',
        says: 'in this state (default pending)',
        many: true,
        choices: ['pending', 'approved', 'rejected', 'expired'],
      },
      LIMIT,
    ],
    operations: ['ListApprovals'],
    load: async () => (await import('./run/approvals.ts')).list,
  },
  {
    path: ['approvals', 'show'],
    summary: 'Show a request',
    arguments: [APPROVAL],
    operations: ['GetApproval'],
    load: async () => (await import('./run/approvals.ts')).show,
  },
  {
    path: ['approvals', 'approve'],
    summary: 'Approve the request of somebody else: it is carried out at once',
    arguments: [APPROVAL],
    options: [YES],
    operations: ['ApproveRequest', 'GetApproval'],
    load: async () => (await import('./run/approvals.ts')).approve,
  },
  {
    path: ['approvals', 'reject'],
    summary: 'Reject a request, or withdraw your own',
    arguments: [APPROVAL],
    operations: ['RejectRequest'],
    load: async () => (await import('./run/approvals.ts')).reject,
  },
  {
    path: ['notifications', 'list'],
    summary: 'List who is told of drift, and how the latest notice fared',
    options: [IN_VAULT, LIMIT],
    operations: ['ListNotificationSubscriptions'],
    load: async () => (await import('./run/notifications.ts')).list,
  },
  {
    path: ['notifications', 'show'],
    summary: 'Show a subscription; its secret is never shown',
    arguments: [SUBSCRIPTION],
    options: [IN_VAULT],
    operations: ['GetNotificationSubscription'],
    load: async () => (await import('./run/notifications.ts')).show,
  },
  {
    path: ['notifications', 'create'],
    summary: 'Have a webhook or a topic told, from the API’s JSON',
    options: [FILE, IN_VAULT],
    operations: ['CreateNotificationSubscription'],
    load: async () => (await import('./run/notifications.ts')).create,
  },
  {
    path: ['notifications', 'edit'],
    summary: 'Change a subscription, or switch it off and on',
    arguments: [SUBSCRIPTION],
    options: [
      IN_VAULT,
      NAME,
      { name: 'state', value: 'state', says: 'whether notices are sent', choices: ['enabled', 'disabled'] },
      FILE,
    ],
    operations: ['UpdateNotificationSubscription'],
    load: async () => (await import('./run/notifications.ts')).edit,
  },
  {
    path: ['notifications', 'delete'],
    summary: 'End a subscription',
    arguments: [SUBSCRIPTION],
    options: [IN_VAULT, YES_NAME],
    operations: ['DeleteNotificationSubscription'],
    load: async () => (await import('./run/notifications.ts')).remove,
  },
  {
    path: ['notifications', 'test'],
    summary: 'Send a notice of nothing, now; exit code 1 when it is not taken',
    arguments: [SUBSCRIPTION],
    options: [IN_VAULT],
    operations: ['TestNotificationSubscription'],
    load: async () => (await import('./run/notifications.ts')).test,
  },
  {
    path: ['open-work', 'list'],
    summary: 'List what is still to be done, and what was given up',
    options: [
      IN_VAULT,
      { name: 'state', value: 'state', says: 'only this', many: true, choices: ['waiting', 'given_up'] },
      LIMIT,
    ],
    operations: ['ListOpenWork'],
    load: async () => (await import('./run/open-work.ts')).list,
  },
  {
    path: ['open-work', 'redrive'],
    summary: 'Have what was given up in a vault tried again',
    arguments: [VAULT],
    operations: ['RedriveOpenWork'],
    load: async () => (await import('./run/open-work.ts')).redrive,
  },
  {
    path: ['audit', 'verify'],
    summary: 'Prove the audit trail; exit code 1 when it is broken',
    options: [IN_VAULT],
    operations: ['VerifyAudit'],
    load: async () => (await import('./run/audit.ts')).verify,
  },
  {
    path: ['audit', 'export'],
    summary: 'Write the events of a trail as JSON lines, oldest first',
    more: 'Without --vault: the trail of what belongs to no vault.',
    options: [IN_VAULT, { name: 'after', value: 'sequence', says: 'those after this sequence number' }],
    operations: ['ExportAudit'],
    load: async () => (await import('./run/audit.ts')).exportEvents,
  },
  {
    path: ['doctor'],
    summary: 'Examine the deployment and what each keystore allows, by harmless calls',
    more: 'Says what to do about what it finds. Exit code 1 where something has failed, 5 where something could not be told.',
    options: [{ name: 'problems', says: 'only what is not ok' }],
    operations: ['GetDiagnosis'],
    load: async () => (await import('./run/doctor.ts')).doctor,
  },
  {
    path: ['completion'],
    summary: 'Print the completion of a shell, to be sourced',
    arguments: [{ name: 'shell', says: 'bash or zsh', choices: ['bash', 'zsh'] }],
    operations: [],
    load: async () => (await import('./completion.ts')).run,
  },
];

/** On every command. */
export const COMMON_OPTIONS: readonly Option[] = [
  { name: 'url', value: 'url', says: 'the deployment (default SHEARLINE_URL, a local start, the last login)' },
  { name: 'json', says: 'answer in the JSON of the API' },
];
