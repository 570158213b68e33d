import { storableText } from "#kernel/storable-text.js";
import { bigintArray, byteaArray, uuidArray } from "#platform/database/binary-arrays.js";
import type { Database, Transaction } from "#platform/database/database.js";
import type { DecodedItem } from "../rules/decode-record.js";
import { digestOfUuid } from "../rules/fingerprint.js";
import type { Reach } from "../rules/reach.js";
import type { AccountChange, BatchOutcome, KnownKey, Quarantined } from "../rules/record-items.js";
import type { LedgerBlock } from "./ledger-block.js";

/** Of all items of a partition; invariant: items = events + duplicates + quarantined. */
export interface ItemTotals {
  readonly items: number;
  readonly events: number;
  readonly duplicates: number;
  readonly quarantined: number;
}

export interface RecorderCursor {
  /** Offset in usage.received to record next. */
  readonly next: number;
  /** Last assigned ledger position; 0: none. */
  readonly seq: number;
  readonly tenancyVersion: number;
  /** Log time of the last recorded record, epoch ms; 0: none. */
  readonly recordedThrough: number;
  readonly lastRecord: string | null;
  /** The newest hour of its events' times, epoch ms; 0: none. */
  readonly reachedHour: number;
  /** `ledger_reach` is complete up to here: beyond it, up to `seq`, an older release recorded. */
  readonly reachedSeq: number;
}

const CURSOR = `SELECT next, seq, tenancy_version AS "tenancyVersion", recorded_through_ms AS "recordedThrough",
  last_record AS "lastRecord", reached_hour_ms AS "reachedHour", reached_seq AS "reachedSeq" FROM recorder_cursor WHERE partition = $1`;
const START: RecorderCursor = {
  next: 0,
  seq: 0,
  tenancyVersion: 0,
  recordedThrough: 0,
  lastRecord: null,
  reachedHour: 0,
  reachedSeq: 0,
};

/** The cursor of a partition, created at the log's beginning if missing. */
export async function openCursor(database: Database, partition: number): Promise<RecorderCursor> {
  await database.pool.query(
    `INSERT INTO recorder_cursor (partition, next, seq, tenancy_version, recorded_through_ms) VALUES ($1, 0, 0, 0, 0)
     ON CONFLICT DO NOTHING`,
    [partition],
  );
  await database.pool.query(
    "INSERT INTO publisher_cursor (partition, published) VALUES ($1, 0) ON CONFLICT DO NOTHING",
    [partition],
  );
  return readCursor(database.pool, partition);
}

export async function readCursor(from: Pick<Transaction, "query">, partition: number): Promise<RecorderCursor> {
  const { rows } = await from.query<RecorderCursor>(CURSOR, [partition]);
  return rows[0] ?? START;
}

/** The offset in usage.received that each partition records next. */
export async function readNextOffsets({ pool }: Pick<Database, "pool">): Promise<ReadonlyMap<number, number>> {
  const { rows } = await pool.query<{ partition: number; next: number }>("SELECT partition, next FROM recorder_cursor");
  return new Map(rows.map(({ partition, next }) => [partition, next]));
}

/** Locks the partition until the transaction ends: a concurrent recorder waits, and then finds the cursor moved. */
export async function lockCursor(tx: Transaction, partition: number): Promise<RecorderCursor> {
  const text = `${CURSOR} FOR UPDATE`;
  const { rows } = await tx.query<RecorderCursor>({ name: "lock-cursor", text, values: [partition] });
  return rows[0] ?? START;
}

/** Moves the cursor by compare-and-swap. Throws when it is not at `from`: the lock was not held. */
export async function moveCursor(
  tx: Transaction,
  partition: number,
  from: number,
  to: RecorderCursor,
  added: ItemTotals,
): Promise<void> {
  const { rowCount } = await tx.query({
    name: "move-cursor",
    text: `UPDATE recorder_cursor SET next = $3, seq = $4, tenancy_version = $5, recorded_through_ms = $6, last_record = $7,
             items = items + $8, events = events + $9, duplicates = duplicates + $10, quarantined = quarantined + $11,
             reached_hour_ms = $12, reached_seq = $13
           WHERE partition = $1 AND next = $2`,
    values: [
      ...[partition, from, to.next, to.seq, to.tenancyVersion, to.recordedThrough, to.lastRecord],
      ...[added.items, added.events, added.duplicates, added.quarantined, to.reachedHour, to.reachedSeq],
    ],
  });
  if (rowCount !== 1) throw new Error(`the cursor of partition ${partition} moved while its row was locked`);
}

