import type { Clock } from "#kernel/clock.js";
import type { Database } from "#platform/database/database.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { repeat } from "#platform/lifecycle/repeat.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { periodsDueByTestClock } from "../rules/calendar.js";
import { endsOf } from "../store/periods.js";
import { appendCloses } from "./request-close.js";

const SWEEP_INTERVAL_MS = 2_000;
/** How long a close record may take through the log before it is appended again. */
const ASK_AGAIN_AFTER_MS = 15_000;
const ACTOR = "test clock";

export interface TestClockOptions {
  readonly database: Database;
  readonly tenancy: TenancyCopy;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly partitions: number;
  readonly onError: (error: unknown) => void;
}

/**
 * Ends the periods that test tenants' clocks have passed, by close records in the log: immediately when a clock is advanced,
 * and every 2 s for those missed by an error or a restart. Concurrent instances append duplicates, which have no effect.
 */
export function startTestClocks(options: TestClockOptions) {
  const { tenancy, clock } = options;
  /** The tenant's version without a due period. */
  const settled = new Map<string, number>();
  const asked = new Map<string, { readonly version: number; readonly at: number }>();

  async function sweep(): Promise<void> {
    const tenants = [...tenancy.tenants()].filter(isToBeLookedAt);
    if (tenants.length === 0) return;
    const ends = await endsOf(
      options.database.pool,
      tenants.map((tenant) => tenant.id),
    );
    const closedThrough = new Map(ends.map(({ tenantId, end }) => [tenantId, end]));
    for (const tenant of tenants) {
      const due = periodsDueByTestClock(tenant, closedThrough.get(tenant.id));
      if (due.length === 0) {
        settled.set(tenant.id, tenant.version);
        asked.delete(tenant.id);
        continue;
      }
      await appendCloses(options, tenant.id, due, ACTOR);
      asked.set(tenant.id, { version: tenant.version, at: clock.now() });
    }
  }

  function isToBeLookedAt(tenant: TenantState): boolean {
    if (tenant.testClock === null || settled.get(tenant.id) === tenant.version) return false;
    const last = asked.get(tenant.id);
    return last?.version !== tenant.version || clock.now() - last.at >= ASK_AGAIN_AFTER_MS;
  }

  const sweeps = repeat({ everyMs: SWEEP_INTERVAL_MS, run: sweep, onError: options.onError });
  const unsubscribe = tenancy.onChange((change) => {
    if (change.kind === "tenant" && change.testClock !== null) sweeps.kick();
  });
  return {
    stop() {
      unsubscribe();
      return sweeps.stop();
    },
  };
}
