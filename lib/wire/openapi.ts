import * as z from 'zod/mini';
import { isGated } from '../approvals/subject.ts';
import type { KeystoreType } from '../keystores/keystore.ts';
import { presentKeystoreType } from '../keystores/types.ts';
import * as approvals from './approvals.ts';
import * as audit from './audit.ts';
import * as autoRepair from './auto-repair.ts';
import * as doctor from './doctor.ts';
import * as errors from './errors.ts';
import * as fields from './fields.ts';
import { mediaTypesOf } from './formats.ts';
import type { ListFormat } from './formats.ts';
import * as history from './history.ts';
import * as keys from './keys.ts';
import * as keystoreTypes from './keystore-types.ts';
import * as keystores from './keystores.ts';
import * as notifications from './notifications.ts';
import * as openWork from './open-work.ts';
import { OPERATIONS } from './operations.ts';
import type { Operation, OperationId } from './operations.ts';
import { plannedChanges } from './planned.ts';
import * as schedule from './schedule.ts';
import * as tags from './tag.ts';
import * as templates from './templates.ts';
import * as unmanagedKeys from './unmanaged-keys.ts';
import * as vaults from './vaults.ts';

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** The models by their names in the contract: those of requests, and of both directions. */
export const REQUEST_MODELS = {
  RedriveOpenWork: openWork.redriveOpenWork,
  CreateNotificationSubscription: notifications.createSubscription,
  CreateWebhookSubscription: notifications.createWebhook,
  CreateSnsSubscription: notifications.createSns,
  UpdateNotificationSubscription: notifications.updateSubscription,
  AdoptKey: unmanagedKeys.adoptKey,
  AutoRepairChange: autoRepair.autoRepairChange,
  Schedule: schedule.scheduleRequest,
  CreateManagedKey: keys.createManagedKey,
  UpdateManagedKey: keys.updateManagedKey,
  SyncManagedKey: keys.syncManagedKey,
  CreateKeyTemplate: templates.createTemplate,
  UpdateKeyTemplate: templates.updateTemplate,
  KeyPropertiesUpdate: templates.keyPropertiesUpdate,
  KeystoresPropertiesUpdate: templates.keystorePropertiesUpdate,
  KeystoreCreationRequest: keystores.createKeystore,
  KeystoreCreateAwsKms: keystores.createAwsKms,
  KeystoreCreateAwsCloudHsm: keystores.createAwsCloudHsm,
  KeystoreCreateAzure: keystores.createAzure,
  KeystoreCreateGoogleKms: keystores.createGoogleKms,
  KeystoreCreateIbmCloudKms: keystores.createIbmCloudKms,
  KeystoreCreateIbmCloudKmsInternal: keystores.createIbmCloudKmsInternal,
  KeystoreCreateCca: keystores.createCca,
  KeystoreCreatePkcs11: keystores.createPkcs11,
  KeystoreUpdateRequest: keystores.updateKeystore,
  CreateVault: vaults.createVault,
  UpdateVault: vaults.updateVault,
  VaultReferenceInCreationRequest: vaults.vaultReferenceInCreationRequest,
  Tag: tags.tag,
  KeyProperties: templates.keyProperties,
  KeystoresPropertiesCreate: templates.keystoreProperties,
  KeystoresPropertiesCreateAwsKms: templates.keystorePropertiesAwsKms,
  KeystoresPropertiesCreateAwsCloudHsm: templates.keystorePropertiesAwsCloudHsm,
  KeystoresPropertiesCreateAzure: templates.keystorePropertiesAzure,
  KeystoresPropertiesCreateGoogleKms: templates.keystorePropertiesGoogleKms,
  KeystoresPropertiesCreateIbmCloudKms: templates.keystorePropertiesIbmCloudKms,
  KeystoresPropertiesCreateCca: templates.keystorePropertiesCca,
  KeystoresPropertiesCreatePkcs11: templates.keystorePropertiesPkcs11,
} as const satisfies Record<string, () => z.ZodMiniType>;

