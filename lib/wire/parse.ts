import type * as z from 'zod/mini';
import { Fault } from '../fault.ts';
import type { FaultCode, FaultDetail, FaultTarget } from '../fault.ts';

type Issue = z.core.$ZodIssue;
type RawIssue = z.core.$ZodRawIssue;

/**
 * Checks a request's body and answers it typed. Throws a `Fault` that names every invalid and every unknown field at once, each by
 * its dotted name. Values are never repeated in messages: they may be secrets.
 */
export function parseBody<Schema extends z.ZodMiniType>(schema: Schema, body: unknown): z.output<Schema> {
  const parsed = schema.safeParse(body, { error: says });
  if (parsed.success) return parsed.data;
  throw faultOf(details(parsed.error.issues, 'field'), 'invalid_field');
}

/**
 * Parses a query string (without `?`) and answers its parameters typed. A parameter may be repeated where it takes several values.
 * Throws a `Fault` that names every parameter that is invalid, unknown, or excluded by another one.
 */
export function parseQuery<Schema extends z.ZodMiniType>(schema: Schema, queryString: string): z.output<Schema> {
  const occurrences = new Map<string, string[]>();
  for (const [name, value] of new URLSearchParams(queryString)) {
    occurrences.set(name, [...(occurrences.get(name) ?? []), value]);
  }
  const conflicts = conflicting(occurrences);
  const parsed = schema.safeParse(Object.fromEntries(occurrences), { error: says });
  if (parsed.success && conflicts.length === 0) return parsed.data;
  const invalid = parsed.success ? [] : details(parsed.error.issues, 'parameter');
  throw faultOf([...invalid, ...conflicts], 'invalid_parameter');
}

function conflicting(given: ReadonlyMap<string, unknown>): FaultDetail[] {
  return [...given.keys()].flatMap((name) => {
    const exact = name.replace(/_m(?:in|ax)$/, '');
    if (exact === name || !given.has(exact)) return [];
    const message = `${name} cannot be combined with ${exact}.`;
    return [{ code: 'conflicting_parameters', message, target: { type: 'parameter', name } }];
  });
}

/** A fault has one code: what all entries share, or else the general one. */
function faultOf(entries: readonly FaultDetail[], general: FaultCode): Fault {
  const codes = new Set(entries.map((entry) => entry.code ?? general));
  const [only] = codes;
  return new Fault(codes.size === 1 && only !== undefined ? only : general, entries);
}

function details(issues: readonly Issue[], type: FaultTarget['type']): FaultDetail[] {
  const told = new Set<string>();
  return issues.flatMap((issue) => {
    const entries = issue.code === 'unrecognized_keys' ? unknown(issue, type) : [invalid(issue, type)];
    return entries.filter((entry) => !told.has(entry.message) && told.add(entry.message));
  });
}

function unknown(issue: Issue & { code: 'unrecognized_keys' }, type: FaultTarget['type']): FaultDetail[] {
  const code = type === 'field' ? 'unknown_field' : 'unknown_parameter';
  const kind = type === 'field' ? 'field' : 'query parameter';
  return issue.keys.map((key) => {
    const name = nameOf([...issue.path, key], type);
    return { code, message: `${name} is not a ${kind} of this request.`, target: { type, name } };
  });
}

function invalid(issue: Issue, type: FaultTarget['type']): FaultDetail {
  const code = type === 'field' ? 'invalid_field' : 'invalid_parameter';
  const name = nameOf(issue.path, type);
  if (name === '') return { code, message: `The body ${issue.message}.` };
  return { code, message: `${name} ${issue.message}.`, target: { type, name } };
}

const LONGEST_NAME = 200;

/** `keystores[0].group`; a parameter's name has no parts. Unknown names come from the caller: they are cut. */
function nameOf(path: readonly PropertyKey[], type: FaultTarget['type']): string {
  const parts = type === 'parameter' ? path.slice(0, 1) : path;
  const name = parts.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  const whole = name.startsWith('.') ? name.slice(1) : name;
  return whole.length > LONGEST_NAME ? `${whole.slice(0, LONGEST_NAME)}…` : whole;
}

const ARTICLE: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
};

/** The part of a message after the name. zod/mini carries no messages, and its own are written for developers. */
function says(issue: RawIssue): string {
  const absent = issue.input === undefined;
  if (issue.code === 'invalid_type') {
    return absent ? 'is required' : `must be ${ARTICLE[issue.expected] ?? issue.expected}`;
  }
  if (issue.code === 'invalid_value') return absent ? 'is required' : `must be ${choice(issue.values)}`;
  if (issue.code === 'invalid_union' && 'options' in issue && Array.isArray(issue.options)) {
    const missing = typeof issue.discriminator === 'string' && lacks(issue.input, issue.discriminator);
    return `${missing ? 'is required and ' : ''}must be ${choice(issue.options)}`;
  }
  // Every other rule carries its own words; a schema that forgets them is still understood.
  return 'is not valid';
}

function lacks(input: unknown, field: string): boolean {
  return typeof input === 'object' && input !== null && !Object.hasOwn(input, field);
}

function choice(values: readonly unknown[]): string {
  const names = values.map(String);
  return names.length === 1 ? names.join('') : `one of ${names.join(', ')}`;
}
