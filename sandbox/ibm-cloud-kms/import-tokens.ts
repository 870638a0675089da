import { createPrivateKey, createPublicKey } from 'node:crypto';
import * as z from 'zod/mini';
import { badBody, KmsError } from './error.ts';
import { newImportToken, validToken } from './material.ts';
import type { Call, Operation } from './operation.ts';
import { shownTime } from './show.ts';

const wanted = z.strictObject({
  expiration: z.optional(z.int().check(z.minimum(300), z.maximum(86_400))),
  maxAllowedRetrievals: z.optional(z.int().check(z.minimum(1), z.maximum(500))),
});

function requireOffered({ instance }: Call): void {
  if (instance.offersImportTokens) return;
  throw new KmsError(403, 'Import token could not be served', {
    code: 'FEATURE_RESTRICTED_ERR',
    message: 'This action is not permitted on this resource',
  });
}

export const IMPORT_TOKEN_OPERATIONS: readonly Operation[] = [
  {
    name: 'PostImportToken',
    method: 'POST',
    path: '/import_token',
    role: 'Writer',
    answer: async (call) => {
      requireOffered(call);
      const parsed = z.safeParse(wanted, call.body ?? {});
      if (!parsed.success) throw badBody('Import token could not be created', parsed.error.message);
      const { expiration = 600, maxAllowedRetrievals = 1 } = parsed.data;
      const token = await newImportToken(call.cloud, call.instance, { expiration, maxAllowedRetrievals });
      return {
        status: 200,
        body: {
          id: token.id,
          creationDate: shownTime(token.createdAt),
          expirationDate: shownTime(token.expiresAt),
          maxAllowedRetrievals: token.maxAllowedRetrievals,
          remainingRetrievals: token.remainingRetrievals,
        },
      };
    },
  },
  {
    name: 'GetImportToken',
    method: 'GET',
    path: '/import_token',
    role: 'Writer',
    answer: (call) => {
      requireOffered(call);
      const { cloud, instance } = call;
      const what = 'Import token could not be retrieved';
      if (instance.importToken === undefined) {
        throw new KmsError(404, what, {
          code: 'IMPORT_TOKEN_NOT_FOUND_ERR',
          message: 'Import token does not exist',
        });
      }
      const token = validToken(cloud, instance, what);
      if (token.remainingRetrievals < 1) {
        throw new KmsError(409, what, {
          code: 'IMPORT_TOKEN_EXPIRED_ERR',
          message: 'The import token has reached its maximum retrievals',
        });
      }
      token.remainingRetrievals -= 1;
      cloud.setImportToken(instance, token);
      const pem = createPublicKey(createPrivateKey({ key: token.privateKey, format: 'der', type: 'pkcs8' })).export({
        type: 'spki',
        format: 'pem',
      });
      return {
        status: 200,
        body: {
          id: token.id,
          creationDate: shownTime(token.createdAt),
          expirationDate: shownTime(token.expiresAt),
          payload: Buffer.from(pem).toString('base64'),
          nonce: token.nonce.toString('base64'),
        },
      };
    },
  },
];