/** The models of answers alone. */
export const ANSWER_MODELS = {
  ApiError: errors.apiError,
  ErrorModel: errors.errorModel,
  Target: errors.target,
  HrefObject: fields.hrefObject,
  VaultReference: vaults.vaultReference,
  Vault: vaults.vault,
  VaultList: vaults.vaultList,
  TemplateReference: templates.templateReference,
  Template: templates.template,
  TemplateList: templates.templateList,
  TargetKeystoreReference: keystores.targetKeystoreReference,
  KeystoreStatus: keystores.keystoreStatus,
  Keystore: keystores.keystore,
  KeystoreTypeAwsKms: keystores.keystoreAwsKms,
  KeystoreTypeAwsCloudHsm: keystores.keystoreAwsCloudHsm,
  KeystoreTypeAzure: keystores.keystoreAzure,
  KeystoreTypeGoogleKms: keystores.keystoreGoogleKms,
  KeystoreTypeIbmCloudKms: keystores.keystoreIbmCloudKms,
  KeystoreTypeCca: keystores.keystoreCca,
  KeystoreTypePkcs11: keystores.keystorePkcs11,
  KeystoreList: keystores.keystoreList,
  ManagedKeyReference: keys.managedKeyReference,
  KeyVerificationPattern: keys.keyVerificationPattern,
  InstanceInKeystore: keys.instanceInKeystore,
  KeyInstance: keys.keyInstance,
  KeyInstanceAwsKms: keys.keyInstanceAwsKms,
  KeyInstanceAzure: keys.keyInstanceAzure,
  KeyInstanceGoogleKms: keys.keyInstanceGoogleKms,
  KeyInstanceIbmCloudKms: keys.keyInstanceIbmCloudKms,
  KeyInstanceCca: keys.keyInstanceCca,
  KeyInstancePkcs11: keys.keyInstancePkcs11,
  StatusInKeystore: keys.statusInKeystore,
  StatusInKeystores: keys.statusInKeystores,
  ManagedKey: keys.managedKey,
  ManagedKeyList: keys.managedKeyList,
  IbmCloudKmsRegistration: keys.ibmCloudKmsRegistration,
  AssociatedResource: keys.associatedResource,
  AssociatedResourceList: keys.associatedResourceList,
  PlannedChanges: plannedChanges,
  Approval: approvals.approval,
  ApprovalList: approvals.approvalList,
  ApprovedAnswer: approvals.approvedAnswer,
  KeyCapability: keystoreTypes.keyCapability,
  KeystoreCapabilities: keystoreTypes.keystoreType,
  KeystoreCapabilitiesList: keystoreTypes.keystoreTypeList,
  OpenWorkList: openWork.openWorkList,
  AutoRepair: autoRepair.autoRepair,
  AutoRepairPreview: autoRepair.autoRepairPreview,
  KeySchedule: schedule.keySchedule,
  UpcomingChange: schedule.upcomingChange,
  UpcomingChangeList: schedule.upcomingList,
  UnmanagedKey: unmanagedKeys.unmanagedKey,
  UnmanagedKeyList: unmanagedKeys.unmanagedKeyList,
  RedrivenWork: openWork.redrivenWork,
  FlagChange: history.flagChange,
  WorkChange: history.workChange,
  KeyDecision: history.keyDecision,
  KeyHistory: history.keyHistory,
  NotificationSubscription: notifications.subscription,
  NotificationSubscriptionList: notifications.subscriptionList,
  NotificationSubscriptionTest: notifications.subscriptionTest,
  Drift: history.drift,
  DriftSummary: history.driftSummary,
  Diagnosis: doctor.diagnosis,
  AuditReport: audit.auditReport,
  AuditLines: audit.auditLines,
} as const satisfies Record<string, () => z.ZodMiniType>;

const uri = (name: string): string => `#/components/schemas/${name}`;

/** The OpenAPI 3.1 document of the API, made from the very schemas that check requests. `serverUrl` is the base of every path. */
export function openApiDocument(info: { readonly version: string; readonly serverUrl: string }): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const [operationId, row] of Object.entries(OPERATIONS)) {
    (paths[row.path] ??= {})[row.method.toLowerCase()] = operationOf(operationId, row);
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Shearline',
      version: info.version,
      summary: 'Keeps one managed encryption key in step in every keystore that holds it.',
      description:
        'Speaks the UKO v4 API. What goes beyond it is marked “Beyond UKO”. Errors carry every invalid field at once.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: info.serverUrl }],
    security: [{ bearer: [] }],
    paths,
    components: {
      schemas: schemas(),
      parameters: PARAMETERS,
      responses: { Error: ERROR_RESPONSE },
      headers: HEADERS,
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
    },
  };
}

