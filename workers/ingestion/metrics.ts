import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { Clock } from "#kernel/clock.js";
import type { ErrorCode } from "#kernel/errors.js";
import type { RecorderCursor } from "./store/recording.js";

export type EdgeStatus = "accepted" | "duplicate" | "rejected" | "deferred";

export type IngestionMetrics = ReturnType<typeof createMetrics>;

interface RecordedCounts {
  readonly entries: readonly { readonly kind: string }[];
  readonly duplicates: number;
  readonly quarantined: number;
}

export function createMetrics(registry: Registry) {
  const registers = [registry];
  const edge = new Counter({
    name: "metrly_ingestion_items_total",
    help: "Items of requests by the edge's result",
    labelNames: ["status"],
    registers,
  });
  // Cached: finding a counter by its labels costs as much as a small request.
  const answers: Readonly<Record<EdgeStatus, Counter.Internal>> = {
    accepted: edge.labels("accepted"),
    duplicate: edge.labels("duplicate"),
    rejected: edge.labels("rejected"),
    deferred: edge.labels("deferred"),
  };
  const refusals = new Counter({
    name: "metrly_ingestion_refused_requests_total",
    help: "Requests refused before their events were read, by error code",
    labelNames: ["code"],
    registers,
  });
  const recorder = new Counter({
    name: "metrly_ingestion_recorded_total",
    help: "Items of the log by the recorder's result",
    labelNames: ["outcome"],
    registers,
  });
  const batchSize = new Histogram({
    name: "metrly_ingestion_batch_entries",
    help: "Ledger entries per recorded transaction",
    buckets: [1, 10, 100, 500, 1_000, 2_500, 5_000],
    registers,
  });
  const publisher = new Counter({
    name: "metrly_ingestion_published_total",
    help: "Ledger entries appended to usage.recorded, duplicates included",
    registers,
  });
  return {
    /** `deferred`: the whole request got 503. */
    answered: (status: EdgeStatus, count: number) => answers[status].inc(count),
    refused: (code: ErrorCode) => refusals.inc({ code }),
    recorded({ entries, duplicates, quarantined }: RecordedCounts): void {
      recorder.inc({ outcome: "recorded" }, entries.filter((entry) => entry.kind === "event").length);
      recorder.inc({ outcome: "duplicate" }, duplicates);
      recorder.inc({ outcome: "quarantined" }, quarantined);
      batchSize.observe(entries.length);
    },
    published: (entries: number) => publisher.inc(entries),
    watchBacklog(bytes: () => number): void {
      new Gauge({
        name: "metrly_ingestion_backlog_bytes",
        help: "Usage in the log that is not recorded yet, about",
        registers,
        collect() {
          this.set(bytes());
        },
      });
    },
    /** Computes the lag from the recorder's cursors at each scrape. */
    watchCursors(cursors: () => ReadonlyMap<number, RecorderCursor>, clock: Clock): void {
      new Gauge({
        name: "metrly_ingestion_lag_seconds",
        help: "Age of the last recorded log record; ticks keep it low when nothing else arrives",
        labelNames: ["partition"],
        registers,
        collect() {
          this.reset();
          for (const [partition, { recordedThrough }] of cursors())
            if (recordedThrough > 0) this.set({ partition }, Math.max(0, clock.now() - recordedThrough) / 1000);
        },
      });
    },
  };
}
