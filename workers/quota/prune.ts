import type { Clock } from "#kernel/clock.js";
import { HOUR_MS } from "#kernel/duration.js";
import type { Database } from "#platform/database/database.js";
import { repeat } from "#platform/lifecycle/repeat.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import { pruneUsage } from "./store/pruning.js";

const INTERVAL_MS = HOUR_MS;

/** Deletes hourly what no window reaches any more. */
export function startPruning(
  database: Database,
  tenancy: Pick<TenancyCopy, "tenants">,
  clock: Clock,
  onError: (error: unknown) => void,
) {
  function testClocks(): ReadonlyMap<string, number> {
    return new Map(
      [...tenancy.tenants()].flatMap(({ id, testClock }) => (testClock === null ? [] : [[id, testClock]])),
    );
  }
  return repeat({
    everyMs: INTERVAL_MS,
    first: "later",
    run: () => pruneUsage(database, { now: clock.now(), testClocks: testClocks() }),
    onError,
  });
}
