import { createInstance } from "./engine/instance.js";
import type { Scheduler } from "./engine/scheduler.js";
import type { Sample } from "./judge/history.js";
import { MOST_ROOM, spendRoom } from "./judge/money.js";
import { TRUST_MS } from "./judge/quotas.js";
import { periodOf } from "./judge/usage.js";
import type { Reachable } from "./ports/requests.js";
import type { Serving } from "./ports/serving.js";
import type { PlanOf } from "./terms/plans.js";
import type { QuotaAnswer, SentEvent } from "./terms/requests.js";
import { LANES, LIMITS, type LimitTerms, laneLimit, TENANTS } from "./terms/terms.js";

export interface InspectionOptions {
  readonly scheduler: Scheduler;
  readonly reachable: () => readonly Reachable[];
  /** Usage that quota's database has. */
  readonly sample: Sample;
  /** An hour after the last usage, when all reservations have ended; or at once. */
  readonly isLater: boolean;
  readonly areClocksRight: boolean;
  readonly withLanes: boolean;
  readonly planOf: PlanOf;
  /** What counts, in the ledger's order. */
  readonly counted: readonly SentEvent[];
}

/** A process that has just found out that it knows too little denies what it will allow. */
const ATTEMPTS = 20;
const AGAIN_MS = 500;
const HOUR_MS = 3_600_000;
/** Only a limit in money is on it. */
const SOLD = "sales";
/** The named one, another, and one without usage. */
const LANES_ASKED = [LANES.named, "1", "unused"];
/** More than an inspection takes. */
const LONGEST_MS = 120_000;

/**
 * An operator at a system at rest. At once, quota's totals are those of the ledger, and no more can be had than usage leaves;
 * an hour later, all of that can be had.
 */
