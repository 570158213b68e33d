import type { QuotaCounters } from "../counters.js";

/** How counters that are somewhere else are reached. */
export interface CountersElsewhere {
  /** Asks the counters that hold this tenant's. */
  at<T>(tenantId: string, ask: (counters: QuotaCounters) => Promise<T>): Promise<T>;
  /** Asks for several tenants together where they are together; answers in their order. */
  gathered<T>(
    tenantIds: readonly string[],
    ask: (ids: readonly string[], counters: QuotaCounters) => Promise<readonly T[]>,
  ): Promise<readonly T[]>;
  now(): Promise<number>;
  stop(): Promise<void>;
}

/** Counters that are reached so. They survive this process, so that there is nothing to save. */
export function forwardingCounters({ at, gathered, now, stop }: CountersElsewhere): QuotaCounters {
  return {
    incarnations: (tenantIds) => gathered(tenantIds, (ids, counters) => counters.incarnations(ids)),
    now,
    decide: (request) => at(request.tenantId, (counters) => counters.decide(request)),
    load: (load) => at(load.tenantId, (counters) => counters.load(load)),
    repair: (load) => at(load.tenantId, (counters) => counters.repair(load)),
    settle: (request) => at(request.tenantId, (counters) => counters.settle(request)),
    correct: (tenantId, seq, totals) => at(tenantId, (counters) => counters.correct(tenantId, seq, totals)),
    grant: (tenantId, grants) => at(tenantId, (counters) => counters.grant(tenantId, grants)),
    release: (tenantId, key, atMs) => at(tenantId, (counters) => counters.release(tenantId, key, atMs)),
    positions: (tenantIds) => gathered(tenantIds, (ids, counters) => counters.positions(ids)),
    remember: (tenantId, texts) => at(tenantId, (counters) => counters.remember(tenantId, texts)),
    recall: (tenantId) => at(tenantId, (counters) => counters.recall(tenantId)),
    save: () => ({ incarnation: "", tenants: new Map() }),
    restore: () => false,
    stop,
  };
}
