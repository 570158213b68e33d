import { MetrlyError } from "#kernel/errors.js";
import { partitionOf } from "#kernel/partition.js";
import type { LedgerClient } from "#platform/ledger/client.js";
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

export interface InvoiceVerifier {
  verify(invoice: StoredInvoice): Promise<Verification>;
}

/** Each reads a tenant's whole ledger: more at once would starve recording of the database. */
const AT_ONCE = 2;
const MAX_WAITING = 20;

/**
 * Passes a stored invoice to the verifier, which depends only on the ledger and tenancy's history. Bounds concurrency and
 * queues; throws BUSY when the queue is full.
 */
export function createInvoiceVerifier(options: {
  readonly ledger: LedgerClient;
  readonly tenancy: TenancyCopy;
  readonly partitions: number;
}): InvoiceVerifier {
  const waiting: (() => void)[] = [];
  let running = 0;

  async function turn(): Promise<void> {
    if (running < AT_ONCE) running += 1;
    else if (waiting.length < MAX_WAITING) await new Promise<void>((resolve) => waiting.push(resolve));
    else throw new MetrlyError("BUSY", "Too many invoices are being verified; try again later");
  }

  /** A finished turn goes to the longest waiting caller. */
  function done(): void {
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next();
  }

  return {
    async verify({ tenantId, ordinal, sha256, document }) {
      await turn();
      try {
        return await verifyInvoice(
          { ledger: options.ledger, tenancy: options.tenancy, partition: partitionOf(tenantId, options.partitions) },
          { tenantId, ordinal, sha256, document },
        );
      } finally {
        done();
      }
    },
  };
}
