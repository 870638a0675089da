import { Fault } from '../fault.ts';

const MAXIMUM_DEPTH = 32;
// As own keys these are harmless, until some code copies them onto an ordinary object.
const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * Reads a JSON text of a stranger. Throws `malformed` when it is not JSON (without saying where: the text may hold secrets), nests
 * deeper than 32, or has a key that could reach an object's prototype.
 */
export function parseJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Fault('malformed', 'The body is not valid JSON.');
  }
  let level: object[] = isObject(value) ? [value] : [];
  for (let depth = 1; level.length > 0; depth += 1) {
    if (depth > MAXIMUM_DEPTH) throw new Fault('malformed', `The body is nested deeper than ${MAXIMUM_DEPTH} levels.`);
    const next: object[] = [];
    for (const object of level) {
      if (!Array.isArray(object)) refuseForbiddenKeys(object);
      for (const child of Object.values(object) as unknown[]) if (isObject(child)) next.push(child);
    }
    level = next;
  }
  return value;
}

function refuseForbiddenKeys(object: object): void {
  const forbidden = Object.keys(object).find((key) => FORBIDDEN_KEYS.has(key));
  if (forbidden === undefined) return;
  throw new Fault('unknown_field', {
    message: `${forbidden} is not a field of any request.`,
    target: { type: 'field', name: forbidden },
  });
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
