import * as z from 'zod/mini';
import { later } from '../later.ts';
import { text, unique } from './fields.ts';
import type { Wire } from './fields.ts';

export const tag = later(() =>
  z.strictObject({
    name: text({ minimum: 1, maximum: 254, says: 'must have 1 to 254 characters' }),
    value: text({ minimum: 0, maximum: 8192, says: 'must have at most 8192 characters' }),
  }),
);
export type WireTag = Wire<typeof tag>;

export const tags = later(() =>
  z.array(tag()).check(
    z.maxLength(128, 'may have at most 128 tags'),
    unique((item) => item.name, 'repeats the name of another tag'),
  ),
);
