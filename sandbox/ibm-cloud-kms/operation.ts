import type { Cloud, Instance } from './cloud.ts';
import type { Caller, Role } from './iam.ts';

/** One call, checked as far as every call is. */
export interface Call {
  readonly cloud: Cloud;
  readonly instance: Instance;
  readonly caller: Caller;
  /** The path's own parts, decoded: a key's id or alias, then whatever follows. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  /** `x-kms-key-ring`. */
  readonly keyRing: string | undefined;
  /** Whether `Prefer: return=minimal` was sent. */
  readonly minimal: boolean;
  /** The parsed body; undefined when there was none. */
  readonly body: unknown;
}

export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Operation {
  /** As IBM's SDKs call it. */
  readonly name: string;
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'DELETE';
  /** Below `/api/v2`; `{}` stands for one part. */
  readonly path: string;
  readonly role: Role;
  readonly answer: (call: Call) => Answer | Promise<Answer>;
}

export const KEY_TYPE = 'application/vnd.ibm.kms.key+json';

/** The envelope of everything. */
export function collection(type: string, resources: readonly unknown[], totalCount?: number): unknown {
  return {
    metadata: {
      collectionType: type,
      collectionTotal: resources.length,
      ...(totalCount === undefined ? {} : { totalCount }),
    },
    resources,
  };
}
