import type { Database } from "#platform/database/database.js";
import { repeat } from "#platform/lifecycle/repeat.js";
import type { NotificationMetrics } from "../metrics.js";
import { overdueEndpoints } from "../store/deliveries.js";
import type { EndpointRef } from "../store/notices.js";

/** Grace before a due delivery counts as lost by the queue: its job may be about to run. */
const OVERDUE_MS = 2_000;
const PAGE = 500;

export interface SweeperOptions {
  readonly database: Database;
  readonly metrics: NotificationMetrics;
  kick(endpoint: EndpointRef): void;
  readonly onError: (error: unknown) => void;
  readonly everyMs: number;
}

/**
 * Finds overdue deliveries: after a flushed queue, a removed job, a dead worker or an ended pause. Under mere backlog it
 * changes nothing. Correctness never depends on the queue.
 */
export function startSweeper(options: SweeperOptions): { stop(): Promise<void> } {
  async function sweep(stopping: AbortSignal): Promise<void> {
    let last: EndpointRef | undefined;
    do {
      const page = await overdueEndpoints(options.database, OVERDUE_MS, PAGE, last);
      for (const endpoint of page) options.kick(endpoint);
      options.metrics.swept.inc(page.length);
      last = page.length === PAGE ? page.at(-1) : undefined;
    } while (last !== undefined && !stopping.aborted);
  }

  return repeat({ everyMs: options.everyMs, first: "later", run: sweep, onError: options.onError });
}
