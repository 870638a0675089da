import * as z from 'zod/mini';
import { later } from '../later.ts';
import type { Wire } from './fields.ts';

export const target = later(() =>
  z.strictObject({
    type: z.optional(z.enum(['field', 'parameter', 'header'])),
    name: z.optional(z.string()),
  }),
);

export const errorModel = later(() =>
  z.strictObject({
    code: z.string(),
    message: z.string(),
    more_info: z.optional(z.string()),
    message_params: z.optional(z.array(z.string())),
    target: z.optional(target()),
  }),
);

/** The body of every answer that is not a success; also the `error` of a keystore that could not be asked. */
export const apiError = later(() =>
  z.strictObject({
    status_code: z.optional(z.int()),
    trace: z.optional(z.string()),
    errors: z.array(errorModel()),
  }),
);
export type WireApiError = Wire<typeof apiError>;
