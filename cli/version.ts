import { createRequire } from 'node:module';

declare const SHEARLINE_VERSION: string | undefined;

/** The package's version; the published bundle has it written in. */
export const VERSION: string =
  typeof SHEARLINE_VERSION === 'string'
    ? SHEARLINE_VERSION
    : (createRequire(import.meta.url)('../package.json') as { readonly version: string }).version;
