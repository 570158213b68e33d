import { parseDecimal } from "#kernel/decimal.js";
import type { MeterState, QuotaLimitState } from "#schema/events/tenancy-changed.v1.js";
import { AGGREGATIONS, isAdditive } from "#schema/vocabulary.js";
import { type AmountBounds, amountReasons, isLess } from "./amount.js";
import type { Reason } from "./reasons.js";

export const MAX_WARNINGS = 10;

export function limitReasons(path: string, limit: QuotaLimitState, meters: ReadonlyMap<string, MeterState>): Reason[] {
  return [
    ...meterReasons(`${path}.meter`, limit.meter, meters),
    ...amountReasons(`${path}.limit`, limit.limit),
    ...warnAtReasons(`${path}.warnAt`, limit.warnAt, { positive: true, max: "1" }),
    ...warnAtReasons(`${path}.warnAtAmounts`, limit.warnAtAmounts ?? [], { positive: true }),
    ...warnEveryReasons(`${path}.warnEvery`, limit),
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
      detail: `a limit needs a ${AGGREGATIONS.filter(isAdditive).join(" or ")} meter, and ${key} is ${meter.aggregation}`,
    },
  ];
}

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

/** Identifies a limit in overrides and alerts: a plan version has one per meter and window. */
export const limitKey = (limit: QuotaLimitState): string => `${limit.meter ?? ""}/${limit.window}`;
