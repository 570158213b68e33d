import { Decimal, formatDecimal } from "#kernel/decimal.js";
import { dataschemaOf } from "#schema/events/contract.js";
import type { QuotaAlertData } from "#schema/events/quota-alert-data.js";
import { type QuotaExceededV1, quotaExceededV1 } from "#schema/events/quota-exceeded.v1.js";
import { type QuotaWarningV1, quotaWarningV1 } from "#schema/events/quota-warning.v1.js";
import { MONEY } from "#schema/limit-scope.js";
import type { ThresholdKind } from "#schema/vocabulary.js";
import { type LimitInForce, MOST_MULTIPLES, warningStep } from "./limits.js";
import { combinationId, matchesOf } from "./scopes.js";

export interface Crossing {
  readonly kind: "warning" | "exceeded";
  readonly threshold: string;
  readonly thresholdKind: ThresholdKind;
}

interface Threshold {
  readonly at: Decimal;
  readonly crossing: Crossing;
}

/** The thresholds crossed when usage goes from `before` to `after`, lowest first; none when it falls. */
export function crossings(
  limit: Pick<LimitInForce, "limit" | "warnAt" | "warnAtAmounts" | "warnEvery">,
  before: Decimal,
  after: Decimal,
): readonly Crossing[] {
  return [...sharesOf(limit), ...amountsOf(limit, after)]
    .filter(({ at }) => (at.isZero() ? before.lte(0) && after.gt(0) : before.lt(at) && after.gte(at)))
    .sort((a, b) => a.at.comparedTo(b.at))
    .map(({ crossing }) => crossing);
}

function sharesOf({ limit, warnAt }: Pick<LimitInForce, "limit" | "warnAt">): readonly Threshold[] {
  const reached: Threshold = { at: limit, crossing: EXCEEDED };
  if (limit.isZero()) return [reached];
  const warnings = warnAt
    .filter((share) => !share.eq(1))
    .map((share) => ({ at: share.times(limit), crossing: warningAt(share, "SHARE") }));
  return [...warnings, reached];
}

/** The limit itself is told as exceeded. Of the multiples of `warnEvery` only the highest passed one is told. */
function amountsOf(
  { limit, warnAtAmounts = [], warnEvery }: Pick<LimitInForce, "limit" | "warnAtAmounts" | "warnEvery">,
  after: Decimal,
): readonly Threshold[] {
  const amounts = new Map(warnAtAmounts.map((amount) => [formatDecimal(amount), amount]));
  if (warnEvery !== undefined && !limit.isZero()) {
    const step = warningStep(limit, warnEvery);
    const told = Decimal.min(after.div(step).floor(), MOST_MULTIPLES);
    if (told.gt(0)) amounts.set(formatDecimal(step.times(told)), step.times(told));
  }
  return [...amounts.values()]
    .filter((amount) => !amount.eq(limit))
    .map((amount) => ({ at: amount, crossing: warningAt(amount, "AMOUNT") }));
}

const warningAt = (threshold: Decimal, thresholdKind: ThresholdKind): Crossing => ({
  kind: "warning",
  threshold: formatDecimal(threshold),
  thresholdKind,
});

export const EXCEEDED: Crossing = { kind: "exceeded", threshold: "1", thresholdKind: "SHARE" };

/** Whether usage that was at the limit before rises further: that is told only if no alert of the window told it yet. */
export function risesBeyond({ limit }: Pick<LimitInForce, "limit">, before: Decimal, after: Decimal): boolean {
  return isReached(limit, before) && after.gt(before);
}

/**
 * The limits whose alerts of the window tell that `used` exceeds: the limit, and those that stood before it, newest first, as far
 * as they were reached too.
 */
export function reachedSince(
  limit: LimitInForce,
  earlier: readonly LimitInForce[],
  used: Decimal,
): readonly LimitInForce[] {
  const unreached = earlier.findIndex((one) => !isReached(one.limit, used));
  return [limit, ...(unreached < 0 ? earlier : earlier.slice(0, unreached))];
}

