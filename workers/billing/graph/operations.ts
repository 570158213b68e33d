import { Arg, Ctx, Directive, ID, Int, Mutation, Query, Resolver } from "type-graphql";
import { noSuch } from "#kernel/errors.js";
import { DateTimeScalar } from "#platform/graphql/scalars.js";
import type { SubgraphContext } from "#platform/graphql/subgraph.js";
import type { Audit } from "#platform/tenancy-client/audit-log.js";
import { knownTenant } from "#platform/tenancy-client/caught-up.js";
import { authorize, maySee } from "#schema/policy.js";
import type { PeriodCloser } from "../closing/request-close.js";
import { parseInvoiceId } from "../rules/invoice-document.js";
import { createUnmeteredTypes } from "../store/unmetered-types.js";
import type { InvoiceVerifier } from "../verify.js";
import type { InvoiceReads } from "./invoice-reads.js";
import {
  BillingPeriodType,
  InvoicePreviewType,
  InvoiceType,
  InvoiceVerificationType,
  UnmeteredTypeType,
} from "./types.js";
import type { GraphOptions } from "./usage-reads.js";
import { endedPeriodView, invoiceView } from "./views.js";

@Resolver()
export class BillingOperations {
  private readonly unmeteredOf;

  constructor(
    private readonly options: GraphOptions,
    private readonly billing: InvoiceReads,
    private readonly verifier: InvoiceVerifier,
    private readonly closer: PeriodCloser,
    private readonly audit: Audit,
  ) {
    this.unmeteredOf = createUnmeteredTypes(options.database);
  }

  @Query(() => InvoiceType, {
    nullable: true,
    description: "An invoice; null: it does not exist, or is not the caller's",
  })
  async invoice(
    @Ctx() context: SubgraphContext,
    @Arg("id", () => ID, { description: "`inv_<tenant>_<ordinal>`, e.g. `inv_acme_000001`" }) id: string,
  ): Promise<InvoiceType | null> {
    const key = parseInvoiceId(id);
    if (key === undefined || !maySee(context.identity, "Query.invoice", key.tenantId)) return null;
    const stored = await this.billing.invoiceOf(context, key);
    return stored === undefined ? null : invoiceView(stored);
  }

  /** Reads a tenant's whole ledger: at most four in one operation. */
  @Directive("@cost(weight: 7000)")
  @Query(() => InvoiceVerificationType, {
    description: "Recomputes an invoice from the ledger, with code that is independent of billing",
  })
  async verifyInvoice(
    @Ctx() context: SubgraphContext,
    @Arg("id", () => ID, { description: "The invoice's id" }) id: string,
  ): Promise<InvoiceVerificationType> {
    const key = parseInvoiceId(id);
    authorize(context.identity, "Query.verifyInvoice", key?.tenantId, noSuch("invoice", id));
    const stored = key && (await this.billing.invoiceOf(context, key));
    if (stored === undefined) throw noSuch("invoice", id);
    const document = () => this.billing.documentToVerify(context, stored);
    const { number, currency, total } = invoiceView(stored);
    const shown = { number, currency, total: total.amount };
    return this.verifier.verify({ ...stored, shown, document, signal: context.signal });
  }

  @Directive("@cost(weight: 50)")
  @Directive("@listSize(assumedSize: 200)")
  @Query(() => [UnmeteredTypeType], {
    description: "A tenant's event types that no meter counts, with their numbers of events",
  })
  async unmeteredTypes(
    @Ctx() { identity }: SubgraphContext,
    @Arg("tenantId", () => ID, { description: "The tenant's id" }) tenantId: string,
  ): Promise<UnmeteredTypeType[]> {
    authorize(identity, "Query.unmeteredTypes", tenantId);
    await knownTenant(this.options.tenancy, tenantId);
    return this.unmeteredOf(tenantId);
  }

  @Directive("@cost(weight: 1500)")
  @Query(() => InvoicePreviewType, {
    description:
      "What a plan version would charge for a tenant's usage in a period, as known now. Changes nothing. NOT_FOUND: there is no such version, or the caller may not see it",
  })
  async previewPlan(
    @Ctx() context: SubgraphContext,
    @Arg("tenantId", () => ID, { description: "The tenant's id" }) tenantId: string,
    @Arg("planId", () => ID, { description: "The plan's id" }) planId: string,
    @Arg("version", () => Int, {
      nullable: true,
      description: "The number of the version; default: the newest that the caller may see",
    })
    version: number | null | undefined,
    @Arg("periodStart", () => DateTimeScalar, {
      description:
        "Start of a billing period of the tenant, e.g. `from` of its `usageTotals`; INVALID for any other time",
    })
    periodStart: number,
  ): Promise<InvoicePreviewType> {
    authorize(context.identity, "Query.previewPlan", tenantId);
    const isOwn = context.identity.tenantId !== null;
    return this.billing.preview(context, { tenantId, planId, version: version ?? null, periodStart, isOwn });
  }

  @Mutation(() => BillingPeriodType, {
    description:
      "Closes the earliest unclosed period without waiting for its grace time. The period must have ended. Returns immediately, with the status CLOSING",
  })
  async closeBillingPeriod(
    @Ctx() context: SubgraphContext,
    @Arg("tenantId", () => ID, { description: "The tenant's id" }) tenantId: string,
    @Arg("periodStart", () => DateTimeScalar, {
      description: "The start of that period, as a guard against closing another one",
    })
    periodStart: number,
  ): Promise<BillingPeriodType> {
    authorize(context.identity, "Mutation.closeBillingPeriod", tenantId);
    const tenant = await knownTenant(this.options.tenancy, tenantId);
    const ended = await this.billing.periodOf(context, { tenantId, start: periodStart });
    // Called again, it returns the status of the close.
    if (ended !== undefined) return endedPeriodView(ended);
    const last = await this.billing.lastEnded(context, tenantId);
    const period = await this.closer.requestClose(tenant, last?.period, periodStart, context.identity.id);
    await this.audit.record(context.identity, {
      action: "billingPeriod.close",
      target: `billingPeriod:${tenantId}/${new Date(periodStart).toISOString()}`,
      tenantId,
      after: { status: "CLOSING" },
    });
    return { tenantId, invoiceOrdinal: null, ...period, status: "CLOSING", closedAt: null, watermark: null };
  }
}
