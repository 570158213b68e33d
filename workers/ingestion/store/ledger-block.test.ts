import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { DAY_MS } from "#kernel/duration.js";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import { openDatabase } from "#platform/database/database.js";
import { packageRoot } from "#platform/process/package-root.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { createTestDatabase, hasPostgres } from "../../../tests/servers/servers.js";
import { PATIENT_LIMITS } from "../../../tests/support/patient-limits.js";
import { ensureLedgerMonths, readEntry, readLedger } from "./ledger.js";
import { blocksOf, entriesOf } from "./ledger-block.js";
import { appendToLedger, openCursor } from "./recording.js";

const NOVEMBER = Date.UTC(2026, 10, 24);
const stamp = (seq: number) => ({ seq, recordedAt: NOVEMBER, tenancyVersion: 7 });
const event = (seq: number, data = '{"text":"a \\"quoted\\" word, and \\u0000"}') =>
  ({
    kind: "event",
    ...stamp(seq),
    tenantId: "acme",
    source: "s",
    id: `e${seq}`,
    type: "t",
    time: 5,
    receivedAt: 6,
    data,
  }) as const;
const entries: LedgerEntry[] = [
  event(1),
  { kind: "tick", ...stamp(2), at: NOVEMBER },
  { kind: "close", ...stamp(3), tenantId: "other", periodStart: 0, actor: "root" },
  { kind: "void", ...stamp(4), tenantId: "acme", reason: 'wrong "one"', actor: "root", event: event(1) },
  { kind: "backfill", ...stamp(5), meterKey: "calls" },
];

test.each([
  ["text", [], false],
  ["columns", [6, 7, 8, 9], true],
])("a block in %s gives back the entries that it was made of", (_, more, inColumns) => {
  const all = [...entries, ...more.map((seq) => event(seq))];
  const [block, ...none] = blocksOf(3, all, true);
  expect(none).toEqual([]);
  expect(block).toMatchObject({
    first_seq: 1,
    last_seq: all.length,
    ticked_ms: NOVEMBER,
    is_shared: true,
    tenants: ["acme", "other"],
  });
  if (block === undefined) return;
  expect(block.packed !== null).toBe(inColumns);
  const { decoded: _decoded, ...stored } = block;
  expect(entriesOf(block)).toEqual(all);
  expect(entriesOf(stored)).toEqual(all);
  // Code of before columns.
  if (inColumns) expect(() => entriesOf({ ...stored, packed: null })).toThrow(UpgradeRequired);
  expect(blocksOf(3, all, false)[0]).toMatchObject({ packed: null });
});

