import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ValidateFunction } from 'ajv';
import formats from 'ajv-formats';
import { openApiDocument } from '../../lib/wire/openapi.ts';
import { OPERATIONS } from '../../lib/wire/operations.ts';
import type { Operation, OperationId } from '../../lib/wire/operations.ts';

interface Described {
  readonly responses: Readonly<
    Record<string, { readonly $ref?: string; readonly content?: Readonly<Record<string, unknown>> }>
  >;
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  readonly components: { readonly responses: Readonly<Record<string, Described['responses'][string]>> };
}

/** An answer as it went over the wire. */
export interface WireAnswer {
  readonly status: number;
  /** By names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Undefined when there was none. */
  readonly body: string | undefined;
  /** Whether `body` is bytes in base64. */
  readonly base64?: boolean;
}

const document = openApiDocument({ version: 'test', serverUrl: 'http://localhost' }) as Document;
const ajv = new Ajv2020({ strict: false, allErrors: true });
formats.default(ajv);
ajv.addSchema(document, 'api');

const pointer = (parts: readonly string[]): string =>
  parts.map((part) => `/${encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))}`).join('');

/** How often each operation answered with each status, in this process; for whoever wants to know what was tried. */
export const seen = new Map<string, number>();

/**
 * Throws unless the OpenAPI document describes this answer of the operation: its status, its content type, its body and the headers
 * that every answer has. Fields that the document does not know are refused too, though clients must bear them.
 */
export function requireDescribed(operationId: OperationId, answer: WireAnswer): void {
  const row: Operation = OPERATIONS[operationId];
  const at = `${operationId} ${answer.status}`;
  seen.set(at, (seen.get(at) ?? 0) + 1);
  const method = row.method.toLowerCase();
  const described = document.paths[row.path]?.[method]?.responses ?? {};
  const key = [String(answer.status), `${String(answer.status).slice(0, 1)}XX`].find((status) => status in described);
  if (key === undefined) throw new Error(`${at} is not among the answers of the OpenAPI document.`);
  if (answer.headers['x-correlation-id'] === undefined) throw new Error(`${at} has no X-Correlation-ID.`);
  const name = described[key]?.$ref?.replace('#/components/responses/', '');
  const content = (name === undefined ? described[key] : document.components.responses[name])?.content;
  if (content === undefined) {
    if (answer.body !== undefined && answer.body !== '') throw new Error(`${at} has a body and should have none.`);
    return;
  }
  const type = answer.headers['content-type'] ?? 'none';
  const media = type.split(';')[0]?.trim() ?? '';
  if (!(media in content)) throw new Error(`${at} is ${type}: not among ${Object.keys(content).join(', ')}.`);
  if (!/[/+]json$/.test(media)) return;
  const place = name === undefined ? ['paths', row.path, method, 'responses', key] : ['components', 'responses', name];
  const body: unknown = JSON.parse(answer.body ?? '');
  const validate = validator([...place, 'content', media, 'schema']);
  if (!validate(body)) {
    throw new Error(
      `${at} is not as the OpenAPI document says: ${ajv.errorsText(validate.errors)}.\n${answer.body ?? ''}`,
    );
  }
  requireKnownFields(at, row, answer, body);
}

function requireKnownFields(at: string, row: Operation, answer: WireAnswer, body: unknown): void {
  // The schemas of answers are strict; those of a dry run are extended by what is planned.
  if (answer.status !== row.success || row.answer === undefined) return;
  if (typeof body === 'object' && body !== null && 'planned_changes' in body) return;
  const parsed = row.answer().safeParse(body);
  if (parsed.success) return;
  throw new Error(`${at} has what its schema does not: ${JSON.stringify(parsed.error.issues)}.\n${answer.body ?? ''}`);
}

const validators = new Map<string, ValidateFunction>();

function validator(place: readonly string[]): ValidateFunction {
  const $ref = `api#${pointer(place)}`;
  const made = validators.get($ref) ?? ajv.compile({ $ref });
  validators.set($ref, made);
  return made;
}
