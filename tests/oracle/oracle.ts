import { amount, dividedBy, money, times } from "./amounts.js";

/** An event acknowledged as accepted (or as a duplicate of an accepted one). */
export interface AcknowledgedEvent {
  readonly tenantId: string;
  readonly source: string;
  readonly id: string;
  readonly type: string;
  readonly timeMs: number;
  readonly data: Readonly<Record<string, string>>;
}

export interface OracleMeter {
  readonly key: string;
  readonly eventType: string;
  readonly aggregation: "COUNT" | "SUM";
  readonly valueProperty?: string;
}

export type OraclePrice = { readonly meter: string; readonly included?: string; readonly divideBy?: string } & (
  | { readonly model: "PER_UNIT"; readonly unitAmount: string }
  | {
      readonly model: "GRADUATED";
      readonly tiers: readonly {
        readonly upTo: string | null;
        readonly unitAmount: string;
        readonly flatAmount?: string;
      }[];
    }
);

export interface OraclePlan {
  readonly recurringFee: string;
  readonly currencyDigits: number;
  readonly prices: readonly OraclePrice[];
}

export interface ExpectedInvoice {
  readonly recurring: string;
  /** In the order of the plan's prices. */
  readonly usage: readonly { readonly meter: string; readonly quantity: bigint; readonly amount: string }[];
  readonly total: string;
}

/** Each event once, regardless of retries: the contents of a perfect ledger. */
export function distinctEvents(acknowledged: Iterable<AcknowledgedEvent>): AcknowledgedEvent[] {
  const byKey = new Map<string, AcknowledgedEvent>();
  for (const event of acknowledged) {
    const key = JSON.stringify([event.tenantId, event.source, event.id]);
    if (!byKey.has(key)) byKey.set(key, event);
  }
  return [...byKey.values()];
}

/** A meter's total for a tenant in [startMs, endMs). */
export function expectedTotal(
  events: readonly AcknowledgedEvent[],
  tenantId: string,
  meter: OracleMeter,
  startMs: number,
  endMs: number,
): bigint {
  let total = 0n;
  for (const event of events) {
    if (event.tenantId !== tenantId || event.type !== meter.eventType) continue;
    if (event.timeMs < startMs || event.timeMs >= endMs) continue;
    total += meter.aggregation === "COUNT" ? amount("1") : amount(event.data[meter.valueProperty ?? ""] ?? "0");
  }
  return total;
}

/** The invoice of a period, computed only from the list of acknowledged events. */
export function expectedInvoice(
  events: readonly AcknowledgedEvent[],
  tenantId: string,
  meters: readonly OracleMeter[],
  plan: OraclePlan,
  startMs: number,
  endMs: number,
): ExpectedInvoice {
  const digits = plan.currencyDigits;
  const usage = plan.prices.map((price) => {
    const meter = meters.find((candidate) => candidate.key === price.meter);
    if (meter === undefined) throw new Error(`the plan prices ${price.meter}, which is no meter`);
    const quantity = expectedTotal(events, tenantId, meter, startMs, endMs);
    return { meter: price.meter, quantity, amount: money(expectedCharge(price, quantity), digits) };
  });
  const recurring = money(amount(plan.recurringFee), digits);
  const total = [recurring, ...usage.map((line) => line.amount)].reduce((sum, line) => sum + amount(line), 0n);
  return { recurring, usage, total: money(total, digits) };
}

function expectedCharge(price: OraclePrice, quantity: bigint): bigint {
  const converted = dividedBy(quantity, amount(price.divideBy ?? "1"));
  const billable = max(converted - amount(price.included ?? "0"), 0n);
  if (price.model === "PER_UNIT") return times(billable, amount(price.unitAmount));
  let charge = 0n;
  let below = 0n;
  for (const [index, tier] of price.tiers.entries()) {
    const reached = billable > below || (index === 0 && billable === 0n);
    if (!reached) break;
    const top = tier.upTo === null ? billable : min(billable, amount(tier.upTo));
    charge += times(top - below, amount(tier.unitAmount)) + amount(tier.flatAmount ?? "0");
    below = tier.upTo === null ? billable : amount(tier.upTo);
  }
  return charge;
}

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);
