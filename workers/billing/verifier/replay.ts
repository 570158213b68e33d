import { createHash } from "node:crypto";
import { minorDigits } from "#kernel/money.js";
import type { PlanState, PlanVersionState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { assignedPlan, graceEnd, planVersionOf } from "#schema/tenancy-history.js";
import { type Charge, charges, lump, type Step } from "./charges.js";
import { fixed, isNothing, minus, NOTHING, plain, plus, type Rational, total } from "./rational.js";
import { createTally, type Meters, nextMonth, periodStartOf } from "./tally.js";

export interface History extends Meters {
  plan(id: string): PlanState | undefined;
}

export interface ReplayedInvoice {
  readonly ordinal: number;
  readonly document: unknown;
  readonly text: string;
  readonly sha256: string;
}

/** A period that ended, as the next invoices need it. */
interface Settled {
  readonly start: number;
  readonly planId: string;
  readonly plan: PlanVersionState;
  readonly invoiceId: string;
  charges: readonly Charge[];
  /** By line: everything invoiced so far. */
  readonly invoiced: Map<string, Rational>;
}

/** Replays a tenant's life from its ledger entries, in order; answers the invoices that each entry gives rise to. */
export function createReplay(tenant: TenantState, history: History): (entry: LedgerEntry) => ReplayedInvoice[] {
  const anchor = tenant.billingAnchorDay;
  const tally = createTally(history, anchor);
  const settled = new Map<number, Settled>();
  const late = new Set<number>();
  let open = periodStartOf(tenant.startsAt, anchor);
  let ordinal = 0;
  let previous: string | null = null;

  const endOf = (start: number): number => nextMonth(start, anchor);

  function chargesOf(start: number, plan: PlanVersionState): Charge[] {
    return charges(
      plan,
      plan.prices.map((price) => tally.quantity(start, price)),
    );
  }

  function settle(entry: LedgerEntry): ReplayedInvoice[] {
    const start = open;
    open = endOf(start);
    const assigned = assignedPlan(tenant, start, entry.tenancyVersion);
    const plan = assigned && planVersionOf(history.plan(assigned.planId), assigned.planVersion);
    if (assigned !== undefined && plan === undefined) throw new Error(`unknown plan version of ${assigned.planId}`);
    const adjustments = [...late].sort((a, b) => a - b).flatMap((p) => adjust(settled.get(p)));
    late.clear();
    if (plan === undefined && adjustments.length === 0) return [];

    const currency = plan?.currency ?? adjustments[0]?.currency ?? "";
    const digits = minorDigits(currency);
    const own = plan === undefined ? [] : chargesOf(start, plan);
    const id = `inv_${tenant.id}_${padded(ordinal + 1)}`;
    const planRef = assigned === undefined ? null : { id: assigned.planId, version: assigned.planVersion };
    if (plan !== undefined && assigned !== undefined) {
      const invoiced = new Map(own.map((charge) => [lineKey(charge), charge.amount]));
      settled.set(start, { start, planId: assigned.planId, plan, invoiceId: id, charges: own, invoiced });
    }
    ordinal += 1;
    const document = {
      schema: "metrly.invoice.v1",
      id,
      number: `${tenant.id.toUpperCase()}-${padded(ordinal)}`,
      tenantId: tenant.id,
      period: { start: iso(start), end: iso(open) },
      currency,
      plan: planRef,
      watermark: String(entry.seq),
      previousSha256: previous,
      lines: [
        ...own.map((charge) =>
          lineOf(
            charge,
            charge.kind,
            charge.description,
            charge.quantity,
            charge.amount,
            charge.steps,
            planRef,
            digits,
            {
              prices: plan,
              adjusts: null,
            },
          ),
        ),
        ...adjustments.map((adjustment) => adjustment.line),
      ],
      total: fixed(total([...own.map((c) => c.amount), ...adjustments.map((a) => a.amount)]), digits),
    };
    const text = canonical(document);
    previous = createHash("sha256").update(text).digest("hex");
    return [{ ordinal, document, text, sha256: previous }];
  }

  function adjust(period: Settled | undefined): { currency: string; amount: Rational; line: unknown }[] {
    if (period === undefined) return [];
    const { currency } = period.plan;
    const digits = minorDigits(currency);
    const before = period.charges;
    period.charges = chargesOf(period.start, period.plan);
    const find = (list: readonly Charge[], key: string): Charge | undefined => list.find((c) => lineKey(c) === key);
    const keys = new Set([...period.charges, ...before].map(lineKey));
    return [...keys].flatMap((key) => {
      const [was, now] = [find(before, key), find(period.charges, key)];
      const charge = now ?? was;
      if (charge === undefined) return [];
      const already = period.invoiced.get(key) ?? NOTHING;
      const amount = minus(now?.amount ?? NOTHING, already);
      if (isNothing(amount)) return [];
      period.invoiced.set(key, plus(already, amount));
      const [quantityBefore, quantityAfter] = [was?.quantity ?? NOTHING, now?.quantity ?? NOTHING];
      const closing = lump(minus(NOTHING, already), "already invoiced; the steps above are rounded first");
      const line = lineOf(
        charge,
        "ADJUSTMENT",
        `Adjustment of ${iso(period.start).slice(0, 10)}: ${charge.description}`,
        minus(quantityAfter, quantityBefore),
        amount,
        [...(now?.steps ?? []), closing],
        { id: period.planId, version: period.plan.version },
        digits,
        {
          prices: period.plan,
          adjusts: {
            invoiceId: period.invoiceId,
            kind: charge.kind,
            periodStart: iso(period.start),
            quantityBefore: plain(quantityBefore),
            quantityAfter: plain(quantityAfter),
          },
        },
      );
      return [{ currency, amount, line }];
    });
  }

  function note(time: number): void {
    const start = periodStartOf(time, anchor);
    if (start < open) late.add(start);
  }

  return (entry) => {
    if (tenant.createdInVersion > entry.tenancyVersion) return [];
    switch (entry.kind) {
      case "event":
        tally.add(entry);
        note(entry.time);
        return [];
      case "void":
        tally.takeBack(entry.event);
        note(entry.event.time);
        return [];
      case "close": {
        const hasEnded = tenant.testClock !== null || endOf(open) <= entry.recordedAt;
        return entry.periodStart === open && hasEnded ? settle(entry) : [];
      }
      case "tick": {
        const invoices: ReplayedInvoice[] = [];
        while (tenant.testClock === null && graceEnd(tenant, endOf(open), entry.tenancyVersion) <= entry.at)
          invoices.push(...settle(entry));
        return invoices;
      }
      case "backfill":
        return [];
    }
  };
}

function lineOf(
  charge: Charge,
  kind: string,
  description: string,
  quantity: Rational,
  amount: Rational,
  steps: readonly Step[],
  plan: { id: string; version: number } | null,
  digits: number,
  about: { prices: PlanVersionState | undefined; adjusts: object | null },
): unknown {
  const price = charge.price === undefined ? undefined : about.prices?.prices[charge.price];
  return {
    kind,
    description,
    meter: price?.meter ?? null,
    dimensions: (price?.where ?? []).map(({ dimension, value }) => ({ dimension, value })),
    quantity: plain(quantity),
    amount: fixed(amount, digits),
    plan,
    price: charge.price ?? null,
    arithmetic: steps.map((step) => ({
      quantity: plain(step.quantity),
      unitAmount: plain(step.unitAmount),
      flatAmount: plain(step.flatAmount),
      amount: plain(step.amount),
      note: step.note,
    })),
    adjusts: about.adjusts,
  };
}

const lineKey = (charge: Charge): string => `${charge.kind} ${charge.price ?? ""}`;
const padded = (ordinal: number): string => String(ordinal).padStart(6, "0");
const iso = (ms: number): string => new Date(ms).toISOString();

/** JSON with sorted keys and no spaces: the verifier's own RFC 8785 for text, small integers, lists and objects. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join(",")}}`;
}
