import type { Database } from "#platform/database/database.js";
import { jittered } from "#platform/lifecycle/random.js";
import { sleep } from "#platform/lifecycle/time.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { decimalOf } from "../rules/amount.js";
import type { Decision, LimitReading } from "../rules/decision.js";
import type { LimitsInForce } from "../rules/limits.js";
import { alertOf, EXCEEDED, type QuotaAlert } from "../rules/thresholds.js";
import { bucketStart } from "../rules/windows.js";
import type { QuotaStore } from "../store/store.js";

/** Cache of emitted ids, so that denials cost no more than admissions; the database decides. */
const MAX_EMITTED = 10_000;
const ATTEMPTS = 5;
const FIRST_PAUSE_MS = 100;

export interface DenialAlertsOptions {
  readonly database: Database;
  readonly store: QuotaStore;
  onAlerts(): void;
  /** An alert that could not be stored after several attempts; the next denial of its window retries. */
  readonly onError: (error: unknown) => void;
}

export function createDenialAlerts({ database, store, onAlerts, onError }: DenialAlertsOptions) {
  const emitted = new Set<string>();
  const running = new Set<Promise<void>>();

  async function emit(alert: QuotaAlert): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const emitted = await database.transaction((tx) => store.emitAlerts(tx, [alert]));
        if (emitted > 0) onAlerts();
        return;
      } catch (error) {
        if (attempt === ATTEMPTS) {
          emitted.delete(alert.id);
          onError(error);
          return;
        }
        await sleep(jittered(FIRST_PAUSE_MS * 2 ** attempt));
      }
    }
  }

  return {
    /**
     * Emits `quota.exceeded` for the denying limits of which nothing remains, in the background, once per window: denied usage is
     * never recorded.
     */
    note(tenant: TenantState, decision: Decision, inForce: LimitsInForce): void {
      if (decision.reason !== "LIMIT_EXCEEDED") return;
      for (const read of decision.limits) {
        if (!read.denies || !isExhausted(read)) continue;
        const { limit, used, reserved } = read;
        const windowStart = alignedStart(read, decision.now);
        const { planId, planVersion } = inForce;
        const facts = {
          tenantId: tenant.id,
          planId,
          planVersion,
          limit,
          ...(read.dimensions.length > 0 && { values: read.dimensions.map(({ value }) => value) }),
          windowStart,
          used: decimalOf(used + reserved - read.lost),
          at: decision.now,
        };
        const alert = alertOf(facts, EXCEEDED);
        if (emitted.has(alert.id)) continue;
        if (emitted.size >= MAX_EMITTED) emitted.clear();
        emitted.add(alert.id);
        const run = emit(alert).finally(() => running.delete(run));
        running.add(run);
      }
    },
    stop: () => Promise.all(running),
  };
}

/** Start of the window that the denial is told of: of windows that slide, of the aligned one. */
const alignedStart = ({ limit: { bounds }, windowMs }: LimitReading, now: number): number =>
  bounds?.start ?? bucketStart(now, windowMs);

/**
 * Whether nothing remains, not counting what a loss of the counters may have hidden. Of a combination that nothing counts in, nobody
 * is told: a client may invent any number of them.
 */
const isExhausted = ({ limit, dimensions, used, reserved, lost }: LimitReading): boolean =>
  used + reserved - lost >= limit.units.most && (dimensions.length === 0 || used + reserved - lost > 0n);
