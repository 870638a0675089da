import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod/mini';

const AWS_CREDENTIALS = z.object({ accessKeyId: z.string(), secretAccessKey: z.string() });

const ENDPOINTS = z.object({
  api: z.string(),
  console: z.nullable(z.string()),
  issuer: z.string(),
  /** Ready-made bearer tokens by role, `all` with every role; empty when the issuer is not ours. */
  tokens: z.record(z.string(), z.string()),
  dynamodb: z.object({ endpoint: z.string(), table: z.string() }),
  /** Where each provider's keystores are. */
  keystores: z.object({
    aws_kms: z.string(),
    azure_key_vault: z.optional(z.string()),
    google_kms: z.optional(z.string()),
    ibm_cloud_kms: z.optional(z.string()),
  }),
  /** What an operator of these keystores signs in with, outside Shearline; empty when the keystores are not ours. */
  operators: z.object({ aws_kms: z.optional(AWS_CREDENTIALS) }),
  /** The sandbox's control port; null when there is no sandbox. */
  control: z.nullable(z.string()),
  /** Where functions without a route are invoked, as the Lambda API does it. */
  functions: z.string(),
});

/** Where everything of a running start is found: what `.local/endpoints.json` says. */
export type Endpoints = z.infer<typeof ENDPOINTS>;

const FILE = 'endpoints.json';

/** Makes the file appear whole and readable by its owner only: it holds tokens. */
export function writeEndpoints(folder: string, endpoints: Endpoints): void {
  const unfinished = join(folder, `${FILE}.${process.pid}`);
  writeFileSync(unfinished, `${JSON.stringify(endpoints, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(unfinished, join(folder, FILE));
}

/** What a start wrote there; undefined when there is nothing, or nothing that can be read. */
export function readEndpoints(folder: string): Endpoints | undefined {
  try {
    return ENDPOINTS.parse(JSON.parse(readFileSync(join(folder, FILE), 'utf8')));
  } catch {
    return undefined;
  }
}

export function removeEndpoints(folder: string): void {
  rmSync(join(folder, FILE), { force: true });
}
