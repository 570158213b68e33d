import type { EventLog } from "#platform/event-log/event-log.js";
import { buildSubgraph, type Subgraph } from "#platform/graphql/subgraph.js";
import type { LedgerClient } from "#platform/ledger/client.js";
import { createAudit } from "#platform/tenancy-client/audit-log.js";
import { maySee } from "#schema/policy.js";
import { createPeriodCloser } from "../closing/request-close.js";
import { createCreditControl } from "../credits/control.js";
import { parseInvoiceId } from "../rules/invoice-document.js";
import { createInvoiceVerifier } from "../verify.js";
import { CreditOperations, CreditsResolver, createCreditReads, TenantCreditsResolver } from "./credit-resolvers.js";
import { createInvoiceReads } from "./invoice-reads.js";
import { BillingPeriodResolver, InvoiceAdjustmentResolver, InvoiceResolver } from "./invoice-resolvers.js";
import { BillingOperations } from "./operations.js";
import { TenantBillingResolver } from "./tenant-resolver.js";
import { createUsageReads, type GraphOptions } from "./usage-reads.js";
import { invoiceView } from "./views.js";

export interface BillingGraphOptions extends GraphOptions {
  readonly log: EventLog;
  readonly ledger: LedgerClient;
}

/** A time from another subgraph, requested with `@requires`. */
const timeOf = (text: unknown): number | null => (typeof text === "string" ? Date.parse(text) : null);

/** Billing's part of the graph: usage, periods and invoices of tenants, previews, verification, manual closes. */
export function createBillingSubgraph(options: BillingGraphOptions): Promise<Subgraph> {
  const usage = createUsageReads(options);
  const billing = createInvoiceReads(options);
  const verifier = createInvoiceVerifier(options);
  const credits = createCreditReads(options);
  const audit = createAudit(options.log, options.clock);
  const closer = createPeriodCloser(options, options.clock);
  return buildSubgraph({
    name: "billing",
    resolvers: [
      new TenantBillingResolver(usage, billing),
      new InvoiceResolver(billing),
      new BillingPeriodResolver(billing),
      new InvoiceAdjustmentResolver(billing),
      new BillingOperations(options, billing, verifier, closer, audit),
      new TenantCreditsResolver(credits),
      new CreditsResolver(credits),
      new CreditOperations(options.tenancy, options.clock, createCreditControl(options), audit),
    ],
    references: {
      Tenant: ({ id, testClock, quotaClock }, { identity }) =>
        typeof id === "string" && maySee(identity, "Query.tenant", id)
          ? { id, testClock: timeOf(testClock), quotaClock: timeOf(quotaClock) }
          : null,
      async Invoice({ id }, context) {
        const key = typeof id === "string" ? parseInvoiceId(id) : undefined;
        if (key === undefined || !maySee(context.identity, "Query.invoice", key.tenantId)) return null;
        const stored = await billing.invoiceOf(context, key);
        return stored === undefined ? null : invoiceView(stored);
      },
    },
  });
}
