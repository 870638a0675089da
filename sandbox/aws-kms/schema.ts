import * as z from 'zod/mini';
import { KmsError, validationError } from './error.ts';

const base64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Bytes on the wire: base64 text, bounded after decoding. */
export function blob(minimum: number, maximum: number) {
  return z.pipe(
    z.string().check(z.regex(base64)),
    z.transform((encoded: string, context) => {
      const bytes = Buffer.from(encoded, 'base64');
      const broken = lengthConstraint(bytes.length, minimum, maximum);
      if (broken) context.issues.push({ code: 'custom', input: encoded, message: broken });
      return bytes;
    }),
  );
}

function lengthConstraint(length: number, minimum: number, maximum: number): string | undefined {
  if (length < minimum) return `Member must have length greater than or equal to ${minimum}`;
  return length > maximum ? `Member must have length less than or equal to ${maximum}` : undefined;
}

export const text = (minimum: number, maximum: number) => z.string().check(z.minLength(minimum), z.maxLength(maximum));
export const pattern = (minimum: number, maximum: number, regex: RegExp) =>
  z.string().check(z.minLength(minimum), z.maxLength(maximum), z.regex(regex));
export const integer = (minimum: number, maximum: number) => z.int().check(z.minimum(minimum), z.maximum(maximum));

/** A key id, key ARN, alias name or alias ARN, not looked up yet. */
export const keyReference = text(1, 2048);
export const limit = (maximum: number) => z.optional(integer(1, maximum));
export const marker = z.optional(text(1, 1024));
export const encryptionContext = z.optional(z.record(z.string(), z.string()));
export const grantTokens = z.optional(z.array(text(1, 8192)).check(z.maxLength(10)));
export const dryRun = z.optional(z.boolean());
export const tagList = z.array(z.object({ TagKey: text(1, 128), TagValue: text(0, 256) }));

type Issue = z.core.$ZodIssue;

/**
 * Parses an input as AWS does: members it does not know are ignored, a wrong JSON type is a SerializationException, and
 * everything else that does not fit is one ValidationException that lists every violation.
 */
export function parseInput<S extends z.ZodMiniType>(schema: S, body: unknown): z.output<S> {
  const parsed = z.safeParse(schema, body);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues;
  const mistyped = issues.find((issue) => issue.code === 'invalid_type' && valueAt(body, issue.path) !== undefined);
  if (mistyped) throw new KmsError('SerializationException', `${wirePath(mistyped.path)} has the wrong JSON type`);
  const listed = issues.map((issue) => describe(issue, valueAt(body, issue.path)));
  const plural = listed.length === 1 ? 'error' : 'errors';
  throw validationError(`${listed.length} validation ${plural} detected: ${listed.join('; ')}`);
}

function valueAt(body: unknown, path: readonly PropertyKey[]): unknown {
  let value = body;
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[step];
  }
  return value ?? undefined;
}

function wirePath(path: readonly PropertyKey[]): string {
  return path.map((step) => (typeof step === 'number' ? `${step + 1}.member` : lowerFirst(String(step)))).join('.');
}

export const lowerFirst = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1);

function describe(issue: Issue, value: unknown): string {
  return `${subject(issue, value)} at '${wirePath(issue.path)}' failed to satisfy constraint: ${constraint(issue)}`;
}

function subject(issue: Issue, value: unknown): string {
  if (value === undefined) return 'Value null';
  // AWS never echoes bytes back.
  const echoed = issue.code !== 'custom' && (typeof value === 'string' || typeof value === 'number');
  return echoed ? `Value '${value}'` : 'Value';
}

function constraint(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return 'Member must not be null';
    case 'invalid_value':
      return issue.values.length > 0 && issue.input === undefined && issue.path.length === 0
        ? 'Member must not be null'
        : `Member must satisfy enum value set: [${issue.values.map(String).join(', ')}]`;
    case 'too_small':
      return `Member must have ${measured(issue.origin)} greater than or equal to ${issue.minimum}`;
    case 'too_big':
      return `Member must have ${measured(issue.origin)} less than or equal to ${issue.maximum}`;
    case 'invalid_format':
      return `Member must satisfy regular expression pattern: ${issue.pattern ?? issue.format}`;
    case 'not_multiple_of':
    case 'unrecognized_keys':
    case 'invalid_union':
    case 'invalid_key':
    case 'invalid_element':
    case 'custom':
      return issue.message;
  }
}

const measured = (origin: string): string => (origin === 'string' || origin === 'array' ? 'length' : 'value');
