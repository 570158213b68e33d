import { DAY_MS, HOUR_MS } from "#kernel/duration.js";
import { partitionOf } from "#kernel/partition.js";
import { openDatabase } from "#platform/database/database.js";
import type { LedgerClient } from "#platform/ledger/client.js";
import { systemClock } from "#platform/process/clock.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { at, meter, PARTITIONS, tenant } from "../world.testing.js";
import { applyBackfill, createBackfillPreparer } from "./backfill.js";

/** A process that prepares and applies a backfill of one event in each of many cells, and says how long that took. */
export interface LargeOptions {
  readonly databaseUrl: string;
  readonly cells: number;
}

export interface LargeOutcome {
  readonly preparedMs: number;
  /** Of this process, for both. */
  readonly cpuMs: number;
  readonly appliedMs: number;
}

const TENANT = "large";
const START = at("2026-01-01T00:00:00");
const HOURS = (730 * DAY_MS) / HOUR_MS;
const RECORDED_AT = START + HOURS * HOUR_MS;

process.once("message", (options: LargeOptions) => {
  run(options).then(
    (outcome) => process.send?.(outcome, () => process.exit()),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});

async function run({ databaseUrl, cells }: LargeOptions): Promise<LargeOutcome> {
  const partition = partitionOf(TENANT, PARTITIONS);
  const { reads, apply } = createTenancyState(systemClock);
  apply(tenant(TENANT));
  apply(
    meter("users", {
      aggregation: "UNIQUE",
      valueProperty: "user",
      dimensions: ["model"],
      createdInVersion: 2,
      version: 2,
    }),
  );
  const tenancy = { ...reads, stop: async () => undefined };
  const database = await openDatabase({ url: databaseUrl, onError: () => undefined });
  await database.pool.query("INSERT INTO high_water_mark VALUES ($1, $2, 0)", [partition, cells]);
  await database.pool.query("INSERT INTO unmetered_type VALUES ($1, 'api.request', $2, 0)", [TENANT, cells]);
  const entry: LedgerEntry = {
    ...{ kind: "backfill", seq: cells + 1, recordedAt: RECORDED_AT, tenancyVersion: 2, meterKey: "users" },
  };
  const prepare = createBackfillPreparer({ tenancy, partitions: PARTITIONS, ledger: ledgerOf(cells) });
  const sessions = database.under("rebuild");
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  const prepared = await prepare(sessions, partition, [entry]);
  if (prepared === undefined) throw new Error("nothing was prepared");
  const preparedAt = performance.now();
  await sessions.transaction((tx) => applyBackfill(tx, partition, prepared));
  const appliedMs = performance.now() - preparedAt;
  await database.stop();
  const { user, system } = process.cpuUsage(cpu);
  return { preparedMs: preparedAt - startedAt, appliedMs, cpuMs: (user + system) / 1_000 };
}

/** Hours from first to last again and again, so that no part has two cells of one. */
const ledgerOf = (cells: number): LedgerClient => ({
  async read({ from, limit }) {
    const nextSeq = Math.min(cells + 1, from + limit);
    const entries = Array.from({ length: nextSeq - from }, (_, index): LedgerEntry => {
      const seq = from + index;
      const data = JSON.stringify({ user: `user-${Math.floor(seq / HOURS)}`, model: `model-${seq % 7}` });
      const time = START + (seq % HOURS) * HOUR_MS;
      return {
        ...{ kind: "event", seq, recordedAt: time, tenancyVersion: 1, tenantId: TENANT, source: "test", id: `e${seq}` },
        ...{ type: "api.request", time, receivedAt: time, data },
      };
    });
    return { entries, nextSeq, headSeq: cells };
  },
});
