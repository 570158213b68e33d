import type { QuotaCounters } from "../counters.js";

/** How to reach remote counters. */
export interface CountersElsewhere {
  /** Calls the counters of this tenant. */
  at<T>(tenantId: string, ask: (counters: QuotaCounters) => Promise<T>): Promise<T>;
  /** Calls once for tenants that are on the same node; returns in their order. */
  gathered<T>(
    tenantIds: readonly string[],
    ask: (ids: readonly string[], counters: QuotaCounters) => Promise<readonly T[]>,
  ): Promise<readonly T[]>;
  now(): Promise<number>;
  stop(): Promise<void>;
}

/** Remote counters. They survive this process, so there is nothing to save. */
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
