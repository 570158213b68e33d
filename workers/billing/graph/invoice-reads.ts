import { MetrlyError } from "#kernel/errors.js";
import { nextPeriod, type Period } from "#kernel/period.js";
import { callerOf } from "#platform/auth/identity.js";
import { afterExecution } from "#platform/graphql/after-execution.js";
import { readSizeOf } from "#platform/graphql/answer-size.js";
import { batched } from "#platform/graphql/batched.js";
import type { PageArguments } from "#platform/graphql/page-types.js";
import { numberedList, type Page } from "#platform/graphql/pagination.js";
import type { SubgraphContext } from "#platform/graphql/subgraph.js";
import { createFairTurns, type TurnLimits } from "#platform/lifecycle/fair-turns.js";
import { createProcessorTurns } from "#platform/lifecycle/processor-turns.js";
import { nextTurn } from "#platform/lifecycle/time.js";
import { knownTenant, onceCaughtUp, UnknownHere } from "#platform/tenancy-client/caught-up.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { visibleVersions } from "#schema/plan-visibility.js";
import { assignedPlan, runningPeriod, tenantNow } from "#schema/tenancy-history.js";
import { CURRENT_INVOICE_VERSION } from "#schema/vocabulary.js";
import { type DerivationInput, priceInvoices, readDerivations } from "../closing/derive.js";
import { earliestOpenPeriod, openStatus, periodStartingAt, periodsDueByTestClock } from "../rules/calendar.js";
import { parseInvoiceId } from "../rules/invoice-document.js";
import {
  documentPart,
  documentsByKey,
  type InvoiceHead,
  type InvoiceKey,
  invoicesByKey,
  listInvoices,
  PART_BYTES,
} from "../store/invoices.js";
import { type EndedPeriod, listEnded, type PeriodKey, periodsByKey } from "../store/periods.js";
import { UNBOUNDED } from "../store/usage.js";
import type { BillingPeriodType, InvoicePreviewType, InvoiceType } from "./types.js";
import type { GraphOptions } from "./usage-reads.js";
import { endedPeriodView, invoiceView, previewView } from "./views.js";

/** By the period's start. */
const PERIODS = numberedList("periods");
/** By the tenant's own invoice number. */
const INVOICES = numberedList("invoices");

/** Turns of the event loop between two documents. */
const RESTS = 16;
/** More than PostgreSQL stores in a text. */
const MAX_PART = 2_047;

function gone({ tenantId, ordinal }: InvoiceKey): never {
  throw new Error(`invoice ${ordinal} of ${tenantId} is gone`);
}

/** Beyond, an operation reads documents in a turn: of each, the text and all that is read from it are in memory until it has ended. */
const LARGE_BYTES = 128 << 10;
/** Of 16 MiB each, at most, which take half a second: more would wait for longer than the gateway does. */
const LARGE_READS: TurnLimits = { atOnce: 4, perCaller: 1, waitingPerCaller: 8, waiting: 24 };

/** Resolves when the operation may read large documents: until it and its reads have ended. Throws BUSY; rejects when its client leaves. */
function createLargeReads(limits = LARGE_READS): (context: SubgraphContext) => Promise<void> {
  const turns = createFairTurns(limits);
  const taken = new WeakMap<SubgraphContext, Promise<void>>();
  return (context) => {
    const known = taken.get(context);
    if (known !== undefined) return known;
    const caller = callerOf(context.identity);
    const turn = turns.take(caller, undefined, context.signal);
    if (turn === undefined)
      throw new MetrlyError("BUSY", "Too many operations wait to read large invoices; try again later");
    const begun = turn.then(() =>
      afterExecution(context, () => {
        taken.delete(context);
        turns.end(caller);
      }),
    );
    taken.set(context, begun);
    return begun;
  };
}

export type InvoiceReads = ReturnType<typeof createInvoiceReads>;

