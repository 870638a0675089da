import type { ApprovalSubject } from '../approvals/approval.ts';
import type { AutoRepair } from '../auto-repair/policy.ts';

/** What users decide about a vault. */
export interface Vault {
  readonly id: string;
  readonly revision: number;
  readonly name: string;
  readonly description: string;
  readonly recoveryKeyLabel: string | undefined;
  /** What takes a second person in this vault. */
  readonly approvalRequiredFor: readonly ApprovalSubject[];
  readonly autoRepair: AutoRepair;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly createdBy: string;
  readonly updatedBy: string;
}

/** How much a vault holds; kept exact by the transactions that add and remove. */
export interface VaultCounters {
  readonly keys: number;
  readonly templates: number;
  readonly keystores: number;
  /** Rises whenever a keystore or its groups change: decisions about where keys live hold for one generation. */
  readonly keystoresGeneration: number;
}