/** The known state of these keys, which are binary strings as the result's are. Complete under the cursor's lock: no other process adds keys to the partition. */
export async function knownKeys(
  tx: Transaction,
  partition: number,
  items: readonly { readonly key: string; readonly fingerprint: string }[],
): Promise<Map<string, KnownKey>> {
  const { rows } = await tx.query<{ key: string; fingerprint: string; seq: number | null }>({
    name: "known-keys",
    text: "SELECT key, fingerprint, seq FROM usage_key WHERE partition = $1 AND key = ANY ($2::uuid[])",
    values: [partition, uuidArray(items.map((item) => item.key))],
  });
  const known = new Map(
    rows.map(({ key, fingerprint, seq }) => [
      digestOfUuid(key),
      { fingerprint: digestOfUuid(fingerprint), seq, quarantined: new Set<string>() },
    ]),
  );
  if (known.size === 0) return known;
  const contradicted = items.filter((item) => {
    const holder = known.get(item.key);
    return holder !== undefined && holder.fingerprint !== item.fingerprint;
  });
  if (contradicted.length === 0) return known;
  // By the primary key: a key may have any number of conflicts.
  const quarantined = await tx.query<{ key: string; fingerprint: string }>({
    name: "known-conflicts",
    text: `SELECT q.key, q.fingerprint FROM unnest($2::uuid[], $3::uuid[]) AS c(key, fingerprint)
           JOIN quarantined_event q ON q.partition = $1 AND q.key = c.key AND q.fingerprint = c.fingerprint`,
    values: [
      partition,
      uuidArray(contradicted.map((item) => item.key)),
      uuidArray(contradicted.map((item) => item.fingerprint)),
    ],
  });
  for (const { key, fingerprint } of quarantined.rows)
    known.get(digestOfUuid(key))?.quarantined.add(digestOfUuid(fingerprint));
  return known;
}

/** Writes all changes of a batch except the ledger's blocks and the cursor. */
export async function saveBatch(tx: Transaction, partition: number, outcome: BatchOutcome): Promise<void> {
  await insertKeys(tx, partition, outcome.newKeys);
  await countDuplicates(tx, partition, outcome.duplicates);
  await insertQuarantined(tx, partition, outcome.quarantined);
  await changeAccounts(tx, partition, outcome.accounts);
}

async function insertKeys(tx: Transaction, partition: number, keys: BatchOutcome["newKeys"]): Promise<void> {
  if (keys.length === 0) return;
  await tx.query({
    name: "insert-keys",
    text: `INSERT INTO usage_key (partition, key, fingerprint, seq)
           SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::bigint[]) ORDER BY 2`,
    values: [
      partition,
      uuidArray(keys.map((k) => k.key)),
      uuidArray(keys.map((k) => k.fingerprint)),
      bigintArray(keys.map((k) => k.seq)),
    ],
  });
}

export async function appendToLedger(
  tx: Transaction,
  partition: number,
  blocks: readonly LedgerBlock[],
): Promise<void> {
  if (blocks.length === 0) return;
  const column = <K extends keyof LedgerBlock>(name: K): LedgerBlock[K][] => blocks.map((block) => block[name]);
  await tx.query({
    name: "append-ledger",
    text: `INSERT INTO ledger_block (partition, first_seq, last_seq, recorded_at_ms, tenancy_version, ticked_ms, is_shared,
             tenants, entries, event_count, packed)
           SELECT $1, f, l, r, v, t, s, ARRAY(SELECT json_array_elements_text(n::json)), e, c, p
           FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::boolean[], $8::text[],
             $9::text[], $10::int[], $11::bytea[]) AS b(f, l, r, v, t, s, n, e, c, p)`,
    values: [
      partition,
      column("first_seq"),
      column("last_seq"),
      column("recorded_at_ms"),
      column("tenancy_version"),
      column("ticked_ms"),
      column("is_shared"),
      blocks.map(({ tenants }) => JSON.stringify(tenants)),
      column("entries"),
      column("event_count"),
      byteaArray(column("packed")),
    ],
  });
}