/** Reads of periods and invoices for the graph, batched over the tenants of an operation. */
export function createInvoiceReads({ database, tenancy, clock }: GraphOptions) {
  const { pool } = database;
  const endedOf = batched((pages: readonly Parameters<typeof listEnded>[1][number][]) => listEnded(pool, pages));
  const invoicesOf = batched((pages: readonly Parameters<typeof listInvoices>[1][number][]) =>
    listInvoices(pool, pages),
  );
  const invoiceOf = batched(async (keys: readonly InvoiceKey[]) => {
    const found = new Map((await invoicesByKey(pool, keys)).map((i) => [`${i.tenantId}/${i.ordinal}`, i]));
    return keys.map((key) => found.get(`${key.tenantId}/${key.ordinal}`));
  });
  // Parsing and answering a document of megabytes takes tenths of a second: one operation of it in a turn of the event loop.
  const turns = createProcessorTurns({ rests: RESTS, hasOthers: () => false });
  const inTurn = createLargeReads();
  const documentOf = batched(async (keys: readonly InvoiceKey[], context) => {
    const read = await documentsByKey(pool, keys, async (bytes) => {
      readSizeOf(context).take(bytes);
      if (bytes > LARGE_BYTES) await inTurn(context);
      context.signal?.throwIfAborted();
    });
    const bytes = read.reduce((sum, { document }) => sum + document.length, 0);
    await turns.take(callerOf(context.identity), bytes);
    context.signal?.throwIfAborted();
    const found = new Map(read.map((i) => [`${i.tenantId}/${i.ordinal}`, i]));
    return keys.map((key) => found.get(`${key.tenantId}/${key.ordinal}`) ?? gone(key));
  });
  /** Of a verification, which has turns of its own. */
  async function documentToVerify(context: SubgraphContext, key: InvoiceKey): Promise<string> {
    const [found] = await documentsByKey(pool, [key], readSizeOf(context).take);
    return found?.document ?? gone(key);
  }
  const periodOf = batched(async (keys: readonly PeriodKey[]) => {
    const found = new Map((await periodsByKey(pool, keys)).map((p) => [`${p.tenantId}/${p.period.start}`, p]));
    return keys.map((key) => found.get(`${key.tenantId}/${key.start}`));
  });
  // Priced after the transaction, whose limits are short, and with others' requests in between.
  const derivedOf = batched(async (inputs: readonly DerivationInput[], { signal }) => {
    const read = await database.transaction((tx) => {
      // It may have waited for its connection.
      signal?.throwIfAborted();
      return readDerivations(tx, tenancy, inputs);
    });
    return priceInvoices(tenancy, read, async () => {
      await new Promise<void>(nextTurn);
      signal?.throwIfAborted();
    });
  });

  async function lastEnded(context: SubgraphContext, tenantId: string): Promise<EndedPeriod | undefined> {
    return (await endedOf(context, { tenantId, before: UNBOUNDED, take: 1 }))[0];
  }

  async function billingPeriods(
    context: SubgraphContext,
    tenantId: string,
    args: PageArguments,
  ): Promise<Page<BillingPeriodType>> {
    const page = PERIODS.open(args, tenantId);
    const before = page.after ?? UNBOUNDED;
    const tenant = await knownTenant(tenancy, tenantId);
    const ended = await endedOf(context, { tenantId, before, take: page.take });
    const open = openPeriods(tenant, ended[0]?.period.end).filter((period) => period.start < before);
    return page.of(
      [...open, ...ended.map(endedPeriodView)],
      (period) => period.start,
      (period) => period,
    );
  }

  /** From the current period back to the earliest without a watermark, newest first. */
  function openPeriods(tenant: TenantState, closedThrough: number | undefined): BillingPeriodType[] {
    const periods: BillingPeriodType[] = [];
    const running = runningPeriod(tenant, clock.now());
    let period = earliestOpenPeriod(tenant, closedThrough);
    while (period.start <= running.start) {
      periods.unshift(openView(tenant, period));
      period = nextPeriod(period, tenant.billingAnchorDay);
    }
    return periods;
  }

  const openView = (tenant: TenantState, { start, end }: Period): BillingPeriodType => ({
    tenantId: tenant.id,
    invoiceOrdinal: null,
    start,
    end,
    status: openStatus({ start, end }, tenantNow(tenant, clock.now())),
    closedAt: null,
    watermark: null,
  });

  /** Whether every period that a test tenant's clock has passed is closed, and this process has reached that clock. */
  async function hasFollowed(context: SubgraphContext, tenantId: string, testClock: number): Promise<boolean> {
    const tenant = tenancy.tenant(tenantId);
    if (tenant === undefined || tenant.testClock !== testClock) return false;
    const last = await lastEnded(context, tenantId);
    return last?.status !== "CLOSING" && periodsDueByTestClock(tenant, last?.period.end).length === 0;
  }

  async function invoices(context: SubgraphContext, tenantId: string, args: PageArguments): Promise<Page<InvoiceType>> {
    const page = INVOICES.open(args, tenantId);
    const rows = await invoicesOf(context, { tenantId, before: page.after ?? UNBOUNDED, take: page.take });
    return page.of(rows, (invoice) => invoice.ordinal, invoiceView);
  }

  /** A part of its document, counted from 0; null: it has fewer. */
  async function partOf(context: SubgraphContext, key: InvoiceKey, part: number): Promise<string | null> {
    if (part < 0 || part > MAX_PART) throw new MetrlyError("INVALID", `part: must be 0 to ${MAX_PART}`);
    // The database reads the whole document for a part of it.
    readSizeOf(context).take(PART_BYTES);
    return (await documentPart(pool, key, part)) ?? null;
  }

  async function invoiceById(context: SubgraphContext, id: string): Promise<InvoiceHead | undefined> {
    const key = parseInvoiceId(id);
    return key === undefined ? undefined : invoiceOf(context, key);
  }

  /**
   * Preview of the current period's invoice. Late usage of closed periods is included when the current period is the next to
   * close; otherwise an earlier one takes it.
   */
  async function upcoming(context: SubgraphContext, tenantId: string): Promise<InvoicePreviewType | undefined> {
    const tenant = await knownTenant(tenancy, tenantId);
    const period = runningPeriod(tenant, clock.now());
    const last = await lastEnded(context, tenantId);
    const isNext = last?.status === "CLOSED" && last.period.end === period.start;
    const derived = await derivedOf(context, {
      tenantId,
      period,
      plan: assignedPlan(tenant, period.start, tenancy.version()),
      watermark: UNBOUNDED,
      invoiceVersion: CURRENT_INVOICE_VERSION,
      tenancyVersion: tenancy.version(),
      creditsThrough: UNBOUNDED,
      previousWatermark: isNext ? last.watermark : undefined,
    });
    return previewView(derived, clock.now());
  }

  /**
   * Another plan version's charge for a period's usage as known now. Throws NOT_FOUND for a plan version that does not exist or
   * that the caller may not see: `isOwn`, as one who is bound to the tenant.
   */
  async function preview(
    context: SubgraphContext,
    input: { tenantId: string; planId: string; version: number | null; periodStart: number; isOwn: boolean },
  ): Promise<InvoicePreviewType> {
    const tenant = await knownTenant(tenancy, input.tenantId);
    const period = periodStartingAt(tenant, input.periodStart);
    const terms = await onceCaughtUp(tenancy, () => {
      const plan = tenancy.plan(input.planId);
      const seen = plan === undefined ? [] : input.isOwn ? visibleVersions(plan, tenant) : plan.versions;
      const found = input.version === null ? seen.at(-1) : seen.find(({ version }) => version === input.version);
      if (found === undefined) throw new UnknownHere("NOT_FOUND", "The plan version does not exist");
      return found;
    });
    const derived = await derivedOf(context, {
      tenantId: input.tenantId,
      period,
      plan: { planId: input.planId, planVersion: terms.version },
      watermark: UNBOUNDED,
      invoiceVersion: CURRENT_INVOICE_VERSION,
      tenancyVersion: tenancy.version(),
      // They pay under the tenant's own plan.
      creditsThrough: undefined,
      previousWatermark: undefined,
    });
    const view = previewView(derived, clock.now());
    if (view === undefined) throw new Error("a priced preview has a currency");
    return view;
  }

  return {
    hasFollowed,
    billingPeriods,
    invoices,
    invoiceById,
    invoiceOf,
    documentOf,
    documentToVerify,
    partOf,
    periodOf,
    lastEnded,
    upcoming,
    preview,
  };
}
