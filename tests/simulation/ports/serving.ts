import type { ServiceContext } from "#platform/process/service.js";
import type { DeliverOptions } from "../../../workers/notification/delivery/deliver.js";
import type { QuotaCounters } from "../../../workers/quota/counters/counters.js";
import type { Change, Known } from "../terms/commands.js";
import type { Grant, VoidGrant } from "../terms/credits.js";
import type { Ask, Receive, Withdraw } from "../terms/requests.js";

/** What clients and the judge reach of a process. */
export interface Serving {
  readonly receive?: Receive;
  readonly withdraw?: Withdraw;
  readonly ask?: Ask;
  /** The differences between quota's totals and the ledger. */
  readonly reconcile?: (tenantId: string) => Promise<readonly string[]>;
  readonly grant?: Grant;
  readonly voidGrant?: VoidGrant;
  readonly change?: Change;
  /** Whose API key that is, and whether the process is not cut off from the log. Rejects if it is none. */
  readonly authenticate?: (secret: string) => Promise<{ readonly id: string; readonly knowsTheLog: boolean }>;
  /** What the process would decide by now. */
  readonly known?: () => Known;
}

export interface RoleContext extends ServiceContext {
  /** The name of this run of the process. */
  readonly instance: string;
  readonly counters: QuotaCounters;
  /** One POST to a receiver of webhooks. */
  readonly post: DeliverOptions["post"];
  /** How operators reach tenancy. */
  asked(change: Change): Change;
}

/** The code of one process: the product's own composition, without its interfaces. */
export type Role = (context: RoleContext) => Promise<Serving>;
