import type { Database } from "#platform/database/database.js";
import type { NotificationMetrics } from "../metrics.js";
import { overdueEndpoints } from "../store/deliveries.js";
import type { EndpointRef } from "../store/notices.js";

/** A delivery that its job will take in a moment is none that the queue lost. */
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
 * Looks after what is overdue: the queue was flushed, a job was removed, a worker died, a pause has ended, or there is merely
 * much to do, in which case this changes nothing. Nothing depends on the queue's memory.
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
