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
  // A limit of zero is reached by the first usage, not by its absence.
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

const EXCEEDED: Crossing = { kind: "exceeded", threshold: "1" };

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

/** The alert for a crossing. Its id identifies only the crossing, so that a replay gives the same one. */
export function alertOf(facts: AlertFacts, { kind, threshold }: Crossing): QuotaAlert {
  const { tenantId, planId, planVersion, limit } = facts;
  const windowStart = new Date(facts.windowStart).toISOString();
  const at = new Date(facts.at).toISOString();
  const named = [tenantId, limit.meter ?? "requests", limit.window, `${planId}@${planVersion}`, windowStart, threshold];
  if (limit.overriddenIn !== undefined) named.push(`override@${limit.overriddenIn}`);
  const data: QuotaAlertData = {
    tenantId,
    meter: limit.meter,
    window: limit.window,
    windowStart,
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
    id: named.join(":"),
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
