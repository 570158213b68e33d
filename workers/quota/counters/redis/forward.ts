import type { LoweredBound, QuotaCounters } from "../counters.js";

/** How to reach remote counters. */
export interface CountersElsewhere {
  /** Calls the counters of this tenant. */
  at<T>(tenantId: string, ask: (counters: QuotaCounters) => Promise<T>): Promise<T>;
  /** Calls once for items whose tenants are on the same node; returns in their order. */
  gathered<I, T>(
    items: readonly I[],
    tenantOf: (item: I) => string,
    ask: (some: readonly I[], counters: QuotaCounters) => Promise<readonly T[]>,
  ): Promise<readonly T[]>;
  lower(most: number): Promise<readonly LoweredBound[]>;
  now(): Promise<number>;
  nowOf(tenantId: string): number | undefined;
  stop(): Promise<void>;
}

/** Remote counters. They survive this process, so there is nothing to save. */
export function forwardingCounters({ at, gathered, lower, now, nowOf, stop }: CountersElsewhere): QuotaCounters {
  return {
    now,
    nowOf,
    execute: (tenantId, operations, atMs) => at(tenantId, (counters) => counters.execute(tenantId, operations, atMs)),
    observe: (tenantIds) => gathered(tenantIds, itself, (some, counters) => counters.observe(some)),
    load: (load, token) => at(load.tenantId, (counters) => counters.load(load, token)),
    extend: (extension) => at(extension.tenantId, (counters) => counters.extend(extension)),
    settle: (request) => at(request.tenantId, (counters) => counters.settle(request)),
    repair: (load) => at(load.tenantId, (counters) => counters.repair(load)),
    correct: (tenantId, seq, totals) => at(tenantId, (counters) => counters.correct(tenantId, seq, totals)),
    grant: (tenantId, epoch, grants) => at(tenantId, (counters) => counters.grant(tenantId, epoch, grants)),
    lower,
    async lookAt(tenantIds) {
      await gathered(tenantIds, itself, async (some, counters) => {
        await counters.lookAt(some);
        return some;
      });
    },
    async lowered(bounds) {
      await gathered(
        bounds,
        ({ tenantId }) => tenantId,
        async (some, counters) => {
          await counters.lowered(some);
          return some;
        },
      );
    },
    positions: (tenantIds) => gathered(tenantIds, itself, (some, counters) => counters.positions(some)),
    remember: (tenantId, texts) => at(tenantId, (counters) => counters.remember(tenantId, texts)),
    recall: (tenantId) => at(tenantId, (counters) => counters.recall(tenantId)),
    async *save() {},
    restore: async () => false,
    stop,
  };
}

const itself = (tenantId: string): string => tenantId;