test("a block in the place of another one is an error", () => {
  const [block] = blocksOf(
    3,
    [1, 2, 3, 4].map((seq) => event(seq)),
    true,
  );
  if (block === undefined) throw new Error("entries make a block");
  expect(() => entriesOf({ ...block, first_seq: 2 })).toThrow(/another block's bytes/);
  expect(() => entriesOf({ ...block, tenancy_version: 8 })).toThrow(/another block's bytes/);
});

test("large events are cut into several blocks, contiguous and complete", () => {
  const large = Array.from({ length: 40 }, (_, index) =>
    event(index + 1, JSON.stringify({ text: "x".repeat(60_000) })),
  );
  for (const inColumns of [false, true]) {
    const blocks = blocksOf(0, large, inColumns);
    expect(blocks.length).toBeGreaterThan(5);
    expect(blocks.flatMap(entriesOf)).toEqual(large);
  }
});

describe.skipIf(!hasPostgres)("the ledger's tables", () => {
  const closers: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });
  const migrations = path.join(packageRoot(), "prisma/ingestion/migrations");

  async function open(url: string, migrationsDir: string) {
    const database = await openDatabase({ url, profiles: PATIENT_LIMITS, migrationsDir, onError: () => undefined });
    closers.push(() => database.stop());
    return database;
  }

  test("a ledger of rows is moved entry by entry, whatever it holds", async () => {
    const created = await createTestDatabase("ledger_moved");
    closers.push(() => created.drop());
    const old = await mkdtemp(path.join(tmpdir(), "metrly-migrations-"));
    closers.push(() => rm(old, { recursive: true }));
    for (const name of ["20260101000000_create_ingestion", "20260201000000_find_ticks"])
      await cp(path.join(migrations, name), path.join(old, name), { recursive: true });
    const before = await open(created.url, old);
    const at = NOVEMBER + 40 * DAY_MS;
    const all = [...entries, { ...event(6), recordedAt: at, tenancyVersion: 8, time: at, receivedAt: at }];
    for (const entry of all) {
      const { seq, recordedAt, tenancyVersion, kind, ...own } = entry;
      const e = entry.kind === "event" ? entry : undefined;
      await before.pool.query(
        `INSERT INTO ledger (partition, seq, recorded_at_ms, tenancy_version, kind, tenant_id, source, id, type, time_ms, received_at_ms, data)
         VALUES (3, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
        [
          seq,
          recordedAt,
          tenancyVersion,
          kind,
          "tenantId" in entry ? entry.tenantId : null,
          e?.source,
          e?.id,
          e?.type,
          e?.time ?? (entry.kind === "tick" ? entry.at : null),
          e?.receivedAt,
          e?.data ?? JSON.stringify(own),
        ],
      );
    }
    await before.pool.query("INSERT INTO recorder_cursor VALUES (3, 9, 6, 8, 0)");
    const database = await open(created.url, migrations);
    const page = await readLedger(database, { partition: 3, from: 1, limit: 100 });
    expect(page).toEqual({ entries: all, nextSeq: 7, headSeq: 6 });
    expect(await readEntry(database.pool, 3, 6)).toEqual(all.at(-1));
    const { rows } = await database.pool.query(
      "SELECT seq, kind, tenant_id, id, data FROM ledger WHERE seq IN (1, 5) ORDER BY seq",
    );
    expect(rows).toEqual([
      { seq: 1, kind: "event", tenant_id: "acme", id: "e1", data: event(1).data },
      { seq: 5, kind: "backfill", tenant_id: null, id: null, data: '{"kind":"backfill","meterKey":"calls"}' },
    ]);
  });

  test("SQL reads every entry of both encodings as code does", async () => {
    const created = await createTestDatabase("ledger_columns");
    closers.push(() => created.drop());
    const database = await open(created.url, migrations);
    await ensureLedgerMonths(database, NOVEMBER);
    await openCursor(database, 3);
    const imported = { ...event(6), imported: true as const, tenantId: "é", id: "日本", time: -5, receivedAt: 2 ** 40 };
    const far = { ...event(7, '"é😀"'), time: 8.64e15, receivedAt: -8.64e15, source: '"' };
    const all: LedgerEntry[] = [
      ...entries,
      imported,
      far,
      event(8),
      event(9, "[1,2]"),
      { kind: "tick", ...stamp(10), at: 1 },
    ];
    const later = Array.from({ length: 1_000 }, (_, n) => ({ ...event(11 + n), time: n, id: `x${n}` }));
    const rows: unknown[] = [];
    for (const inColumns of [false, true]) {
      await database.transaction(async (tx) => {
        await appendToLedger(tx, 3, [...blocksOf(3, all, inColumns), ...blocksOf(3, later, inColumns)]);
        const found = await tx.query("SELECT * FROM ledger ORDER BY seq");
        rows.push(found.rows);
        await tx.query("UPDATE recorder_cursor SET seq = 1010 WHERE partition = 3");
        await tx.query("SAVEPOINT read");
        const packed = await tx.query("SELECT count(*)::int AS n FROM ledger_block WHERE packed IS NOT NULL");
        expect(packed.rows).toEqual([{ n: inColumns ? 2 : 0 }]);
        if (!inColumns) await tx.query("ALTER TABLE ledger_block DISABLE TRIGGER USER");
        if (!inColumns) await tx.query("ALTER TABLE ledger_2026_11 DISABLE TRIGGER USER");
        if (!inColumns) await tx.query("DELETE FROM ledger_block");
      });
    }
    expect(rows[1]).toEqual(rows[0]);
    expect(rows[0]).toHaveLength(1_010);
    const page = await readLedger(database, { partition: 3, from: 1, limit: 5_000 });
    expect(page.entries).toEqual([...all, ...later]);
    expect(await readEntry(database.pool, 3, 500)).toEqual(later[489]);
  });

  test("anybody reads the ledger's rows, in whichever schema the ledger is", async () => {
    const created = await createTestDatabase("ledger_of_schema");
    closers.push(() => created.drop());
    const options = { url: created.url, profiles: PATIENT_LIMITS, onError: () => undefined };
    const database = await openDatabase({ ...options, migrationsDir: migrations, schema: "ingestion" });
    closers.push(() => database.stop());
    await ensureLedgerMonths(database, NOVEMBER);
    const some = [1, 2, 3, 4].map((seq) => event(seq));
    await database.transaction((tx) => appendToLedger(tx, 3, blocksOf(3, some, true)));
    // Without a schema of its own, as psql.
    const other = await openDatabase(options);
    closers.push(() => other.stop());
    const { rows } = await other.pool.query("SELECT id, data FROM ingestion.ledger ORDER BY seq");
    expect(rows).toEqual(some.map(({ id, data }) => ({ id, data })));
  });

  const added = "20261130170000_ledger_in_columns";

  /** A folder with the migrations of before columns. */
  async function migrationsBefore(): Promise<string> {
    const dir = await mkdtemp(path.join(tmpdir(), "metrly-migrations-"));
    closers.push(() => rm(dir, { recursive: true }));
    for (const name of await readdir(migrations))
      if (name < added) await cp(path.join(migrations, name), path.join(dir, name), { recursive: true });
    return dir;
  }

  test("a month that was archived before columns comes back as the documentation says", async () => {
    const created = await createTestDatabase("ledger_archived");
    closers.push(() => created.drop());
    const before = await open(created.url, await migrationsBefore());
    await ensureLedgerMonths(before, NOVEMBER);
    const { rows } = await before.pool.query<{ bounds: string }>(
      "SELECT pg_get_expr(relpartbound, oid) AS bounds FROM pg_class WHERE relname = 'ledger_2026_11'",
    );
    await before.pool.query("ALTER TABLE ledger_block DETACH PARTITION ledger_2026_11");
    const database = await open(created.url, migrations);
    const attach = () =>
      database.pool.query(`ALTER TABLE ledger_block ATTACH PARTITION ledger_2026_11 ${rows[0]?.bounds}`);
    await expect(attach()).rejects.toThrow("packed");
    const page = await readFile(path.join(packageRoot(), "docs/operations.md"), "utf8");
    const [statement = ""] = /ALTER TABLE ledger_2026_01 ADD COLUMN [^`]+/.exec(page) ?? [];
    await database.pool.query(statement.replace("2026_01", "2026_11"));
    await attach();
    await database.transaction((tx) => appendToLedger(tx, 3, blocksOf(3, entries, true)));
    expect(await readEntry(database.pool, 3, 1)).toEqual(entries[0]);
  });

  test("months that were made before columns compress them as later months do", async () => {
    const created = await createTestDatabase("ledger_compressed");
    closers.push(() => created.drop());
    const dir = await migrationsBefore();
    await ensureLedgerMonths(await open(created.url, dir), NOVEMBER);
    await cp(path.join(migrations, added), path.join(dir, added), { recursive: true });
    // Not every server has lz4; a method that is set is seen as one.
    const file = path.join(dir, added, "migration.sql");
    await writeFile(file, (await readFile(file, "utf8")).replaceAll("COMPRESSION lz4", "COMPRESSION pglz"));
    const database = await open(created.url, dir);
    await ensureLedgerMonths(database, NOVEMBER + 40 * DAY_MS);
    const { rows } = await database.pool.query(
      "SELECT attrelid::regclass::text AS name, attcompression AS method FROM pg_attribute WHERE attname = 'packed' ORDER BY 1",
    );
    const months = ["ledger_2026_11", "ledger_2026_12", "ledger_2027_01", "ledger_2027_02"];
    expect(rows).toEqual([...months, "ledger_block"].map((name) => ({ name, method: "p" })));
  });

  test("a month's table is made once, however many ask, and one that is detached leaves the rest readable", async () => {
    const created = await createTestDatabase("ledger_months");
    closers.push(() => created.drop());
    const database = await open(created.url, migrations);
    await Promise.all(Array.from({ length: 6 }, () => ensureLedgerMonths(database, NOVEMBER)));
    const months = async () =>
      (
        await database.pool.query(
          "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'ledger_block'::regclass ORDER BY 1",
        )
      ).rows;
    expect(await months()).toEqual([{ name: "ledger_2026_11" }, { name: "ledger_2026_12" }]);
    await database.pool.query("ALTER TABLE ledger_block DETACH PARTITION ledger_2026_11");
    expect(await readEntry(database.pool, 0, 1)).toBeUndefined();
    expect(await months()).toEqual([{ name: "ledger_2026_12" }]);
  });
});
