import { serve } from './http.ts';

/** Whatever no route takes: the contract's 404, to callers who are somebody. */
export const handler = serve({});
