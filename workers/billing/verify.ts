import { getHeapStatistics } from "node:v8";
import { partitionOf } from "#kernel/partition.js";
import type { LedgerClient } from "#platform/ledger/client.js";
import { createFairTurns, inTurn, type TurnLimits } from "#platform/lifecycle/fair-turns.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { StoredInvoice } from "./store/invoices.js";
import { verifyInvoice } from "./verifier/verify-invoice.js";

export interface Verification {
  readonly matches: boolean;
  /** Of the recomputed document. */
  readonly expectedSha256: string;
  readonly checkedEvents: number;
  /** Differences of the stored and the recomputed document; empty when they match. */
  readonly differences: readonly string[];
}

interface ClaimedInvoice extends Omit<StoredInvoice, "document"> {
  readonly shown?: Readonly<Record<string, unknown>>;
  readonly document: string | (() => Promise<string>);
  /** Gives up the turn, and ends the reading of the ledger at its next page, when it aborts. */
  readonly signal?: AbortSignal | undefined;
}

export interface InvoiceVerifier {
  /** Reads the document at its turn. */
  verify(invoice: ClaimedInvoice): Promise<Verification>;
}

/** Of the heap, for each verification: half of it for those that run at once. */
const SHARE_OF_HEAP = 0.25;

/** Each reads a tenant's whole ledger: more at once would starve recording of the database. */
const TURNS: TurnLimits = { atOnce: 2, perCaller: 1, waitingPerCaller: 8, waiting: 100 };

/**
 * Passes a stored invoice to the verifier, which depends only on the ledger and tenancy's history. Verifies one invoice
 * of a tenant at a time, and few at once; throws BUSY when too many wait, TOO_LARGE when one takes too much memory.
 */
export function createInvoiceVerifier(options: {
  readonly ledger: LedgerClient;
  readonly tenancy: TenancyCopy;
  readonly partitions: number;
  /** Memory of one verification, about, bytes. */
  readonly maxBytes?: number;
}): InvoiceVerifier {
  const { ledger, tenancy, partitions } = options;
  const { maxBytes = getHeapStatistics().heap_size_limit * SHARE_OF_HEAP } = options;
  const turns = createFairTurns(TURNS);
  return {
    verify: ({ tenantId, ordinal, sha256, shown, document, signal }) =>
      inTurn(
        turns,
        tenantId,
        "Too many invoices are being verified; try again later",
        async () =>
          verifyInvoice(
            { ledger, tenancy, partition: partitionOf(tenantId, partitions), maxBytes, signal },
            {
              ...{ tenantId, ordinal, sha256, ...(shown && { shown }) },
              document: typeof document === "string" ? document : await document(),
            },
          ),
        { signal },
      ),
  };
}
