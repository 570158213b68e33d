import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openDatabase } from "#platform/database/database.js";
import { encodeItem, type ReceivedItem, receivedText } from "#schema/events/usage-received.v2.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import { databaseUrl, hasPostgres, waitFor } from "../../../tests/servers/servers.js";
import { refuseLargeInserts } from "../../../tests/support/slow-inserts.js";
import { decodeRecord } from "../rules/decode-record.js";
import { eventDigest, eventKeyOf, fingerprintDigest } from "../rules/fingerprint.js";
import { planSteps, type RecordingStep } from "../rules/plan-steps.js";
import { readLedger } from "../store/ledger.js";
import { knownKeys, openCursor, readCursor } from "../store/recording.js";
import {
  appendItems,
  appendRecord,
  meterState,
  openWorld,
  publishedEntries,
  receivedItem,
  rowsOf,
  startService,
  type World,
} from "../world.testing.js";
import { recordStep } from "./recording.js";

describe.skipIf(!hasPostgres)("recording", () => {
  let world: World;
  let services: { stop(): Promise<void> }[] = [];

  beforeEach(async () => {
    world = await openWorld();
    services = [];
  });
  afterEach(async () => {
    for (const service of services) await service.stop();
    await world.close();
  });

  async function start(...options: Parameters<typeof startService> extends [unknown, ...infer Rest] ? Rest : never) {
    const service = await startService(world, ...options);
    services.push(service);
    return service;
  }

  const ledger = async () => (await readLedger(world.database, { partition: 0, from: 1, limit: 10_000 })).entries;
  const events = async () => (await ledger()).filter((entry) => entry.kind === "event");
  const recordedAll = () =>
    waitFor(
      async () => {
        const { next } = await world.log.bounds(USAGE_RECEIVED, 0);
        return (await readCursor(world.database.pool, 0)).next >= next;
      },
      { what: "the recorder to reach the log's end" },
    );
  const accounts = () =>
    rowsOf(
      world.database,
      `SELECT tenant_id, sum(accepted)::int AS accepted, sum(recorded)::int AS recorded, sum(duplicates)::int AS duplicates,
         sum(quarantined)::int AS quarantined FROM usage_account GROUP BY tenant_id ORDER BY tenant_id`,
    );

  test("each event is recorded once, whether it repeats within a record, between records or after a restart", async () => {
    const [a, b, c] = ["a", "b", "c"].map((id) => receivedItem({ id }));
    if (a === undefined || b === undefined || c === undefined) throw new Error("three items are there");
    await appendItems(world.log, 0, [a, b, a]);
    await appendItems(world.log, 0, [b, c]);
    const first = await start();
    await recordedAll();
    await first.stop();
    services = [];
    await appendItems(world.log, 0, [
      { ...a, time: a.time + 5, receivedAt: a.receivedAt + 5 },
      receivedItem({ id: "d" }),
    ]);
    await start();
    await recordedAll();
    expect((await events()).map(({ id }) => id)).toEqual(["a", "b", "c", "d"]);
    expect((await ledger()).map(({ seq }) => seq)).toEqual((await ledger()).map((_, index) => index + 1));
    expect(await accounts()).toEqual([{ tenant_id: "acme", accepted: 7, recorded: 4, duplicates: 3, quarantined: 0 }]);
    expect(await rowsOf(world.database, "SELECT sum(count)::int AS count FROM usage_duplicate")).toEqual([
      { count: 3 },
    ]);
  });

  test("records that take longer together than a transaction may are recorded in halves", async () => {
    const allow = await refuseLargeInserts(world.database.pool, "usage_key", 5);
    for (let record = 0; record < 8; record += 1)
      await appendItems(
        world.log,
        0,
        [0, 1, 2].map((n) => receivedItem({ id: `${record}-${n}` })),
      );
    await start();
    await recordedAll();
    expect((await events()).map(({ id }) => id)).toEqual(
      Array.from({ length: 24 }, (_, index) => `${Math.floor(index / 3)}-${index % 3}`),
    );
    await allow();
  });

  test("a redelivered batch changes nothing, and returns the position to read on", async () => {
    await openCursor(world.database, 0);
    const step = stepOf(0, [receivedItem({ id: "a" }), receivedItem({ id: "b" })]);
    expect((await recordStep(world, 0, step)).kind).toBe("recorded");
    const before = await dump();
    expect(await recordStep(world, 0, step)).toEqual({ kind: "fenced", next: 1 });
    expect(await dump()).toEqual(before);
  });

  test("of two recorders with the same batch one records it, and the other is fenced", async () => {
    await openCursor(world.database, 0);
    const step = stepOf(0, [receivedItem({ id: "a" })]);
    const results = await Promise.all([recordStep(world, 0, step), recordStep(world, 0, step)]);
    expect(results.map(({ kind }) => kind).sort()).toEqual(["fenced", "recorded"]);
    expect(await events()).toHaveLength(1);
  });

  test("two processes on one log record every event once and publish without a gap", async () => {
    await Promise.all([start(), start()]);
    const items = Array.from({ length: 400 }, (_, index) => receivedItem({ id: String(index % 300) }));
    for (let at = 0; at < items.length; at += 20) await appendItems(world.log, 0, items.slice(at, at + 20));
    await recordedAll();
    expect(new Set((await events()).map(({ id }) => id)).size).toBe(300);
    expect(await events()).toHaveLength(300);
    const head = (await ledger()).length;
    await waitFor(async () => (await publishedEntries(world.log, 0)).some(({ seq }) => seq === head), {
      what: "all published",
    });
    let last = 0;
    for (const { seq } of await publishedEntries(world.log, 0)) {
      expect(seq).toBeLessThanOrEqual(last + 1);
      last = Math.max(last, seq);
    }
  });

  test("another payload under a known key is quarantined with the one that counts, never dropped", async () => {
    const good = receivedItem({ id: "a", data: '{"n":1}' });
    const other = receivedItem({ id: "a", data: '{"n":2}' });
    await appendItems(world.log, 0, [good, other, other]);
    await appendItems(world.log, 0, [other, receivedItem({ id: "a", type: "other" })]);
    await start();
    await recordedAll();
    expect(await events()).toMatchObject([{ id: "a", data: '{"n":1}' }]);
    expect(
      await rowsOf(
        world.database,
        "SELECT type, data, reason, recorded_seq, status FROM quarantined_event ORDER BY position",
      ),
    ).toEqual([
      {
        type: "api.request",
        data: '{"n":2}',
        reason: "CONFLICT",
        recorded_seq: (await events())[0]?.seq,
        status: "QUARANTINED",
      },
      { type: "other", data: "{}", reason: "CONFLICT", recorded_seq: (await events())[0]?.seq, status: "QUARANTINED" },
    ]);
    expect(await accounts()).toEqual([{ tenant_id: "acme", accepted: 5, recorded: 1, duplicates: 2, quarantined: 2 }]);
  });

  test("a conflict costs what the first one cost: the recorder reads only those that an item repeats", async () => {
    const conflicts = Array.from({ length: 300 }, (_, n) => receivedItem({ id: "1", data: `{"n":${n}}` }));
    for (const part of [conflicts.slice(0, 200), conflicts.slice(200)]) await appendItems(world.log, 0, part);
    await start();
    await recordedAll();
    expect(await accounts()).toMatchObject([{ accepted: 300, recorded: 1, duplicates: 0, quarantined: 299 }]);
    const key = eventDigest("acme", "test", "1");
    const [known, unknown] = ['{"n":7}', "[]"].map((data) => fingerprintDigest("acme", "api.request", data));
    const items = [known, unknown].map((fingerprint = "") => ({ key, fingerprint }));
    const found = await world.database.transaction((tx) => knownKeys(tx, 0, items));
    expect(found.get(key)?.quarantined).toEqual(new Set([known]));
    const plan = await rowsOf(
      world.database,
      `EXPLAIN SELECT data FROM quarantined_event WHERE partition = 0 AND key = '${eventKeyOf("acme", "test", "1")}' AND status = 'QUARANTINED' ORDER BY position LIMIT 1`,
    );
    expect(JSON.stringify(plan)).toContain("quarantined_event_pending");
  });

  test("a value that an active meter can't read is quarantined under its key", async () => {
    world.apply(meterState("tokens", "llm.call", { aggregation: "SUM", valueProperty: "tokens" }));
    const bad = receivedItem({ id: "a", type: "llm.call", data: '{"tokens":"many"}' });
    await appendItems(world.log, 0, [bad, bad, receivedItem({ id: "b", type: "llm.call", data: '{"tokens":"12.5"}' })]);
    await start();
    await recordedAll();
    expect(await events()).toMatchObject([{ id: "b" }]);
    expect(await accounts()).toEqual([{ tenant_id: "acme", accepted: 3, recorded: 1, duplicates: 1, quarantined: 1 }]);
    expect(await rowsOf(world.database, "SELECT reason, detail FROM quarantined_event")).toMatchObject([
      { reason: "VALUE_INVALID", detail: expect.stringContaining("data.tokens") },
    ]);
  });

  test("connections cut repeatedly, in any transaction, lose nothing and record nothing twice", async () => {
    const admin = await openDatabase({ url: databaseUrl(), onError: () => undefined });
    const { failures } = await start({ tickMs: 50 });
    const names = await Promise.all(
      [world.database, world.logDatabase].map(async ({ url }) => new URL(url).pathname.slice(1)),
    );
    const ids = Array.from({ length: 600 }, (_, index) => `e${index}`);
    for (let at = 0; at < ids.length; at += 20) {
      const items = ids.slice(at, at + 20).map((id) => receivedItem({ id, receivedAt: 1 }));
      const appended = appendItems(world.log, 0, items);
      await admin.pool.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY($1)", [names]);
      // As a client does that got no answer.
      await appended.catch(() => appendItems(world.log, 0, items));
    }
    await admin.stop();
    await waitFor(async () => (await events()).length === ids.length, { what: "all recorded" });
    expect((await events()).map(({ id }) => id)).toEqual(ids);
    const whole = await ledger();
    expect(whole.map(({ seq }) => seq)).toEqual(whole.map((_, index) => index + 1));
    const lastEvent = whole.findLast((entry) => entry.kind === "event")?.seq ?? 0;
    await waitFor(async () => (await publishedEntries(world.log, 0)).some(({ seq }) => seq >= lastEvent), {
      what: "all published",
    });
    let published = 0;
    for (const { seq } of await publishedEntries(world.log, 0)) {
      expect(seq).toBeLessThanOrEqual(published + 1);
      published = Math.max(published, seq);
    }
    const [account] = await accounts();
    expect(account).toMatchObject({ recorded: ids.length, quarantined: 0 });
    expect(failures).toEqual([]);
  });

  test("a record that nothing can be made of is kept with its bytes and blocks nothing", async () => {
    const packed = (changed: Partial<ReceivedItem>, data?: string) => {
      const { head, ...encoded } = encodeItem(receivedItem({ id: "x", ...changed }));
      return Buffer.from(receivedText([{ head, data: data ?? encoded.data }], 0));
    };
    const values = [
      Buffer.from([0xff, 0x00, 0x7b]),
      packed({ id: "nul\0" }),
      packed({ type: "half \ud800" }),
      packed({ time: 1e300 }),
      packed({ data: "{" }),
      packed({ data: "{}" }, "{"),
      packed({ data: "{}" }, "{} "),
    ];
    await world.log.append(
      USAGE_RECEIVED,
      0,
      values.map((value) => ({ value })),
    );
    await appendItems(world.log, 0, [receivedItem({ id: "a" })]);
    await start();
    await recordedAll();
    expect((await events()).map(({ id }) => id)).toEqual(["a"]);
    const kept = await rowsOf(world.database, "SELECT log_offset, value FROM poison_record ORDER BY log_offset");
    expect(kept).toEqual(values.map((value, index) => ({ log_offset: index, value })));
  });

  test("ticks and closes have their place among the events; a tick of a wrong clock has none", async () => {
    const now = Date.now();
    await appendItems(world.log, 0, [receivedItem({ id: "a" })]);
    await appendRecord(world.log, 0, { kind: "tick", at: now });
    await appendRecord(world.log, 0, { kind: "tick", at: now + 120_000 });
    await appendRecord(world.log, 0, { kind: "close", tenantId: "acme", periodStart: 0, actor: "root" });
    await appendItems(world.log, 0, [receivedItem({ id: "b" })]);
    await start();
    await recordedAll();
    const entries = (await ledger()).slice(0, 4);
    expect(entries).toMatchObject([
      { kind: "event", seq: 1, id: "a" },
      { kind: "tick", seq: 2, at: now },
      { kind: "close", seq: 3, tenantId: "acme", periodStart: 0, actor: "root" },
      { kind: "event", seq: 4, id: "b" },
    ]);
  });

  test("the ledger refuses change", async () => {
    await openCursor(world.database, 0);
    await recordStep(world, 0, stepOf(0, [receivedItem({ id: "a" })]));
    const month = `ledger_${new Date().toISOString().slice(0, 7).replace("-", "_")}`;
    for (const table of ["ledger_block", month])
      for (const sql of [`UPDATE ${table} SET entries = '[]'`, `DELETE FROM ${table}`, `TRUNCATE ${table}`])
        await expect(world.database.pool.query(sql)).rejects.toThrow(/append-only/);
    expect(await events()).toHaveLength(1);
  });

  test("a recreated log stops the recorder loudly and records nothing", async () => {
    await appendItems(world.log, 0, [receivedItem({ id: "a" }), receivedItem({ id: "b" })]);
    await (await start()).stop();
    services = [];
    await recordedOnce();
    await world.database.pool.query("UPDATE recorder_cursor SET last_record = gen_random_uuid()");
    await appendItems(world.log, 0, [receivedItem({ id: "c" })]);
    const { failures } = await start();
    await waitFor(() => failures.length > 0, { what: "the recorder to stop" });
    expect(String(failures[0])).toMatch(/the record before it is another one/);
    expect(await events()).toHaveLength(2);
  });

  test("a fresh log under an old database stops the recorder, also when it has grown past the cursor, and says what to do", async () => {
    await appendItems(world.log, 0, [receivedItem({ id: "a" })]);
    await appendItems(world.log, 0, [receivedItem({ id: "b" })]);
    await recordedOnce();
    const fresh = await openWorld();
    try {
      for (const grown of [0, 40]) {
        for (let n = 0; n < grown; n += 1) await appendItems(fresh.log, 0, [receivedItem({ id: `new${n}` })]);
        const { failures } = await start({ log: fresh.log });
        await waitFor(() => failures.length > 0, { what: "the recorder to stop" });
        expect(String(failures[0])).toMatch(/restore the log, or.*set recorder_cursor.next/s);
      }
      expect(await events()).toHaveLength(2);
    } finally {
      for (const service of services.splice(0)) await service.stop();
      await fresh.close();
    }
  });

  test("an old log, trimmed, under a fresh database stops the recorder; a whole one is recorded from its beginning", async () => {
    for (const id of ["a", "b", "c"]) await appendItems(world.log, 0, [receivedItem({ id })]);
    await recordedOnce();
    const fresh = await openWorld();
    try {
      const service = await startService({ ...fresh, log: world.log });
      services.push(service);
      const again = async () => (await readLedger(fresh.database, { partition: 0, from: 1, limit: 100 })).entries;
      await waitFor(async () => (await again()).filter(({ kind }) => kind === "event").length === 3, {
        what: "all of it",
      });
      expect(service.failures).toEqual([]);
      await service.stop();
      services = [];
      await fresh.database.pool.query("DELETE FROM recorder_cursor");
      await world.log.trim(USAGE_RECEIVED, 0, 2);
      const late = await startService({ ...fresh, log: world.log });
      services.push(late);
      await waitFor(() => late.failures.length > 0, { what: "the recorder to stop" });
      expect(String(late.failures[0])).toMatch(/offset 0 was expected.*restore the log/s);
    } finally {
      for (const service of services.splice(0)) await service.stop();
      await fresh.close();
    }
  });

  test("a hole in the log stops the recorder loudly", async () => {
    await appendItems(world.log, 0, [receivedItem({ id: "a" })]);
    await appendItems(world.log, 0, [receivedItem({ id: "b" })]);
    await world.log.trim(USAGE_RECEIVED, 0, 1);
    const { failures } = await start();
    await waitFor(() => failures.length > 0, { what: "the recorder to stop" });
    expect(String(failures[0])).toMatch(/offset 0 was expected/);
    expect(await events()).toEqual([]);
  });

  async function recordedOnce(): Promise<void> {
    const service = await start();
    await recordedAll();
    await service.stop();
    services = [];
  }

  async function dump(): Promise<unknown[]> {
    const tables = [
      "recorder_cursor",
      "ledger_block",
      "usage_key",
      "usage_duplicate",
      "usage_account",
      "quarantined_event",
    ];
    return Promise.all(tables.map((table) => rowsOf(world.database, `SELECT * FROM ${table} ORDER BY 1, 2`)));
  }
});

function stepOf(offset: number, items: readonly ReceivedItem[]): RecordingStep {
  const value = Buffer.from(receivedText(items.map(encodeItem), 0));
  const [step] = planSteps([{ offset, timestamp: Date.now(), value, decoded: decodeRecord(value, 0, 1) }]);
  if (step === undefined) throw new Error("a record makes a step");
  return step;
}
