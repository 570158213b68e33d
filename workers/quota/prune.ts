import { HOUR_MS } from "#kernel/duration.js";
import type { Database } from "#platform/database/database.js";
import { type Repeat, repeat } from "#platform/lifecycle/repeat.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { QuotaCounters } from "./counters/counters.js";
import { pruneUsage } from "./store/pruning.js";

const INTERVAL_MS = HOUR_MS;

/** Deletes hourly what no window reaches any more, by the counters' clock: it decides what still counts. */
export function startPruning(
  database: Database,
  tenancy: Pick<TenancyCopy, "tenants">,
  counters: Pick<QuotaCounters, "now">,
  onError: (error: unknown) => void,
): Repeat {
  function testClocks(): ReadonlyMap<string, number> {
    return new Map(
      [...tenancy.tenants()].flatMap(({ id, testClock }) => (testClock === null ? [] : [[id, testClock]])),
    );
  }
  return repeat({
    everyMs: INTERVAL_MS,
    first: "later",
    run: async () => pruneUsage(database, { now: await counters.now(), testClocks: testClocks() }),
    onError,
  });
}