function schemas(): Record<string, JsonSchema> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries({ ...REQUEST_MODELS, ...ANSWER_MODELS })) registry.add(schema(), { id });
  const made = z.toJSONSchema(registry, { io: 'input', uri, override: withoutFormatPattern }).schemas;
  return Object.fromEntries(
    Object.entries(made).map(([name, schema]) => {
      delete schema.$schema;
      delete schema.$id;
      // A client must bear fields that later versions answer; in requests an unknown field is refused.
      if (Object.hasOwn(ANSWER_MODELS, name)) delete schema.additionalProperties;
      const type = TEMPLATE_PROPERTIES_OF[name];
      return [name, type === undefined ? schema : { ...schema, ...capabilitiesOf(type) }];
    }),
  );
}

/** Where a template says what its keys are to be in a keystore of which type. */
const TEMPLATE_PROPERTIES_OF: Readonly<Record<string, KeystoreType>> = {
  KeystoresPropertiesCreateAwsKms: 'aws_kms',
  KeystoresPropertiesCreateAwsCloudHsm: 'aws_cloudhsm',
  KeystoresPropertiesCreateAzure: 'azure_key_vault',
  KeystoresPropertiesCreateGoogleKms: 'google_kms',
  KeystoresPropertiesCreateIbmCloudKms: 'ibm_cloud_kms',
  KeystoresPropertiesCreateCca: 'cca',
  KeystoresPropertiesCreatePkcs11: 'pkcs11',
} satisfies Partial<Record<keyof typeof REQUEST_MODELS, KeystoreType>>;

/** What such a keystore can hold, row by row as in `GET /keystore_types`. */
function capabilitiesOf(type: KeystoreType): { readonly 'x-shearline-capabilities': object } {
  return { 'x-shearline-capabilities': presentKeystoreType(type) };
}

/** `format: date` says to people and tools what a screenful of pattern does not. */
function withoutFormatPattern({ jsonSchema }: { readonly jsonSchema: JsonSchema }): void {
  if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
}

const NAMES: ReadonlyMap<unknown, string> = new Map(
  Object.entries({ ...REQUEST_MODELS, ...ANSWER_MODELS }).map(([name, schema]) => [schema(), name]),
);

function reference(schema: z.ZodMiniType): { $ref: string } {
  const name = NAMES.get(schema);
  if (name === undefined) throw new Error('A schema of an operation has no name in the OpenAPI document.');
  return { $ref: uri(name) };
}

function json(schema: z.ZodMiniType): object {
  return { 'application/json': { schema: reference(schema) } };
}

const HEADERS = {
  ETag: {
    description: 'Strong. Changes with every decision of a user, never with what a scan finds.',
    schema: { type: 'string' },
  },
  'X-Correlation-ID': { description: 'The trace of the request, in every answer.', schema: { type: 'string' } },
  'Retry-After': { description: 'Seconds to wait before asking again.', schema: { type: 'integer' } },
};

const PARAMETERS = {
  Id: { name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } },
  IfMatch: {
    name: 'If-Match',
    in: 'header',
    required: true,
    description: 'The ETag that the resource was read with, or * for any existing resource.',
    schema: { type: 'string' },
  },
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    description: 'Beyond UKO: the same key with the same request gets the first answer again.',
    schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,128}$' },
  },
  Vault: {
    name: 'UKO-Vault',
    in: 'header',
    description: 'Sent by 4.7 clients. A vault other than that of the resource answers 404.',
    schema: { type: 'string', format: 'uuid' },
  },
  CorrelationId: {
    name: 'X-Correlation-ID',
    in: 'header',
    description: 'Becomes the trace of the request.',
    schema: { type: 'string', pattern: '^[A-Za-z0-9._-]{1,128}$' },
  },
};

const ERROR_RESPONSE = {
  description: 'Why not. Every invalid field is told at once.',
  headers: {
    'X-Correlation-ID': { $ref: '#/components/headers/X-Correlation-ID' },
    'Retry-After': { $ref: '#/components/headers/Retry-After' },
  },
  content: json(errors.apiError()),
};

const ERROR = { $ref: '#/components/responses/Error' };

