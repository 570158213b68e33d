import type { Database } from "#platform/database.js";
import type { NotificationMetrics } from "./metrics.js";
import { type DeliveryRef, type DueDelivery, overdueDeliveries } from "./store-delivery.js";

/** A delivery that its job will take in a moment is none that the queue lost. */
const OVERDUE_MS = 2_000;
const PAGE = 500;

export interface SweeperOptions {
  readonly database: Database;
  readonly metrics: NotificationMetrics;
  enqueue(deliveries: readonly DeliveryRef[]): Promise<void>;
  readonly onError: (error: unknown) => void;
  readonly everyMs: number;
}

/**
 * Asks again for jobs for deliveries that are overdue: the queue was flushed, a job was removed, a worker died, or it is
 * merely slow, in which case the job's id makes this a no-op. Nothing depends on the queue's memory.
 */
export function startSweeper(options: SweeperOptions): { stop(): Promise<void> } {
  let stopped = false;
  let running: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;

  async function sweep(): Promise<void> {
    let last: DueDelivery | undefined;
    do {
      const page = await overdueDeliveries(options.database, OVERDUE_MS, PAGE, last);
      if (page.length > 0) {
        await options.enqueue(page);
        options.metrics.requeued.inc(page.length);
      }
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
