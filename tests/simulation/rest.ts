import { BILLING_EVENTS, QUOTA_ALERTS, USAGE_RECEIVED } from "#schema/topics.js";
import type { SimulatedLog } from "./ports/log.js";
import type { Servers } from "./servers.js";

export interface RestOptions {
  readonly log: SimulatedLog;
  readonly servers: Servers;
  readonly partitionCount: number;
  readonly hasQuota: boolean;
  /** Whether clients have an answer to everything, no process works at what one of them gave up, and backfills are in the log. */
  areClientsDone(): boolean;
}

const MARKS = "SELECT partition, seq FROM high_water_mark";
const CURSORS = "SELECT partition, next_offset AS next FROM consumer_cursor WHERE topic = $1";
interface Pending {
  readonly pending: number;
  readonly attempts: number;
  readonly at: number | null;
}

/** A delivery is due, and its endpoint is not paused, from `at` on. */
const PENDING = `SELECT count(*) AS pending, coalesce(sum(d.attempt_count), 0) AS attempts,
  (extract(epoch FROM min(greatest(d.next_attempt_at, e.paused_until))) * 1000)::float8 AS at
  FROM webhook_delivery d JOIN webhook_endpoint e ON e.tenant_id = d.tenant_id AND e.id = d.endpoint_id WHERE d.status = 'PENDING'`;
const OUTBOX = "SELECT count(*) AS rows FROM outbox";

/** What keeps a simulated system from being at rest. */
export function createRest({ log, servers, partitionCount, hasQuota, areClientsDone }: RestOptions) {
  /** Where the log ended when everything was acknowledged; ticks follow for ever. */
  let ends: readonly number[] | undefined;
  /** Where the ledger was when it had all that. */
  const heads = new Map<number, number>();

  async function unapplied(service: "billing" | "quota"): Promise<string | undefined> {
    const marks = await servers.of(service).ask<{ partition: number; seq: number }>(MARKS);
    for (const [partition, head] of heads) {
      const mark = marks.find((one) => one.partition === partition)?.seq ?? 0;
      if (mark < head) return `${service}'s mark of partition ${partition} is at ${mark} of ${head}`;
    }
    return undefined;
  }

  async function unannounced(service: "billing" | "quota"): Promise<string | undefined> {
    const [{ rows = 0 } = {}] = await servers.of(service).ask<{ rows: number }>(OUTBOX);
    return rows === 0 ? undefined : `${rows} events of ${service} are not announced`;
  }

  return {
    /** What is still to be recorded, published and applied; undefined: nothing that clients sent. */
    async unprocessed(): Promise<string | undefined> {
      if (!areClientsDone()) return "requests of clients are under way";
      ends ??= Array.from({ length: partitionCount }, (_, partition) => log.next(USAGE_RECEIVED, partition));
      const cursors = await servers.of("ingestion").ask<{
        readonly partition: number;
        readonly next: number;
        readonly seq: number;
        readonly published: number;
      }>("SELECT partition, next, seq, published FROM recorder_cursor JOIN publisher_cursor USING (partition)");
      for (const [partition, end] of ends.entries()) {
        const { next = 0, seq = 0, published = 0 } = cursors.find((one) => one.partition === partition) ?? {};
        if (next < end) return `the cursor of partition ${partition} is at ${next} of ${end}`;
        const head = heads.get(partition) ?? seq;
        heads.set(partition, head);
        if (published < head) return `partition ${partition} is published up to ${published} of ${head}`;
      }
      const unbilled = await unapplied("billing");
      if (unbilled !== undefined || !hasQuota) return unbilled;
      return (await unapplied("quota")) ?? unannounced("quota");
    },
    /**
     * What is still to be noticed or delivered; undefined: nothing that was announced. `dueAt`: all that is missing are deliveries,
     * of which the first is due then.
     */
    async undelivered(): Promise<{ readonly what: string; readonly dueAt?: number } | undefined> {
      const notification = servers.of("notification");
      for (const topic of [QUOTA_ALERTS, BILLING_EVENTS]) {
        const cursors = await notification.ask<{ partition: number; next: number }>(CURSORS, [topic.name]);
        for (let partition = 0; partition < partitionCount; partition += 1) {
          const next = cursors.find((one) => one.partition === partition)?.next ?? 0;
          const end = log.next(topic, partition);
          if (next < end)
            return { what: `notification's cursor of ${topic.name}/${partition} is at ${next} of ${end}` };
        }
      }
      const [{ pending = 0, attempts = 0, at = null } = {}] = await notification.ask<Pending>(PENDING);
      return at === null ? undefined : { what: `${pending} deliveries wait after ${attempts} attempts`, dueAt: at };
    },
    /** What is still to be closed or announced until so many periods are closed; undefined: nothing. */
    async unclosed(periods: number): Promise<string | undefined> {
      const [{ closed = 0 } = {}] = await servers
        .of("billing")
        .ask<{ closed: number }>("SELECT count(*) AS closed FROM billing_period WHERE status = 'CLOSED'");
      return closed < periods ? `${closed} of ${periods} periods are closed` : unannounced("billing");
    },
  };
}
