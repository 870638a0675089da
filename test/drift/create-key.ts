/*
 * A process that makes one key, as the function does, and is killed on the way: `node create-key.ts <key id> <vault id> <label>`, with the
 * functions' environment.
 */
import { deployment } from '../../functions/deployment.ts';
import { createKey, planKey, templateNamed } from '../../lib/keys/create.ts';
import { keystoresOfVault, readVaultCounters } from '../../lib/records/reading.ts';

const [id = '', vaultId = '', label = ''] = process.argv.slice(2);
const made = deployment();
const { keystoresGeneration } = await readVaultCounters(made.database, vaultId);
const template = await templateNamed(made, vaultId, 'aes');
const keystores = await keystoresOfVault(made.database, vaultId);
const given = { label, description: '', labelTags: [], tags: [] };
const planned = planKey(template, keystores, given, { id, subject: 'ada', now: made.clock() });
const attempt = {
  operation: 'CreateManagedKey',
  subject: 'ada',
  sourceIp: undefined,
  userAgent: undefined,
  correlationId: 'trace',
  alongside: () => [],
};
await createKey(made, attempt, template, planned, keystoresGeneration, new AbortController().signal);
