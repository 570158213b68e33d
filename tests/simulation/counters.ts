import { CountersUnavailable, type QuotaCounters } from "../../workers/quota/counters/counters.js";
import { createMemoryQuotaCounters } from "../../workers/quota/counters/memory/memory.js";
import type { Instance } from "./engine/instance.js";
import type { Action, Scheduler } from "./engine/scheduler.js";

const MAX_KEYS = 10_000;
const LONGEST_REFUSAL_MS = 10_000;
/** When clients ask most. */
const LOST_WITHIN_MS = 10_000;

export type SimulatedCounters = ReturnType<typeof createSimulatedCounters>;

/**
 * One store of counters for all instances, on a clock that no process shares: the product's state machine, reached as Redis is.
 * A call arrives at one step and is answered at another one, or loses its request or its answer. It forgets everything so many times
 * beside what faults do.
 */
export function createSimulatedCounters(scheduler: Scheduler, losses = 0) {
  const random = scheduler.randomFor("counters");
  const clock = { now: scheduler.nowMs };
  let store = createMemoryQuotaCounters(clock, { maxKeys: MAX_KEYS });
  let isRefusing = false;

  function forget(): string {
    store = createMemoryQuotaCounters(clock, { maxKeys: MAX_KEYS });
    return "";
  }

  for (let loss = 1; loss <= losses; loss += 1)
    scheduler.after(random() * LOST_WITHIN_MS, "counters", { key: `the counters are lost#${loss}`, run: forget });

  function refuse(): string {
    isRefusing = true;
    scheduler.after(random() * LONGEST_REFUSAL_MS, "counters", {
      key: "the counters answer again",
      run() {
        isRefusing = false;
        return "";
      },
    });
    return "";
  }

  /** The counters as this instance reaches them. They outlive it, so there is nothing to save. */
  function of(instance: Instance): QuotaCounters {
    function call<T>(what: string, sent: unknown, ask: () => Promise<T>): Promise<T> {
      const perform = () =>
        isRefusing ? Promise.reject(new CountersUnavailable("the simulated counters refuse")) : ask();
      return instance.call(`counters ${what}`, perform, {
        sent,
        lost: () => new CountersUnavailable("the simulated counters do not answer"),
      });
    }
    return {
      now: () => call("now", undefined, () => store.now()),
      nowOf: clock.now,
      execute: (tenantId, operations, now) =>
        call(`execute ${tenantId}`, operations, () => store.execute(tenantId, operations, now)),
      observe: (tenantIds) => call("observe", tenantIds, () => store.observe(tenantIds)),
      load: (load, token) => call(`load ${load.tenantId}`, load, () => store.load(load, token)),
      extend: (extension) => call(`extend ${extension.tenantId}`, extension, () => store.extend(extension)),
      settle: (request) => call(`settle ${request.tenantId}`, request, () => store.settle(request)),
      repair: (load) => call(`repair ${load.tenantId}`, load, () => store.repair(load)),
      correct: (tenantId, seq, totals) =>
        call(`correct ${tenantId}`, totals, () => store.correct(tenantId, seq, totals)),
      grant: (tenantId, epoch, grants) => call(`grant ${tenantId}`, grants, () => store.grant(tenantId, epoch, grants)),
      lower: (most) => call("lower", undefined, () => store.lower(most)),
      lookAt: (tenantIds) => call("look at", tenantIds, () => store.lookAt(tenantIds)),
      lowered: (bounds) => call("lowered", bounds, () => store.lowered(bounds)),
      positions: (tenantIds) => call("positions", tenantIds, () => store.positions(tenantIds)),
      remember: (tenantId, texts) => call("remember", texts, () => store.remember(tenantId, texts)),
      recall: (tenantId) => call("recall", tenantId, () => store.recall(tenantId)),
      async *save() {},
      restore: async () => false,
      stop: async () => undefined,
    };
  }

  return {
    of,
    /** Nothing fails any more. */
    recover(): void {
      isRefusing = false;
    },
    faults: (): Action[] => [
      { key: "fault: the counters forget everything", run: forget },
      ...(isRefusing ? [] : [{ key: "fault: the counters refuse", run: refuse }]),
    ],
  };
}
