import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Database, openDatabase } from "#platform/database/database.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { connectKafkaLog } from "#platform/event-log/kafka/log.js";
import { namespacedLog } from "#platform/event-log/namespaced-log.js";
import { every, monotonicMs, type Timer } from "#platform/lifecycle/time.js";
import { isColumns } from "#schema/columns/sealed.js";
import { TENANCY_APPLIED, USAGE_RECEIVED, USAGE_RECORDED } from "#schema/topics.js";
import type { AcknowledgedEvent } from "../../oracle/oracle.js";
import { hasKafka, hasPostgres, hasRedis, kafkaBrokers, waitFor } from "../../servers/servers.js";
import { testSeed } from "../../support/effort.js";
import { type MetrlyProcess, startMetrly } from "../../support/metrly.js";
import { expectAccounted, expectInvoiced, expectTotals, postLoad, setUp, type Target } from "./proof.js";

/** Below the life of a lease: a writer that was told so often knows of the process. */
const GAP_MS = 8_000;
const PARTITIONS = 4;

describe.skipIf(!hasKafka || !hasRedis || !hasPostgres)("usage beside a process of before columns, on Kafka", () => {
  const tenants = ["mixed-1", "mixed-2", "mixed-3"];
  const seed = testSeed();
  const sent: AcknowledgedEvent[] = [];
  let metrly: MetrlyProcess;
  let target: Target;
  let key: string;
  let log: EventLog;
  let ledger: Database;
  let older: OlderProcess;

  beforeAll(async () => {
    const namespace = `t${randomBytes(5).toString("hex")}`;
    metrly = await startMetrly("servers", { METRLY_NAMESPACE: namespace, METRLY_PARTITIONS: String(PARTITIONS) });
    target = { url: metrly.url, admin: await metrly.adminToken() };
    key = await setUp(target, { events: 0, tenants, seed: 0 });
    const connection = { brokers: [...kafkaBrokers()], clientId: "of-before", replicationFactor: 1 };
    log = namespacedLog(await connectKafkaLog(connection), namespace);
    ledger = await openDatabase({ url: metrly.databaseUrl("ingestion"), onError: () => undefined });
    older = olderProcess(log);
  });
  afterAll(async () => {
    older?.freeze();
    await ledger?.stop();
    await log?.stop();
    await metrly?.dispose();
  });

  /** Sends some usage, and tells how much of it is in columns once it is published. */
  async function send(): Promise<Record<"received" | "blocks" | "recorded", number>> {
    const before = await inColumns();
    const load = { events: 400, tenants, seed: seed + sent.length, source: `load-${sent.length}` };
    sent.push(...(await postLoad(target, key, load)));
    await expectAccounted(target, load, sent);
    await waitFor(isPublished, { what: "the ledger to be published" });
    const after = await inColumns();
    return {
      received: after.received - before.received,
      blocks: after.blocks - before.blocks,
      recorded: after.recorded - before.recorded,
    };
  }

  const UNPUBLISHED =
    "SELECT FROM recorder_cursor c LEFT JOIN publisher_cursor p USING (partition) WHERE coalesce(p.published, 0) < c.seq";
  const isPublished = async (): Promise<boolean> => (await ledger.pool.query(UNPUBLISHED)).rowCount === 0;

  const counted = { received: 0, recorded: 0 };
  const positions = new Map<string, number>();

  async function inColumns() {
    for (const [topic, name] of [
      [USAGE_RECEIVED, "received"],
      [USAGE_RECORDED, "recorded"],
    ] as const) {
      for (let partition = 0; partition < PARTITIONS; partition += 1) {
        const { first, next } = await log.bounds(topic, partition);
        const place = `${name} ${partition}`;
        let from = Math.max(first, positions.get(place) ?? 0);
        while (from < next) {
          for (const { offset, value } of await log.read(topic, partition, from, 500)) {
            if (isColumns(value)) counted[name] += 1;
            from = offset + 1;
          }
        }
        positions.set(place, from);
      }
    }
    const { rows } = await ledger.pool.query<{ blocks: number }>(
      "SELECT count(packed)::int AS blocks FROM ledger_block",
    );
    return { ...counted, blocks: rows[0]?.blocks ?? 0 };
  }

  const untilColumns = () =>
    waitFor(async () => Object.values(await send()).every((count) => count > 0), { what: "columns everywhere" });

  test("is in columns only while no such process has a lease, and every event counts once", async () => {
    await untilColumns();
    older.begin();
    await waitFor(async () => Object.values(await send()).every((count) => count === 0), { what: "text everywhere" });
    await older.steadily(async () => {
      for (let n = 0; n < 3; n += 1) expect(await send()).toEqual({ received: 0, blocks: 0, recorded: 0 });
    });
    older.freeze();
    await untilColumns();
    older.begin();
    await waitFor(async () => Object.values(await send()).every((count) => count === 0), { what: "text again" });
    const load = { events: 0, tenants, seed };
    await expectTotals(target, load, sent);
    await expectInvoiced(target, load, sent);
  });
});

type OlderProcess = ReturnType<typeof olderProcess>;

/** What others know of a process of a release without columns: its reports, which declare no encoding. */
function olderProcess(log: EventLog) {
  let reports: Timer | undefined;
  let reportedAtMs = monotonicMs();
  let longestMs = 0;

  async function report(): Promise<void> {
    const value = Buffer.from(JSON.stringify({ role: "billing", instance: "billing-of-before", version: 1 }));
    await log.append(TENANCY_APPLIED, 0, [{ key: "billing-of-before", value }]);
    longestMs = Math.max(longestMs, monotonicMs() - reportedAtMs);
    reportedAtMs = monotonicMs();
  }

  return {
    begin(): void {
      reports = every(1_000, () => void report().catch(() => undefined));
    },
    freeze(): void {
      reports?.cancel();
    },
    /** Runs the attempt, again while the machine stood still for so long that the lease may have ended. */
    async steadily(attempt: () => Promise<void>): Promise<void> {
      for (;;) {
        await report();
        longestMs = 0;
        const [outcome] = await Promise.allSettled([attempt()]);
        await report();
        if (longestMs > GAP_MS) continue;
        if (outcome.status === "rejected") throw outcome.reason;
        return;
      }
    },
  };
}
