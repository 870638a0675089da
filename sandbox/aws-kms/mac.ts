import { createHmac, timingSafeEqual } from 'node:crypto';
import * as z from 'zod/mini';
import { backingMaterial } from './custom-key-stores.ts';
import { stopDryRun, wrongUsage } from './encryption.ts';
import { KmsError } from './error.ts';
import { checkState } from './key-state.ts';
import type { KmsKey } from './key.ts';
import { algorithmsOf } from './key-spec.ts';
import { findKeyOrAlias } from './key-reference.ts';
import { query } from './operation.ts';
import type { Call, Operations } from './operation.ts';
import { blob, dryRun, grantTokens, keyReference } from './schema.ts';

const macced = {
  KeyId: keyReference,
  Message: blob(1, 4096),
  MacAlgorithm: z.enum(['HMAC_SHA_224', 'HMAC_SHA_256', 'HMAC_SHA_384', 'HMAC_SHA_512']),
  GrantTokens: grantTokens,
  DryRun: dryRun,
};
const macInput = z.object(macced);
type MacInput = z.output<typeof macInput>;

/** Message authentication codes by HMAC keys. */
export const macOperations: Operations = {
  GenerateMac: query(macInput, (input, call) => {
    const key = macKey(call, input);
    stopDryRun(input.DryRun);
    return { Mac: macOf(key, input).toString('base64'), MacAlgorithm: input.MacAlgorithm, KeyId: key.arn };
  }),

  VerifyMac: query(z.object({ ...macced, Mac: blob(1, 6144) }), (input, call) => {
    const key = macKey(call, input);
    stopDryRun(input.DryRun);
    const expected = macOf(key, input);
    if (input.Mac.length !== expected.length || !timingSafeEqual(input.Mac, expected)) {
      throw new KmsError('KMSInvalidMacException', '');
    }
    return { KeyId: key.arn, MacValid: true, MacAlgorithm: input.MacAlgorithm };
  }),
};

function macKey(call: Call, input: MacInput): KmsKey {
  const key = findKeyOrAlias(call, input.KeyId);
  if (key.keyUsage !== 'GENERATE_VERIFY_MAC') throw wrongUsage(key, call.operation);
  if (!algorithmsOf(key.keySpec, key.keyUsage)?.includes(input.MacAlgorithm)) {
    throw new KmsError(
      'InvalidKeyUsageException',
      `Algorithm ${input.MacAlgorithm} is incompatible with key spec ${key.keySpec}.`,
    );
  }
  checkState(call, key);
  return key;
}

const macOf = (key: KmsKey, input: MacInput): Buffer =>
  createHmac(input.MacAlgorithm.replace('HMAC_SHA_', 'sha'), backingMaterial(key)).update(input.Message).digest();