/** Notes where the partition's events reached an hour that is newer than all before. */
export async function saveReach(tx: Transaction, partition: number, { hour, firstSeq }: Reach): Promise<void> {
  await tx.query("INSERT INTO ledger_reach (partition, hour_ms, first_seq) VALUES ($1, $2, $3)", [
    ...[partition, hour, firstSeq],
  ]);
}

/** The newest hour in which items of the partition arrived, by the clocks that accepted them; undefined: none did. Reads all accounts. */
export async function newestArrival(tx: Transaction, partition: number): Promise<number | undefined> {
  const { rows } = await tx.query<{ hour: number | null }>(
    "SELECT max(hour_ms) AS hour FROM usage_account WHERE partition = $1",
    [partition],
  );
  return rows[0]?.hour ?? undefined;
}

async function countDuplicates(tx: Transaction, partition: number, counts: ReadonlyMap<string, number>): Promise<void> {
  if (counts.size === 0) return;
  await tx.query({
    name: "count-duplicates",
    text: `INSERT INTO usage_duplicate AS d (partition, key, count) SELECT $1, * FROM unnest($2::uuid[], $3::bigint[])
           ON CONFLICT (partition, key) DO UPDATE SET count = d.count + excluded.count`,
    values: [partition, uuidArray([...counts.keys()]), bigintArray([...counts.values()])],
  });
}

async function insertQuarantined(tx: Transaction, partition: number, rows: readonly Quarantined[]): Promise<void> {
  if (rows.length === 0) return;
  const column = <K extends keyof DecodedItem>(name: K): DecodedItem[K][] => rows.map(({ item }) => item[name]);
  await tx.query({
    name: "insert-quarantined",
    text: `INSERT INTO quarantined_event (partition, status, key, fingerprint, tenant_id, source, id, type, time_ms,
             received_at_ms, data, imported, reason, detail, recorded_seq)
           SELECT $1, 'QUARANTINED', * FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
             $8::bigint[], $9::bigint[], $10::text[], $11::boolean[], $12::text[], $13::text[], $14::bigint[])`,
    values: [
      partition,
      uuidArray(column("key")),
      uuidArray(column("fingerprint")),
      column("tenantId"),
      column("source"),
      column("id"),
      column("type"),
      column("time"),
      column("receivedAt"),
      column("data"),
      rows.map(({ item }) => item.imported === true),
      rows.map(({ reason }) => reason),
      rows.map(({ detail }) => detail),
      rows.map(({ recordedSeq }) => recordedSeq),
    ],
  });
}

export async function changeAccounts(
  tx: Transaction,
  partition: number,
  changes: readonly AccountChange[],
): Promise<void> {
  if (changes.length === 0) return;
  const column = <K extends keyof AccountChange>(name: K): AccountChange[K][] => changes.map((change) => change[name]);
  await tx.query({
    name: "change-accounts",
    text: `INSERT INTO usage_account AS a (partition, tenant_id, hour_ms, accepted, recorded, duplicates, quarantined)
           SELECT $1, * FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
           ON CONFLICT (partition, tenant_id, hour_ms) DO UPDATE SET accepted = a.accepted + excluded.accepted,
             recorded = a.recorded + excluded.recorded, duplicates = a.duplicates + excluded.duplicates,
             quarantined = a.quarantined + excluded.quarantined`,
    values: [
      partition,
      column("tenantId"),
      column("hour"),
      column("accepted"),
      column("recorded"),
      column("duplicates"),
      column("quarantined"),
    ],
  });
}

export async function keepPoison(
  tx: Transaction,
  partition: number,
  poison: { readonly offset: number; readonly value: Buffer; readonly error: string },
  seenAt: number,
): Promise<void> {
  await tx.query(
    "INSERT INTO poison_record (partition, log_offset, value, error, seen_at_ms) VALUES ($1, $2, $3, $4, $5)",
    [partition, poison.offset, poison.value, storableText(poison.error), seenAt],
  );
}
