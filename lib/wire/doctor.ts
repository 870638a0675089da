import * as z from 'zod/mini';
import { FINDING_SUBJECTS, FINDING_VERDICTS } from '../doctor/finding.ts';
import { later } from '../later.ts';
import { dateTime } from './fields.ts';
import type { Wire } from './fields.ts';

// Beyond UKO.

export const finding = later(() =>
  z.strictObject({
    subject: z.enum(FINDING_SUBJECTS),
    name: z.string(),
    check: z.string().check(z.describe('What was looked at.')),
    verdict: z.enum(FINDING_VERDICTS).check(z.describe('unknown: it could not be told.')),
    message: z.string(),
    advice: z.optional(z.string().check(z.describe('What to do about it.'))),
  }),
);

export const diagnosis = later(() =>
  z.strictObject({
    checked_at: dateTime(),
    verdict: z.enum(FINDING_VERDICTS).check(z.describe('The worst of the findings.')),
    findings: z.array(finding()),
  }),
);
export type WireDiagnosis = Wire<typeof diagnosis>;
