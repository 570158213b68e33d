import { type Decimal, formatDecimal } from "#kernel/decimal.js";
import { dataschemaOf } from "#schema/events/contract.js";
import type { QuotaAlertData } from "#schema/events/quota-alert-data.js";
import { type QuotaExceededV1, quotaExceededV1 } from "#schema/events/quota-exceeded.v1.js";
import { type QuotaWarningV1, quotaWarningV1 } from "#schema/events/quota-warning.v1.js";
import type { LimitInForce } from "./limits.js";

export interface Crossing {
  readonly kind: "warning" | "exceeded";
  readonly threshold: string;
}

/** The thresholds crossed when usage goes from `before` to `after`, lowest first; none when it falls. */
export function crossings(
  limit: Pick<LimitInForce, "limit" | "warnAt">,
  before: Decimal,
  after: Decimal,
): readonly Crossing[] {
  if (limit.limit.isZero()) return before.lte(0) && after.gt(0) ? [EXCEEDED] : [];
  const crossed: { readonly at: Decimal; readonly crossing: Crossing }[] = [];
  for (const fraction of limit.warnAt) {
    if (!fraction.eq(1)) {
      const crossing: Crossing = { kind: "warning", threshold: formatDecimal(fraction) };
      crossed.push({ at: fraction.times(limit.limit), crossing });
    }
  }
  crossed.push({ at: limit.limit, crossing: EXCEEDED });
  return crossed
    .filter(({ at }) => before.lt(at) && after.gte(at))
    .sort((a, b) => a.at.comparedTo(b.at))
    .map(({ crossing }) => crossing);
}

export const EXCEEDED: Crossing = { kind: "exceeded", threshold: "1" };

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
  readonly windowStart: number;
  readonly used: Decimal;
  readonly at: number;
}

export type QuotaAlert = QuotaWarningV1 | QuotaExceededV1;

/** Identifies the crossing, so that a replay gives the same one. */
export function alertId(
  { tenantId, planId, planVersion, limit, windowStart }: Omit<AlertFacts, "used" | "at">,
  { threshold }: Crossing,
): string {
  const start = new Date(windowStart).toISOString();
  const named = [tenantId, limit.meter ?? "requests", limit.window, `${planId}@${planVersion}`, start, threshold];
  if (limit.override !== undefined) named.push(`override@${limit.override.inVersion}`);
  return named.join(":");
}

/** The alert for a crossing. */
export function alertOf(facts: AlertFacts, crossing: Crossing): QuotaAlert {
  const { tenantId, planId, planVersion, limit } = facts;
  const { kind, threshold } = crossing;
  const at = new Date(facts.at).toISOString();
  const data: QuotaAlertData = {
    tenantId,
    meter: limit.meter,
    window: limit.window,
    windowStart: new Date(facts.windowStart).toISOString(),
    kind: limit.kind,
    threshold,
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
