import type { Cloud } from './cloud.ts';
import type { Encode } from './enums.ts';
import { invalid, notFound } from './error.ts';
import type { CryptoKey, KeyRing, Version } from './world.ts';

/** One call, parsed as far as every operation needs it. */
export interface Call {
  readonly cloud: Cloud;
  readonly now: number;
  readonly encode: Encode;
  /** The resource in the path, without the custom method and the collection that is listed or added to. */
  readonly name: string;
  readonly query: URLSearchParams;
  readonly body: Readonly<Record<string, unknown>>;
}

export type Answer = Record<string, unknown>;

export const timestamp = (at: number): string => new Date(at).toISOString();

export function keyRingOf({ cloud }: Call, name: string): KeyRing {
  const ring = cloud.keyRings.get(name);
  if (ring === undefined) throw notFound('KeyRing', name);
  return ring;
}

export function cryptoKeyOf({ cloud }: Call, name: string): CryptoKey {
  const key = cloud.key(name);
  if (key === undefined) throw notFound('CryptoKey', name);
  return key;
}

export function versionOf(call: Call, name: string): { key: CryptoKey; version: Version } {
  const at = name.lastIndexOf('/cryptoKeyVersions/');
  const key = cryptoKeyOf(call, name.slice(0, at));
  const version = key.versions.get(Number(name.slice(at + '/cryptoKeyVersions/'.length)));
  if (version === undefined) throw notFound('CryptoKeyVersion', name);
  return { key, version };
}

const ID = /^[a-zA-Z0-9_-]{1,63}$/;

/** The id of a resource to be made, from the query. */
export function newId({ query }: Call, parameter: string): string {
  const id = query.get(parameter) ?? '';
  if (!ID.test(id)) throw invalid(`The ${parameter} "${id}" does not match [a-zA-Z0-9_-]{1,63}.`);
  return id;
}

/** The fields to update; at least one, and no other than these. */
export function updateMask({ query }: Call, allowed: readonly string[]): readonly string[] {
  const fields = (query.get('updateMask') ?? '').split(',').filter((field) => field !== '');
  if (fields.length === 0) throw invalid('update_mask must not be empty.');
  const camel = fields.map((field) => field.replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase()));
  const unknown = camel.find((field) => !allowed.includes(field));
  if (unknown !== undefined) throw invalid(`Invalid update_mask: ${unknown} cannot be updated.`);
  return camel;
}

export function textOf(body: Readonly<Record<string, unknown>>, field: string): string | undefined {
  const value = body[field];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') throw invalid(`Invalid value at '${field}' (TYPE_STRING)`);
  return value;
}

export function bytesOf(body: Readonly<Record<string, unknown>>, field: string): Buffer | undefined {
  const text = textOf(body, field);
  if (text === undefined) return undefined;
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text))
    throw invalid(`Invalid value at '${field}' (TYPE_BYTES), Base64 decoding failed`);
  return Buffer.from(text, 'base64');
}

export function objectOf(value: unknown, field: string): Readonly<Record<string, unknown>> {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) throw invalid(`Invalid value at '${field}'`);
  return value as Record<string, unknown>;
}