function operationOf(operationId: string, row: Operation): object {
  const given = row.body();
  const body = given instanceof z.ZodMiniOptional ? (given.def.innerType as z.ZodMiniType) : given;
  return {
    operationId,
    summary: row.summary,
    tags: [row.path.split('/')[3]],
    parameters: [
      ...(row.path.includes('{id}') ? [parameter('Id')] : []),
      ...(row.ifMatch ? [parameter('IfMatch')] : []),
      ...(row.method === 'POST' ? [parameter('IdempotencyKey')] : []),
      parameter('Vault'),
      parameter('CorrelationId'),
      ...queryParameters(row.query()),
    ],
    // Operations without content take an empty object, which needs no mention.
    ...(NAMES.has(body) ? { requestBody: { required: body === given, content: json(body) } } : {}),
    responses: {
      ...rehearsal(row),
      ...waiting(operationId),
      ...doneWithoutContent(operationId),
      [row.success]: success(operationId, row),
      '4XX': ERROR,
      '5XX': ERROR,
    },
  };
}

/** What a dry run answers where the operation itself answers with another status. */
function rehearsal(row: Operation): Record<string, object> {
  if (row.success === 200 || !('dry_run' in queryShape(row))) return {};
  const planned = { type: 'object', properties: { planned_changes: reference(plannedChanges()) } };
  const schema = row.answer === undefined ? planned : { allOf: [reference(row.answer()), planned] };
  const headers = { 'X-Correlation-ID': { $ref: '#/components/headers/X-Correlation-ID' } };
  const description = 'A dry run: how it would be, and what would be done. Nothing of it has happened.';
  return { 200: { description, headers, content: { 'application/json': { schema } } } };
}

/** What an operation answers that waits for a second person, because its vault has it so. */
function waiting(operationId: string): Record<string, object> {
  if (!isGated(operationId)) return {};
  const headers = { 'X-Correlation-ID': { $ref: '#/components/headers/X-Correlation-ID' } };
  const description =
    'Beyond UKO: the vault requires a second person, and the request waits for one. Nothing of it has happened.';
  return { 202: { description, headers, content: json(approvals.approval()) } };
}

/** An approval answers as what was approved does; a disconnected keystore has no more to say. */
function doneWithoutContent(operationId: string): Record<string, object> {
  if (operationId !== 'ApproveRequest') return {};
  const headers = { 'X-Correlation-ID': { $ref: '#/components/headers/X-Correlation-ID' } };
  return { 204: { description: 'It is done, and what was approved answers nothing.', headers } };
}

function queryShape(row: Operation): object {
  return z.toJSONSchema(row.query(), { io: 'output' }).properties ?? {};
}

function parameter(name: keyof typeof PARAMETERS): object {
  return { $ref: `#/components/parameters/${name}` };
}

function success(operationId: string, row: Operation): object {
  const headers: Record<string, object> = { 'X-Correlation-ID': { $ref: '#/components/headers/X-Correlation-ID' } };
  if (row.answer === undefined) return { description: 'Done.', headers };
  const single = !row.actions.includes('list');
  if (single && (row.success === 201 || row.path.includes('{id}')))
    headers['ETag'] = { $ref: '#/components/headers/ETag' };
  const schema = reference(row.answer());
  if (row.answer === audit.auditLines) {
    return { description: 'One event on each line.', headers, content: { 'application/x-ndjson': { schema } } };
  }
  return {
    description: single ? 'Done: this is how it is now.' : 'A page of the list, or as a file the whole list.',
    headers,
    content: Object.fromEntries(
      mediaTypesOf(operationId as OperationId).map(({ name, format }) => [name, { schema: CONTENT[format] ?? schema }]),
    ),
  };
}

/** What is not the model itself. */
const CONTENT: Readonly<Partial<Record<ListFormat, object>>> = {
  csv: { type: 'string', description: 'Beyond UKO: the rows of the page, with a line of names (RFC 4180).' },
  'zipped json': {
    type: 'string',
    contentMediaType: 'application/zip',
    description: 'The whole list as a zipped file.',
  },
  'zipped csv': {
    type: 'string',
    contentMediaType: 'application/zip',
    description: 'The whole list as a zipped file.',
  },
};

function queryParameters(query: z.ZodMiniType): object[] {
  // What comes out of a query's schema is what a client thinks in: lists, numbers, dates.
  const { properties = {} } = z.toJSONSchema(query, { io: 'output', override: withoutFormatPattern });
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: false,
    ...(typeof schema === 'object' && schema.type === 'array' ? { style: 'form', explode: false } : {}),
    schema,
  }));
}
