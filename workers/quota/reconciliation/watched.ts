import { CountersUnavailable, type QuotaCounters } from "../counters/counters.js";

/** The same counters; `onUnavailable` is called whenever a tenant's do not answer, or without one when the store does not. */
export function watched(counters: QuotaCounters, onUnavailable: (tenantId: string | undefined) => void): QuotaCounters {
  async function watch<T>(tenantId: string | undefined, answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof CountersUnavailable) onUnavailable(tenantId);
      throw error;
    }
  }
  return {
    ...counters,
    now: () => watch(undefined, counters.now()),
    execute: (tenantId, operations, now) => watch(tenantId, counters.execute(tenantId, operations, now)),
    load: (load, token) => watch(load.tenantId, counters.load(load, token)),
    settle: (request) => watch(request.tenantId, counters.settle(request)),
    repair: (load) => watch(load.tenantId, counters.repair(load)),
    correct: (tenantId, seq, totals) => watch(tenantId, counters.correct(tenantId, seq, totals)),
    grant: (tenantId, epoch, grants) => watch(tenantId, counters.grant(tenantId, epoch, grants)),
  };
}
