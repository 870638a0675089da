import { cryptographicOperations } from './cryptography.ts';
import { deletionOperations } from './deletion.ts';
import { VaultError } from './error.ts';
import { keyOperations } from './keys.ts';
import type { Operation } from './operation.ts';

const operations: Readonly<Record<string, Operation>> = {
  ...keyOperations,
  ...deletionOperations,
  ...cryptographicOperations,
};

/** Method, path and the operation that they are, as in Azure's REST reference. `{name}` and `{version}` are one segment each. */
const routes: readonly (readonly [method: string, path: string, operation: string])[] = [
  ['GET', '/keys', 'GetKeys'],
  ['GET', '/keys/{name}', 'GetKey'],
  ['GET', '/keys/{name}/versions', 'GetKeyVersions'],
  ['GET', '/keys/{name}/{version}', 'GetKey'],
  ['PUT', '/keys/{name}', 'ImportKey'],
  ['POST', '/keys/{name}/create', 'CreateKey'],
  ['POST', '/keys/{name}/rotate', 'RotateKey'],
  ['PATCH', '/keys/{name}', 'UpdateKey'],
  ['PATCH', '/keys/{name}/{version}', 'UpdateKey'],
  ['DELETE', '/keys/{name}', 'DeleteKey'],
  ['GET', '/deletedkeys', 'GetDeletedKeys'],
  ['GET', '/deletedkeys/{name}', 'GetDeletedKey'],
  ['POST', '/deletedkeys/{name}/recover', 'RecoverDeletedKey'],
  ['DELETE', '/deletedkeys/{name}', 'PurgeDeletedKey'],
  ...(
    [
      ['encrypt', 'Encrypt'],
      ['decrypt', 'Decrypt'],
      ['wrapkey', 'WrapKey'],
      ['unwrapkey', 'UnwrapKey'],
      ['sign', 'Sign'],
      ['verify', 'Verify'],
    ] as const
  ).flatMap(([segment, operation]): (readonly [string, string, string])[] => [
    ['POST', `/keys/{name}/${segment}`, operation],
    ['POST', `/keys/{name}/{version}/${segment}`, operation],
  ]),
];

export interface Route {
  readonly operationName: string;
  readonly operation: Operation;
  readonly name: string;
  readonly version: string | undefined;
}

const nameForm = /^[0-9A-Za-z-]{1,127}$/;
const versionForm = /^[0-9A-Fa-f]{32}$/;

/** What a request asks for. Clients that leave out the version leave its slash: it stands for the newest one. */
export function routeOf(method: string, path: string): Route {
  const given = path.replace(/\/$/, '').split('/').map(decodeURIComponent);
  for (const [itsMethod, pattern, operationName] of routes) {
    const segments = pattern.split('/');
    if (itsMethod !== method || segments.length !== given.length) continue;
    const fits = segments.every((segment, index) => segment.startsWith('{') || segment === given[index]?.toLowerCase());
    const operation = operations[operationName];
    if (!fits || operation === undefined) continue;
    const at = (segment: string) => given[segments.indexOf(segment)];
    const [name, version] = [at('{name}'), at('{version}')];
    if (name !== undefined && !nameForm.test(name)) {
      throw new VaultError(400, 'BadParameter', `The request URI contains an invalid name: ${name}`);
    }
    if (version !== undefined && version !== '' && !versionForm.test(version)) {
      throw new VaultError(400, 'BadParameter', `Invalid version segment in the request URI: ${version}`);
    }
    return { operationName, operation, name: name ?? '', version: version === '' ? undefined : version };
  }
  throw new VaultError(404, 'NotFound', 'The resource was not found.');
}
