import { randomUUID } from "node:crypto";
import type { ClientBase } from "pg";
import { partitionOf } from "#kernel/partition.js";
import type { Database } from "#platform/database/database.js";
import type { RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import { ensureLedgerMonths } from "../../workers/ingestion/store/ledger.js";
import { blocksOf } from "../../workers/ingestion/store/ledger-block.js";
import { appendToLedger, openCursor } from "../../workers/ingestion/store/recording.js";
import { eventOf, PERIOD } from "./events.js";

export const PARTITIONS = 4;
export const TENANTS = 24;
const ENTRIES_AT_ONCE = 10_000;

/** Events of a month, in the order of time, in as many ledgers as there are partitions. */
export async function fill(database: Database, count: number): Promise<void> {
  await ensureLedgerMonths(database, PERIOD.start);
  const waiting = Array.from({ length: PARTITIONS }, () => [] as RecordedEvent[]);
  const heads = waiting.map(() => 0);
  async function append(partition: number): Promise<void> {
    const entries = waiting[partition] ?? [];
    await database.transaction((tx) => appendToLedger(tx, partition, blocksOf(partition, entries, true)));
    waiting[partition] = [];
  }
  for (let n = 0; n < count; n += 1) {
    const tenantId = `tenant-${n % TENANTS}`;
    const partition = partitionOf(tenantId, PARTITIONS);
    const seq = (heads[partition] ?? 0) + 1;
    heads[partition] = seq;
    // Of one recording, like a batch.
    const recordedAt = PERIOD.start + Math.floor((seq * PARTITIONS) / ENTRIES_AT_ONCE);
    waiting[partition]?.push({ ...eventOf(n, count, tenantId), id: randomUUID(), seq, recordedAt });
    if (waiting[partition]?.length === ENTRIES_AT_ONCE) await append(partition);
  }
  for (const [partition, seq] of heads.entries()) {
    await append(partition);
    await openCursor(database, partition);
    await database.pool.query("UPDATE recorder_cursor SET seq = $2 WHERE partition = $1", [partition, seq]);
  }
}

/** The same events as tables: `event` as received, with `jsonb` data, and `event_columns`. */
export async function createScanned(database: Database): Promise<void> {
  await database.pool.query(`CREATE TABLE event AS SELECT tenant_id, source, id, type, timestamp 'epoch' +
    time_ms * interval '1 millisecond' AS time, data::jsonb AS data FROM ledger`);
  await database.pool.query(`CREATE TABLE event_columns AS SELECT tenant_id, source, id, type, time, data->>'region' AS region,
    data->>'model' AS model, (data->>'tokens')::numeric AS tokens FROM event`);
  await database.pool.query("VACUUM ANALYZE event, event_columns");
}

/** Lets a session scan in one process, without compiling. */
export async function useOneProcess(client: ClientBase): Promise<void> {
  for (const setting of ["max_parallel_workers_per_gather = 0", "jit = off", "work_mem = '256MB'"])
    await client.query(`SET ${setting}`);
}

export interface Scanned {
  readonly table: string;
  /** Expressions. */
  readonly region: string;
  readonly model: string;
  readonly tokens: string;
}

/** The totals of all tenants by hour and dimensions. */
export function scanOf({ table, region, model, tokens }: Scanned): string {
  return `SELECT tenant_id, date_trunc('hour', time), ${region}, ${model}, count(*), sum(${tokens})
            FROM ${table} GROUP BY 1, 2, 3, 4`;
}
