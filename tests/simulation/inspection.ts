import { createInstance } from "./instance.js";
import { periodOf } from "./judge/usage.js";
import type { Serving } from "./roles.js";
import type { Scheduler } from "./scheduler.js";
import { LIMITS, TENANTS } from "./terms/terms.js";
import type { Reachable } from "./workload.js";

export interface InspectionOptions {
  readonly scheduler: Scheduler;
  readonly reachable: () => readonly Reachable[];
  /** Usage in quota's database. */
  readonly totals: ReadonlyMap<string, number>;
}

/** A process that has just found out that it knows too little denies what it will allow. */
const ATTEMPTS = 20;
const AGAIN_MS = 500;

/**
 * An operator at a system at rest, an hour later: quota's totals are those of the ledger, and all room that usage leaves can be
 * had, since every reservation has ended.
 */
export function startInspection({ scheduler, reachable, totals }: InspectionOptions) {
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

  const pause = () =>
    new Promise<void>((resolve) =>
      scheduler.after(AGAIN_MS, operator.name, {
        key: operator.keyOf("waits"),
        run() {
          resolve();
          return "";
        },
      }),
    );

  async function inspect(): Promise<string[]> {
    const wrong: string[] = [];
    for (const tenantId of TENANTS) {
      wrong.push(...(await reconciled(tenantId)));
      for (const meter of new Set(LIMITS.flatMap((limit) => limit.meter ?? []))) {
        const used = totals.get([tenantId, meter, periodOf(scheduler.nowMs())].join(" ")) ?? 0;
        const room = Math.min(...hardLimits(meter).map(({ window, limit }) => limit - (window === "HOUR" ? 0 : used)));
        if (room > 0) wrong.push(...(await denied(tenantId, meter, room)));
      }
    }
    return wrong;
  }

  /** As an operator, who starts it again when the hour that passed has ended its transaction. */
  async function reconciled(tenantId: string): Promise<readonly string[]> {
    for (let attempt = 1; ; attempt += 1)
      try {
        return await ask(({ reconcile }) => reconcile && (() => reconcile(tenantId)));
      } catch (error) {
        if (attempt === ATTEMPTS) throw error;
        await pause();
      }
  }

  async function denied(tenantId: string, meter: string, amount: number): Promise<string[]> {
    const request = { operation: "check", tenantId, meter, amount, key: "inspection", ttlMs: 1_000 } as const;
    for (let attempt = 1; ; attempt += 1) {
      const answer = await ask(({ ask }) => ask && (() => ask(request)));
      if ("allowed" in answer && answer.allowed) return [];
      if (attempt === ATTEMPTS)
        return [`${amount} ${meter} of ${tenantId} are left and denied: ${JSON.stringify(answer)}`];
      await pause();
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