/** A limit of zero is reached by the first usage, not by its absence. */
const isReached = (limit: Decimal, used: Decimal): boolean => used.gte(limit) && !(limit.isZero() && used.isZero());

export interface AlertFacts {
  readonly tenantId: string;
  readonly planId: string;
  readonly planVersion: number;
  readonly limit: LimitInForce;
  /** Of a limit with `by`: the values that it is about, in the order of its scope. */
  readonly values?: readonly string[];
  readonly windowStart: number;
  readonly used: Decimal;
  readonly at: number;
}

export type QuotaAlert = QuotaWarningV1 | QuotaExceededV1;

/** Identifies the crossing, so that a replay gives the same one. */
export function alertId(
  { tenantId, planId, planVersion, limit, values = [], windowStart }: Omit<AlertFacts, "used" | "at">,
  { threshold, thresholdKind }: Crossing,
): string {
  const start = new Date(windowStart).toISOString();
  // A meter may be called "money".
  const about = limit.money === undefined ? aboutOf(limit) : MONEY;
  const named = [tenantId, about, limit.window, `${planId}@${planVersion}`, start];
  named.push(thresholdKind === "AMOUNT" ? `amount ${threshold}` : threshold);
  const { scope } = limit.counter;
  // By their digests: values may be long, and hold anything.
  if (scope !== undefined) named.push(values.length === 0 ? scope.id : `${scope.id}.${combinationId(values)}`);
  if (limit.override !== undefined) named.push(`override@${limit.override.inVersion}`);
  return named.join(":");
}

/** What a limit is on, in headers, and in ids where it is not on money. */
export const aboutOf = ({ meter, money }: Pick<LimitInForce, "meter" | "money">): string =>
  money === undefined ? (meter ?? "requests") : "money";

/** The alert for a crossing. */
export function alertOf(facts: AlertFacts, crossing: Crossing): QuotaAlert {
  const { tenantId, planId, planVersion, limit } = facts;
  const { kind, threshold, thresholdKind } = crossing;
  const at = new Date(facts.at).toISOString();
  const data: QuotaAlertData = {
    tenantId,
    meter: limit.meter,
    // Absent where the limit is on a quantity, as in what older releases wrote.
    ...(limit.money && { unit: "MONEY" as const, currency: limit.money.currency }),
    window: limit.window,
    ...scopeData(limit, facts.values ?? []),
    windowStart: new Date(facts.windowStart).toISOString(),
    kind: limit.kind,
    threshold,
    // Absent when it is the default, as in what older releases wrote.
    ...(thresholdKind !== "SHARE" && { thresholdKind }),
    limit: formatDecimal(limit.limit),
    used: formatDecimal(facts.used),
    planId,
    planVersion,
    at,
  };
  const common = {
    specversion: "1.0" as const,
    id: alertId(facts, crossing),
    source: "metrly/quota",
    subject: tenantId,
    time: at,
  };
  return kind === "warning" ? warning({ ...common, data }) : exceeded({ ...common, data });
}

/** Absent where the limit has none, as in what older releases wrote. */
function scopeData({ counter: { scope } }: LimitInForce, values: readonly string[]) {
  if (scope === undefined) return {};
  return {
    ...(values.length > 0 && { dimensions: matchesOf(scope, values) }),
    ...(scope.where.length > 0 && { where: [...scope.where] }),
  };
}

type Unnamed = Omit<QuotaWarningV1, "type" | "dataschema">;

const warning = (event: Unnamed): QuotaWarningV1 => ({
  ...event,
  type: "metrly.quota.warning.v1",
  dataschema: dataschemaOf(quotaWarningV1.type),
});

const exceeded = (event: Unnamed): QuotaExceededV1 => ({
  ...event,
  type: "metrly.quota.exceeded.v1",
  dataschema: dataschemaOf(quotaExceededV1.type),
});
