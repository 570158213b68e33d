import type { Clock } from "#kernel/clock.js";
import { HOUR_MS } from "#kernel/duration.js";
import type { Database } from "#platform/database/database.js";
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
  let running: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    running = pruneUsage(database, { now: clock.now(), testClocks: testClocks() }).catch(onError);
  }, INTERVAL_MS);
  return {
    async stop(): Promise<void> {
      clearInterval(timer);
      await running;
    },
  };
}
