import type { Context } from 'aws-lambda';
import { resume } from '../lib/drift/resume.ts';
import { deadline } from './deadline.ts';
import { deployment } from './deployment.ts';

/** Every minute: goes on with work in keystores that a crash, a deadline or a fault left open. Whatever event starts it. */
export async function handler(_event: unknown, context?: Context): Promise<{ readonly resumed: number }> {
  const answer = await resume(deployment(), deadline(context));
  if (answer.resumed > 0) deployment().log.info('resumed', answer);
  return answer;
}
