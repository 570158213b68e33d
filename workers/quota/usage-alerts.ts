import type { Transaction } from "#platform/database/database.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { MONEY_STEP, stepOf, type WindowStep } from "./rules/batch-totals.js";
import { earlierLimits, type LimitInForce, type LimitsInForce } from "./rules/limits.js";
import {
  type AlertFacts,
  alertId,
  alertOf,
  crossings,
  EXCEEDED,
  type QuotaAlert,
  reachedSince,
  risesBeyond,
} from "./rules/thresholds.js";
import type { UsageReading } from "./rules/usage-reading.js";
import { isJudged } from "./rules/windows.js";
import type { QuotaStore } from "./store/store.js";

/** An alert to emit unless it or one of `toldBy` was emitted. */
export interface UsageCandidate {
  readonly id: string;
  readonly tenantId: string;
  readonly toldBy: readonly string[];
  alert(): QuotaAlert;
}

/** The alerts that a reading may cause. `inForce`: the limits of its time; `steps`: of the windows that it counts in, by `stepOf`. */
export function candidatesOf(
  tenant: TenantState,
  inForce: LimitsInForce | undefined,
  reading: UsageReading,
  steps: ReadonlyMap<string, WindowStep>,
): readonly UsageCandidate[] {
  if (inForce === undefined || reading.imported) return [];
  return inForce.limits.flatMap((limit) => {
    const step = steps.get(nameOf(limit, reading) ?? "");
    if (step === undefined) return [];
    if (limit.bounds !== undefined && !isJudged(limit.bounds, reading.arrivedAt)) return [];
    return candidatesOfStep(tenant, inForce, limit, step, reading);
  });
}

/** Undefined: the reading is of another meter. */
function nameOf({ meter, money, window, counter }: LimitInForce, reading: UsageReading): string | undefined {
  if (money !== undefined) return MONEY_STEP;
  return meter === reading.meter ? stepOf(window, counter.scope) : undefined;
}

function candidatesOfStep(
  tenant: TenantState,
  { planId, planVersion }: LimitsInForce,
  limit: LimitInForce,
  { windowStart, before, after }: WindowStep,
  { recordedAt, tenancyVersion, scoped = [] }: UsageReading,
): readonly UsageCandidate[] {
  const tenantId = tenant.id;
  const { scope } = limit.counter;
  const values = scope && scoped.find(({ counted }) => counted.scope.id === scope.id)?.values;
  const facts: AlertFacts = {
    ...{ tenantId, planId, planVersion, limit, windowStart, used: after, at: recordedAt },
    ...(values && { values }),
  };
  const alerts = crossings(limit, before, after).map((crossing): UsageCandidate => {
    const alert = alertOf(facts, crossing);
    return { id: alert.id, tenantId, toldBy: [], alert: () => alert };
  });
  if (!risesBeyond(limit, before, after)) return alerts;
  const earlier = earlierLimits(tenant, limit, windowStart, tenancyVersion);
  const toldBy = reachedSince(limit, earlier, before).map((one) => alertId({ ...facts, limit: one }, EXCEEDED));
  return [...alerts, { id: alertId(facts, EXCEEDED), tenantId, toldBy, alert: () => alertOf(facts, EXCEEDED) }];
}

/** Known ids of emitted alerts, so that usage beyond a limit costs no more than other usage; the database decides. */
const MOST_KNOWN = 10_000;

export function createUsageAlerts(store: QuotaStore) {
  const known = new Set<string>();

  function remember(id: string): void {
    known.delete(id);
    known.add(id);
    for (const oldest of known) {
      if (known.size <= MOST_KNOWN) return;
      known.delete(oldest);
    }
  }

  /** Those that lead to an alert, in order: the first of each that was not told yet. */
  async function untold(tx: Transaction, candidates: readonly UsageCandidate[]): Promise<readonly UsageCandidate[]> {
    const possible = candidates.filter(({ id, toldBy }) => !known.has(id) && !toldBy.some((one) => known.has(one)));
    const asked = possible.flatMap(({ tenantId, toldBy }) => toldBy.map((id) => ({ tenantId, id })));
    const told = new Set(asked.length === 0 ? [] : await store.emittedOf(tx, asked));
    for (const id of told) remember(id);
    return possible.filter(({ id, toldBy }) => {
      if (told.has(id) || toldBy.some((one) => told.has(one))) return false;
      told.add(id);
      return true;
    });
  }

  return {
    /** Emits what was not told yet; `committed` is to be called once the transaction is. */
    async emit(
      tx: Transaction,
      candidates: readonly UsageCandidate[],
    ): Promise<{ readonly emitted: number; committed(): void }> {
      const fresh = await untold(tx, candidates);
      const emitted = await store.emitAlerts(
        tx,
        fresh.map(({ alert }) => alert()),
      );
      return {
        emitted,
        committed: () => {
          for (const { id } of fresh) remember(id);
        },
      };
    },
  };
}
