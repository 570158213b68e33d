import { createHash } from "node:crypto";
import { MAX_INSTANT_MS } from "#kernel/duration.js";
import type { PlanState, PlanVersionState, SellerState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { assignedPlan, graceEnd, isMeterActive, planVersionOf } from "#schema/tenancy-history.js";
import { type Charge, charges, creditCharge, lump } from "./charges.js";
import { type Credits, replayCredits } from "./credits.js";
import { countDays } from "./days.js";
import { canonical, documentOf, invoiceId, invoiceNumber, type Line, type Terms } from "./document.js";
import { buyerOf, sellerOf } from "./parties.js";
import { isNothing, isSame, minus, NOTHING, plus, type Rational } from "./rational.js";
import { createTally, type Meters, nextMonth, periodStartOf, type Tally } from "./tally.js";

export interface History extends Meters {
  plan(id: string): PlanState | undefined;
  seller(): SellerState | undefined;
}

export interface ReplayedInvoice {
  readonly ordinal: number;
  readonly document: unknown;
  readonly text: string;
  readonly sha256: string;
}

/** An invoiced period, as input of later invoices' corrections. */
interface Settled {
  readonly start: number;
  readonly end: number;
  readonly terms: Terms;
  /** Tenancy's at its end. */
  readonly version: number;
  readonly invoiceId: string;
  readonly invoiceNumber: string;
  /** As last known to an invoice. */
  charges: readonly Charge[];
  /** By line: everything invoiced so far, and for which quantity. */
  readonly invoiced: Map<string, { readonly amount: Rational; readonly quantity: Rational }>;
}

/** The state of a tenant's replay. */
interface Life {
  readonly tenant: TenantState;
  readonly history: History;
  readonly tally: Tally;
  readonly credits: Credits;
  readonly settled: Map<number, Settled>;
  /** Starts of ended periods with usage since the last one ended. */
  readonly late: Set<number>;
  /** Keys of meters with a backfill so far. */
  readonly backfilled: Set<string>;
  /** Start of the earliest open period. */
  open: number;
  ordinal: number;
  previousSha256: string | null;
}

export interface Replay {
  /** Takes the next entry; returns the invoices that it triggers. Yields how many readings, or as much work, it did since. */
  next(entry: LedgerEntry): Generator<number, ReplayedInvoice[]>;
  /** No future tick with an earlier `at` can end the open period, epoch ms. */
  ticksMatterFrom(): number;
}

/**
 * Replays a tenant's history from its ledger entries, in order. `tenant`: with its history up to the entries' versions; `maxBytes`:
 * see `createTally`.
 */
export function createReplay(
  tenant: TenantState,
  history: History,
  { maxBytes, mayHaveGrants }: { readonly maxBytes?: number | undefined; readonly mayHaveGrants: boolean },
): Replay {
  const tally = createTally(history, tenant.billingAnchorDay, maxBytes);
  const life: Life = {
    ...{ tenant, history, tally },
    credits: replayCredits(tenant, tally, history.meter, (start, version) =>
      termsOf({ tenant, history }, start, version),
    ),
    settled: new Map(),
    late: new Set(),
    backfilled: new Set(),
    open: periodStartOf(tenant.startsAt, tenant.billingAnchorDay),
    ordinal: 0,
    previousSha256: null,
  };
  return {
    next: (entry) => live(life, entry),
    ticksMatterFrom: () => Math.min(earliestEnd(life), mayHaveGrants ? nextBegin(life) : Number.POSITIVE_INFINITY),
  };
}

/** The end of the open period with the tenant's shortest grace time ever: the tick decides which grace time applies. */
function earliestEnd({ tenant, open }: Life): number {
  if (tenant.testClock !== null) return MAX_INSTANT_MS;
  const end = nextMonth(open, tenant.billingAnchorDay);
  return Math.min(...tenant.graceDays.map(({ inVersion }) => graceEnd(tenant, end, inVersion)));
}

/** The first tick from then on may begin a period that credits pay for. Before the first grant that may be any period after the open one. */
const nextBegin = ({ credits, open, tenant }: Life): number =>
  tenant.testClock === null ? (credits.next() ?? nextMonth(open, tenant.billingAnchorDay)) : MAX_INSTANT_MS;

function* live(life: Life, entry: LedgerEntry): Generator<number, ReplayedInvoice[]> {
  const { tenant, tally, credits } = life;
  if (tenant.createdInVersion > entry.tenancyVersion) return [];
  const openEnd = (): number => nextMonth(life.open, tenant.billingAnchorDay);
  switch (entry.kind) {
    case "event": {
      const paid = credits.usage(entry, 1, entry.tenancyVersion);
      yield 1 + tally.add(entry);
      paid();
      note(life, entry.time);
      return [];
    }
    case "void": {
      const paid = credits.usage(entry.event, -1, entry.tenancyVersion);
      yield 1 + tally.retract(entry.event);
      paid();
      note(life, entry.event.time);
      return [];
    }
    case "close": {
      const hasEnded = tenant.testClock !== null || openEnd() <= entry.recordedAt;
      return entry.periodStart === life.open && hasEnded ? settle(life, entry) : [];
    }
    case "tick": {
      if (tenant.testClock === null) credits.begin(entry.at, entry.tenancyVersion);
      const invoices: ReplayedInvoice[] = [];
      while (tenant.testClock === null && graceEnd(tenant, openEnd(), entry.tenancyVersion) <= entry.at) {
        invoices.push(...settle(life, entry));
      }
      return invoices;
    }
    case "backfill":
      yield* backfill(life, entry.meterKey, entry.tenancyVersion);
      return [];
    case "creditGrant":
      credits.grant(entry);
      return [];
    case "creditVoid":
      credits.void(entry);
      return [];
  }
}

/** A later meter counts unmetered events in open periods; a duplicate has no effect. */
function* backfill(life: Life, meterKey: string, version: number): Generator<number> {
  const { tally, history, open, backfilled, credits } = life;
  const meter = history.meter(meterKey);
  if (meter === undefined || !isMeterActive(meter, version) || backfilled.has(meterKey)) return;
  backfilled.add(meterKey);
  const starts = tally.uncounted().filter((start) => start >= open);
  for (const start of [...starts].sort((a, b) => a - b)) {
    const paid = credits.backfill(meter, start, version);
    for (const _ of tally.backfill(meter, start)) yield 1;
    paid();
  }
}

function note(life: Life, time: number): void {
  const start = periodStartOf(time, life.tenant.billingAnchorDay);
  if (start < life.open) life.late.add(start);
}

/** Ends the open period at an entry. Without a plan and without corrections there is no invoice. */
function settle(life: Life, entry: Extract<LedgerEntry, { kind: "tick" | "close" }>): ReplayedInvoice[] {
  const start = life.open;
  const end = nextMonth(start, life.tenant.billingAnchorDay);
  life.open = end;
  life.credits.ended(start, end, entry.tenancyVersion);
  const terms = termsOf(life, start, entry.tenancyVersion);
  const stamped = entry.invoiceVersion ?? 1;
  const version = life.credits.next() === undefined ? stamped : 2;
  const corrections = [...life.late].sort((a, b) => a - b).flatMap((p) => correct(life, life.settled.get(p), version));
  life.late.clear();
  const currency = (terms ?? corrections[0]?.terms)?.plan.currency;
  if (currency === undefined) return [];

  life.ordinal += 1;
  const ended = { start, end, version: entry.tenancyVersion };
  const paid = life.credits.paid(start).filter(({ amount }) => !isNothing(amount));
  const own =
    terms === undefined
      ? []
      : [...chargesOf(life, ended, terms.plan), ...paid.map(({ grantId, amount }) => creditCharge(grantId, amount))];
  if (terms !== undefined) {
    const invoiced = new Map(
      own.map((charge) => [lineKey(charge), { amount: charge.amount, quantity: charge.quantity }]),
    );
    const { ordinal } = life;
    const about = { tenantId: life.tenant.id, ordinal, version };
    const names = { invoiceId: invoiceId(about.tenantId, ordinal), invoiceNumber: invoiceNumber(about) };
    life.settled.set(start, { ...ended, terms, ...names, charges: own, invoiced });
  }
  const lines = [...own.flatMap((charge) => (terms ? [{ charge, terms, amount: charge.amount }] : [])), ...corrections];
  const { ordinal, previousSha256 } = life;
  const document = documentOf({
    ...{ tenantId: life.tenant.id, ordinal, start, end, currency, terms, previousSha256, lines },
    unclaimed: terms === undefined ? [] : life.tally.unclaimed(start, terms.plan.prices),
    watermark: entry.seq,
    version,
    seller: sellerOf(life.history.seller(), entry.tenancyVersion),
    buyer: buyerOf(life.tenant, entry.tenancyVersion),
    nameOf: life.history.meter,
  });
  const text = canonical(document);
  const sha256 = createHash("sha256").update(text).digest("hex");
  life.previousSha256 = sha256;
  return [{ ordinal, document, text, sha256 }];
}

function termsOf(
  { tenant, history }: Pick<Life, "tenant" | "history">,
  start: number,
  version: number,
): Terms | undefined {
  const assigned = assignedPlan(tenant, start, version);
  if (assigned === undefined) return undefined;
  const plan = planVersionOf(history.plan(assigned.planId), assigned.planVersion);
  if (plan === undefined) throw new Error(`unknown plan version ${assigned.planId}@${assigned.planVersion}`);
  return { planId: assigned.planId, plan };
}

function chargesOf(
  { tally, tenant }: Life,
  { start, end, version }: Pick<Settled, "start" | "end" | "version">,
  plan: PlanVersionState,
): Charge[] {
  return charges(
    plan,
    plan.prices.map((price) => tally.quantity(start, price, plan.prices)),
    countDays(tenant, plan, start, end, version),
  );
}

/** A settled period's cost as known now, less everything invoiced for it, line by line. */
function correct(life: Life, period: Settled | undefined, version: 1 | 2): Line[] {
  if (period === undefined) return [];
  const before = period.charges;
  const paid = life.credits.paid(period.start).map(({ grantId, amount }) => creditCharge(grantId, amount));
  period.charges = [...chargesOf(life, period, period.terms.plan), ...paid];
  const keys = new Set([...period.charges, ...before].map(lineKey));
  return [...keys].flatMap((key) => {
    const was = before.find((charge) => lineKey(charge) === key);
    const now = period.charges.find((charge) => lineKey(charge) === key);
    const charge = now ?? was;
    const { amount: already, quantity: counted } = period.invoiced.get(key) ?? { amount: NOTHING, quantity: NOTHING };
    const amount = minus(now?.amount ?? NOTHING, already);
    const after = now?.quantity ?? NOTHING;
    // Version 1 started from the quantity known at the invoice before, invoiced or not.
    const from = version === 1 ? (was?.quantity ?? NOTHING) : counted;
    const isSilent = isNothing(amount) && (version === 1 || isSame(after, from));
    if (charge === undefined || isSilent) return [];
    period.invoiced.set(key, { amount: plus(already, amount), quantity: plus(counted, minus(after, from)) });
    const correction = {
      invoiceId: period.invoiceId,
      invoiceNumber: period.invoiceNumber,
      periodStart: period.start,
      before: from,
      after,
      steps: [
        ...(now?.steps ?? []),
        lump(minus(NOTHING, already), [
          "already invoiced; the steps above are rounded first",
          "less the amount already invoiced; the steps above are rounded before it is subtracted",
        ]),
      ],
    };
    return [{ charge, terms: period.terms, amount, correction }];
  });
}

const lineKey = (charge: Charge): string => `${charge.kind} ${charge.price ?? ""} ${charge.grantId ?? ""}`;
