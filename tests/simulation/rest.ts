import { USAGE_RECEIVED } from "#schema/topics.js";
import type { SimulatedLog } from "./log.js";
import type { Server } from "./server.js";

export interface RestOptions {
  readonly log: SimulatedLog;
  readonly servers: { readonly ingestion: Server; readonly billing: Server };
  readonly partitionCount: number;
  /** Whether clients have an acknowledgement for everything. */
  isAcknowledged(): boolean;
}

/** What keeps a simulated system from being at rest. */
export function createRest({ log, servers, partitionCount, isAcknowledged }: RestOptions) {
  /** Where the log ended when everything was acknowledged; ticks follow for ever. */
  let ends: readonly number[] | undefined;
  /** Where the ledger was when it had all that. */
  const heads = new Map<number, number>();

  return {
    /** What is still to be recorded, published and aggregated; undefined: nothing that clients sent. */
    async unprocessed(): Promise<string | undefined> {
      if (!isAcknowledged()) return "clients wait for acknowledgements";
      ends ??= Array.from({ length: partitionCount }, (_, partition) => log.next(USAGE_RECEIVED, partition));
      const cursors = await servers.ingestion.ask<{ partition: number; next: number; seq: number; published: number }>(
        "SELECT partition, next, seq, published FROM recorder_cursor JOIN publisher_cursor USING (partition)",
      );
      const marks = await servers.billing.ask<{ partition: number; seq: number }>(
        "SELECT partition, seq FROM high_water_mark",
      );
      for (const [partition, end] of ends.entries()) {
        const { next = 0, seq = 0, published = 0 } = cursors.find((one) => one.partition === partition) ?? {};
        const mark = marks.find((one) => one.partition === partition)?.seq ?? 0;
        if (next < end) return `the cursor of partition ${partition} is at ${next} of ${end}`;
        const head = heads.get(partition) ?? seq;
        heads.set(partition, head);
        if (published < head) return `partition ${partition} is published up to ${published} of ${head}`;
        if (mark < head) return `the mark of partition ${partition} is at ${mark} of ${head}`;
      }
      return undefined;
    },
    /** What is still to be closed or announced until so many periods are closed; undefined: nothing. */
    async unclosed(periods: number): Promise<string | undefined> {
      const [{ closed = 0, rows = 0 } = {}] = await servers.billing.ask<{ closed: number; rows: number }>(
        `SELECT (SELECT count(*) FROM billing_period WHERE status = 'CLOSED') AS closed,
           (SELECT count(*) FROM outbox) AS rows`,
      );
      if (closed < periods) return `${closed} of ${periods} periods are closed`;
      return rows === 0 ? undefined : `${rows} events are not announced`;
    },
  };
}
