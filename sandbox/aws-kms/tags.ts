import * as z from 'zod/mini';
import { KmsError, limitExceeded } from './error.ts';
import { checkState } from './key-state.ts';
import type { KmsKey } from './key.ts';
import { findKey } from './key-reference.ts';
import { mutation, query } from './operation.ts';
import type { Call, Operations } from './operation.ts';
import { pageOfList } from './paging.ts';
import { keyReference, limit, marker, tagList, text } from './schema.ts';

type TagList = z.output<typeof tagList>;

/** Tags as given with CreateKey or TagResource, checked. */
export function tagsFrom(call: Call, list: TagList): Record<string, string> {
  const names = list.map(({ TagKey }) => TagKey);
  if (new Set(names).size < names.length) throw new KmsError('TagException', 'Duplicate tag keys');
  if (names.some((name) => name.toLowerCase().startsWith('aws:'))) {
    throw new KmsError('TagException', 'Tag keys must not start with aws:');
  }
  const tags = Object.fromEntries(list.map(({ TagKey, TagValue }) => [TagKey, TagValue]));
  checkCount(call, tags);
  return tags;
}

function checkCount(call: Call, tags: Record<string, string>): void {
  if (Object.keys(tags).length <= call.cloud.limits.tagsPerKey) return;
  throw limitExceeded(`A KMS key cannot have more than ${call.cloud.limits.tagsPerKey} tags.`);
}

const visibleTags = (key: KmsKey, now: number): Record<string, string> =>
  key.staleTags && key.staleTags.until > now ? key.staleTags.tags : key.tags;

function setTags(call: Call, key: KmsKey, tags: Record<string, string>): void {
  const lag = call.cloud.lag(call.world);
  key.staleTags = lag > 0 ? { until: call.now + lag, tags: visibleTags(key, call.now) } : undefined;
  key.tags = tags;
  call.cloud.saveKey(call.world, key);
}

/** Tags of keys. */
export const tagOperations: Operations = {
  TagResource: mutation(z.object({ KeyId: keyReference, Tags: tagList }), (input, call) => {
    const key = findKey(call, input.KeyId);
    checkState(call, key);
    const tags = { ...key.tags, ...tagsFrom(call, input.Tags) };
    checkCount(call, tags);
    setTags(call, key, tags);
    return undefined;
  }),

  UntagResource: mutation(z.object({ KeyId: keyReference, TagKeys: z.array(text(1, 128)) }), (input, call) => {
    const key = findKey(call, input.KeyId);
    checkState(call, key);
    const gone = new Set(input.TagKeys);
    setTags(call, key, Object.fromEntries(Object.entries(key.tags).filter(([name]) => !gone.has(name))));
    return undefined;
  }),

  ListResourceTags: query(z.object({ KeyId: keyReference, Limit: limit(50), Marker: marker }), (input, call) => {
    const key = findKey(call, input.KeyId);
    const list = Object.entries(visibleTags(key, call.now)).map(([TagKey, TagValue]) => ({ TagKey, TagValue }));
    return pageOfList(list, 'Tags', input, 50);
  }),
};