export function startInspection(options: InspectionOptions) {
  const { scheduler, reachable, sample, isLater, areClocksRight, withLanes, planOf, counted } = options;
  const operator = createInstance(scheduler, "operator");
  let found: readonly string[] | undefined;

  /** Asks the first process that serves it. */
  function ask<T>(serve: (serving: Serving) => (() => Promise<T>) | undefined): Promise<T> {
    for (const { instance, serving } of reachable()) {
      const now = serving();
      const run = now === undefined ? undefined : serve(now);
      if (run === undefined) continue;
      return new Promise((resolve, reject) =>
        instance.post(instance.keyOf("is inspected"), () => {
          run().then(
            (answer) => operator.post(operator.keyOf("is answered"), () => resolve(answer)),
            (error: Error) => operator.post(operator.keyOf("is refused"), () => reject(error)),
          );
        }),
      );
    }
    return Promise.reject(new Error("no process of quota serves"));
  }

  const pause = (ms: number) =>
    new Promise<void>((resolve) =>
      scheduler.after(ms, operator.name, {
        key: operator.keyOf("waits"),
        run() {
          resolve();
          return "";
        },
      }),
    );

  async function inspect(): Promise<string[]> {
    const wrong: string[] = [];
    if (!isLater) await pause(TRUST_MS);
    for (const tenantId of TENANTS) {
      if (!isLater) wrong.push(...(await reconciled(tenantId)));
      for (const meter of new Set(LIMITS.flatMap((limit) => limit.meter ?? []))) {
        const room = Math.min(...hardLimits(meter).map(({ window, limit }) => limit - usedOf(tenantId, meter, window)));
        const hasLanes = meter === LANES.meter && (withLanes || isSpent(tenantId));
        if (!isLater || !hasLanes) wrong.push(...(await asked(tenantId, meter, room)));
        if (hasLanes) wrong.push(...(await lanes(tenantId, room)));
      }
      if (isSpent(tenantId)) wrong.push(...(await asked(tenantId, SOLD, MOST_ROOM)));
    }
    return wrong;
  }

  /** That no more than `room` can be had, and later that it can; of a limit in money, too. */
  async function asked(tenantId: string, meter: string, room: number, lane?: string): Promise<string[]> {
    const plan = planOf(tenantId, periodOf(scheduler.nowMs()));
    // Without a lane, the amount chooses it: see `check`.
    if (plan.spend !== undefined && meter === LANES.meter && lane === undefined)
      return isLater ? [] : allowed(tenantId, meter, Math.max(0, room) + 1);
    if (plan.spend !== undefined) {
      // What a wrong clock recorded may seem to be of another month.
      if (!areClocksRight) return [];
      const now = periodOf(scheduler.nowMs());
      const used = counted.filter((event) => event.tenantId === tenantId && periodOf(event.time) === now);
      const left = spendRoom(plan, used, meter, lane);
      if (left < 0) return isLater ? [] : allowed(tenantId, meter, 1, lane);
      const both = Math.min(room, left);
      if (both === MOST_ROOM) return [];
      if (!isLater) return allowed(tenantId, meter, Math.max(0, both) + 1, lane);
      return both > 0 ? denied(tenantId, meter, both, lane) : [];
    }
    if (!isLater) return allowed(tenantId, meter, Math.max(0, room) + 1, lane);
    return room > 0 ? denied(tenantId, meter, room, lane) : [];
  }

  const isSpent = (tenantId: string): boolean => planOf(tenantId, periodOf(scheduler.nowMs())).spend !== undefined;

  /** `room`: what all lanes together leave. */
  async function lanes(tenantId: string, room: number): Promise<string[]> {
    const wrong: string[] = [];
    for (const lane of LANES_ASKED) {
      const used = sample.lanes.get([tenantId, periodOf(scheduler.nowMs()), lane].join(" ")) ?? 0;
      wrong.push(
        ...(await asked(tenantId, LANES.meter, withLanes ? Math.min(room, laneLimit(lane) - used) : room, lane)),
      );
    }
    return wrong;
  }

  function usedOf(tenantId: string, meter: string, window: LimitTerms["window"]): number {
    const now = scheduler.nowMs();
    if (window !== "HOUR") return sample.totals.get([tenantId, meter, periodOf(now)].join(" ")) ?? 0;
    // What a wrong clock recorded may seem to be of another hour.
    if (isLater || !areClocksRight) return 0;
    const slices = [...sample.slices].filter(([key]) => {
      const [ofTenant, ofMeter, start] = key.split(" ");
      return ofTenant === tenantId && ofMeter === meter && Number(start) > now - HOUR_MS + LONGEST_MS;
    });
    return slices.reduce((sum, [, total]) => sum + total, 0);
  }

  /** As an operator, who starts it again when the hour that passed has ended its transaction. */
  async function reconciled(tenantId: string): Promise<readonly string[]> {
    for (let attempt = 1; ; attempt += 1)
      try {
        return await ask(({ reconcile }) => reconcile && (() => reconcile(tenantId)));
      } catch (error) {
        if (attempt === ATTEMPTS) throw error;
        await pause(AGAIN_MS);
      }
  }

  function check(tenantId: string, meter: string, amount: number, lane?: string): Promise<QuotaAnswer> {
    const common = { operation: "check", tenantId, meter, amount, key: "inspection", ttlMs: 1_000 } as const;
    const request = lane === undefined ? common : { ...common, lane };
    return ask(({ ask }) => ask && (() => ask(request)));
  }

  async function allowed(tenantId: string, meter: string, amount: number, lane?: string): Promise<string[]> {
    const answer = await check(tenantId, meter, amount, lane);
    const what = [amount, meter, ...(lane === undefined ? [] : ["in lane", lane]), "of", tenantId].join(" ");
    return "allowed" in answer && answer.allowed ? [`${what} are not left and allowed`] : [];
  }

  async function denied(tenantId: string, meter: string, amount: number, lane?: string): Promise<string[]> {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await check(tenantId, meter, amount, lane);
      if ("allowed" in answer && answer.allowed) return [];
      if (attempt === ATTEMPTS)
        return [`${amount} ${meter} of ${tenantId} are left and denied: ${JSON.stringify(answer)}`];
      await pause(AGAIN_MS);
    }
  }

  operator.post(operator.keyOf("begins"), () => {
    inspect().then(
      (wrong) => {
        found = wrong;
      },
      (error: unknown) => {
        found = [`the inspection failed: ${String(error)}`];
      },
    );
  });
  /** Undefined: it goes on. */
  return { found: () => found };
}

const hardLimits = (meter: string) => LIMITS.filter((limit) => limit.meter === meter && limit.kind === "HARD");
