import { partitionOf } from "#kernel/partition.js";
import type { LedgerClient } from "#platform/ledger-client.js";
import type { TenancyCopy } from "#platform/tenancy-copy.js";
import type { StoredInvoice } from "./store/invoices.js";
import { verifyInvoice } from "./verifier/verify-invoice.js";

export interface Verification {
  readonly matches: boolean;
  /** Of the recomputed document. */
  readonly expectedSha256: string;
  readonly checkedEvents: number;
  /** Where stored and recomputed document differ; empty when they match. */
  readonly differences: readonly string[];
}

export interface InvoiceVerifier {
  verify(invoice: StoredInvoice): Promise<Verification>;
}

/** Hands a stored invoice to the verifier, which knows the ledger and tenancy's history and nothing of this room. */
export function createInvoiceVerifier(options: {
  readonly ledger: LedgerClient;
  readonly tenancy: TenancyCopy;
  readonly partitions: number;
}): InvoiceVerifier {
  return {
    verify: ({ tenantId, ordinal, sha256, document }) =>
      verifyInvoice(
        { ledger: options.ledger, tenancy: options.tenancy, partition: partitionOf(tenantId, options.partitions) },
        { tenantId, ordinal, sha256, document },
      ),
  };
}
