import { Gauge, type Registry } from "prom-client";
import type { Clock } from "#kernel/clock.js";
import type { TenancyStore } from "./store/store.js";

/** Asked when the metrics are read; NaN while the database does not answer. */
export function watchUnpublished(
  registry: Registry,
  store: Pick<TenancyStore, "oldestUnpublished">,
  clock: Clock,
): void {
  new Gauge({
    name: "metrly_tenancy_unpublished_seconds",
    help: "Age of the oldest change that has not been published yet",
    registers: [registry],
    async collect() {
      const now = clock.now();
      const oldest = await store.oldestUnpublished().catch(() => Number.NaN);
      this.set((now - (oldest ?? now)) / 1000);
    },
  });
}
