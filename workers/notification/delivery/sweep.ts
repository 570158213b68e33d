import type { Database } from "#platform/database/database.js";
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
  let stopped = false;
  let running: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;

  async function sweep(): Promise<void> {
    let last: EndpointRef | undefined;
    do {
      const page = await overdueEndpoints(options.database, OVERDUE_MS, PAGE, last);
      for (const endpoint of page) options.kick(endpoint);
      options.metrics.swept.inc(page.length);
      last = page.length === PAGE ? page.at(-1) : undefined;
    } while (last !== undefined && !stopped);
  }

  function schedule(): void {
    timer = setTimeout(() => {
      running = sweep()
        .catch(options.onError)
        .finally(() => {
          if (!stopped) schedule();
        });
    }, options.everyMs);
  }

  schedule();
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
