import { parseDecimal } from "#kernel/decimal.js";
import type { MeterState, PriceState, QuotaLimitState } from "#schema/events/tenancy-changed.v1.js";
import { isInMoney } from "#schema/limit-scope.js";
import { AGGREGATIONS, isAdditive, type QuotaWindow } from "#schema/vocabulary.js";
import { type AmountBounds, amountReasons, isLess } from "./amount.js";
import { byReasons, MAX_BY, MAX_WHERE, whereReasons } from "./dimensions.js";
import type { Reason } from "./reasons.js";

export const MAX_WARNINGS = 10;

export function limitReasons(path: string, limit: QuotaLimitState, meters: ReadonlyMap<string, MeterState>): Reason[] {
  return [
    ...(isInMoney(limit) ? moneyReasons(path, limit) : []),
    ...meterReasons(`${path}.meter`, limit.meter, meters),
    ...scopeReasons(path, limit, meters),
    ...amountReasons(`${path}.limit`, limit.limit),
    ...warnAtReasons(`${path}.warnAt`, limit.warnAt, { positive: true, max: "1" }),
    ...warnAtReasons(`${path}.warnAtAmounts`, limit.warnAtAmounts ?? [], { positive: true }),
    ...warnEveryReasons(`${path}.warnEvery`, limit),
  ];
}

export const NO_NARROWING_IN_MONEY = "must be absent in a MONEY limit, which is on what all usage costs";

/** A limit in money is on what everything together costs, in the billing period, as only an invoice has it. */
function moneyReasons(path: string, { meter, window, by = [], where = [] }: QuotaLimitState): Reason[] {
  const needless = [
    ...(meter === null ? [] : ["meter"]),
    ...(by.length === 0 ? [] : ["by"]),
    ...(where.length === 0 ? [] : ["where"]),
  ];
  return [
    ...needless.map((field) => ({ path: `${path}.${field}`, detail: NO_NARROWING_IN_MONEY })),
    ...(window === "BILLING_PERIOD"
      ? []
      : [{ path: `${path}.window`, detail: "must be BILLING_PERIOD in a MONEY limit" }]),
  ];
}

/** What more usage of another aggregation would cost is not known before it is counted. */
export function moneyPriceReasons(
  prices: readonly PriceState[],
  limits: readonly QuotaLimitState[],
  meters: ReadonlyMap<string, MeterState>,
): Reason[] {
  if (!limits.some(isInMoney)) return [];
  return prices.flatMap(({ meter: key }, index) => {
    const aggregation = meters.get(key)?.aggregation;
    if (aggregation === undefined || isAdditive(aggregation)) return [];
    const detail = `a plan with a MONEY limit needs ${ADDITIVE} meters, and ${key} is ${aggregation}`;
    return [{ path: `prices[${index}].meter`, detail }];
  });
}

/**
 * Of requests nothing is recorded: what a window of an hour or longer counts of each combination would be lost with the
 * counters, or have to be stored for each request.
 */
const BY_REQUESTS: readonly QuotaWindow[] = ["SECOND", "MINUTE"];

function scopeReasons(path: string, limit: QuotaLimitState, meters: ReadonlyMap<string, MeterState>): Reason[] {
  const { by = [], where = [] } = limit;
  const meter = limit.meter === null ? null : meters.get(limit.meter);
  const filtered = new Set(where.map(({ dimension }) => dimension));
  return [
    ...(by.length > MAX_BY ? [{ path: `${path}.by`, detail: `has at most ${MAX_BY} dimensions` }] : []),
    ...(where.length > MAX_WHERE ? [{ path: `${path}.where`, detail: `has at most ${MAX_WHERE} conditions` }] : []),
    ...(meter === undefined ? [] : byReasons(`${path}.by`, by.slice(0, MAX_BY), meter)),
    ...(meter === undefined ? [] : whereReasons(`${path}.where`, where.slice(0, MAX_WHERE), meter)),
    ...by
      .slice(0, MAX_BY)
      .flatMap((name, index) =>
        filtered.has(name)
          ? [{ path: `${path}.by[${index}]`, detail: `"${name}" is in \`where\` too, which leaves one value of it` }]
          : [],
      ),
    ...(meter === null && !isInMoney(limit) && by.length > 0 && !BY_REQUESTS.includes(limit.window)
      ? [
          {
            path: `${path}.by`,
            detail: `on requests needs a window of ${BY_REQUESTS.join(" or ")}; for longer ones, count them with a COUNT meter`,
          },
        ]
      : []),
  ];
}

/** Quota tells at most so many multiples in a window, at any override (quota's `thresholds.ts`); of a limit of 0 there are none. */
const MOST_MULTIPLES = 1_000;

function warnEveryReasons(path: string, { limit, warnEvery }: QuotaLimitState): Reason[] {
  if (warnEvery === undefined) return [];
  const reasons = amountReasons(path, warnEvery, { positive: true });
  const [whole, each] = [parseDecimal(limit), parseDecimal(warnEvery)];
  if (reasons.length > 0 || whole === undefined || each === undefined) return reasons;
  if (whole.isZero()) return [{ path, detail: "needs a limit above 0" }];
  if (each.times(MOST_MULTIPLES).gte(whole)) return [];
  return [{ path, detail: `must be at least a thousandth of the limit` }];
}

/** Other aggregations cannot be admitted incrementally: the effect of one more event is unknown before it is counted. */
function meterReasons(path: string, key: string | null, meters: ReadonlyMap<string, MeterState>): Reason[] {
  if (key === null) return [];
  const meter = meters.get(key);
  if (meter === undefined) return [{ path, detail: `there is no meter "${key}"` }];
  if (isAdditive(meter.aggregation)) return [];
  return [
    {
      path,
      detail: `a limit needs a ${ADDITIVE} meter, and ${key} is ${meter.aggregation}`,
    },
  ];
}

const ADDITIVE = AGGREGATIONS.filter(isAdditive).join(" or ");

function warnAtReasons(path: string, warnAt: readonly string[], bounds: AmountBounds): Reason[] {
  const reasons: Reason[] = [];
  if (warnAt.length > MAX_WARNINGS) reasons.push({ path, detail: `has at most ${MAX_WARNINGS} thresholds` });
  for (const [index, threshold] of warnAt.slice(0, MAX_WARNINGS).entries()) {
    const at = `${path}[${index}]`;
    const before = warnAt[index - 1];
    reasons.push(...amountReasons(at, threshold, bounds));
    if (before !== undefined && isLess(before, threshold) === false)
      reasons.push({ path: at, detail: `must be greater than ${before}, the threshold before it` });
  }
  return reasons;
}
