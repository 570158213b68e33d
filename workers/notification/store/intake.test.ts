import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "#platform/database/database.js";
import { hasPostgres } from "../../../tests/servers/servers.js";
import { decodeNotice, type Notice } from "../rules/notice.js";
import { OPERATORS } from "../rules/operators.js";
import { openServiceDatabase, warning } from "../world.testing.js";
import { overdueEndpoints } from "./deliveries.js";
import { type IntakeBatch, startCursor, storeIntake } from "./intake.js";
import type { EndpointRef } from "./notices.js";

const TOPIC = "quota.alerts";

describe.skipIf(!hasPostgres)("taking in events", () => {
  let world: Awaited<ReturnType<typeof openServiceDatabase>>;
  let database: Database;
  beforeAll(async () => {
    world = await openServiceDatabase("intake");
    database = await world.connect();
  });
  beforeEach(async () => {
    await database.pool.query(
      "TRUNCATE consumer_cursor, tenant_stream, notice, notice_sequence, webhook_endpoint, endpoint_sequence, poison_record CASCADE",
    );
  });
  afterAll(() => world.drop());

  function notice(tenantId: string, id: string): Notice {
    const decoded = decodeNotice(JSON.stringify(warning(tenantId, id)));
    if (decoded.kind !== "notice") throw new Error(decoded.error);
    return decoded.notice;
  }

  const batch = (firstOffset: number, notices: readonly Notice[], more: Partial<IntakeBatch> = {}): IntakeBatch => ({
    topic: TOPIC,
    partition: 0,
    firstOffset,
    nextOffset: firstOffset + notices.length,
    notices,
    poison: [],
    ...more,
  });

  async function start(partition = 0): Promise<void> {
    await startCursor(database, TOPIC, partition, async () => ({ first: 0, next: 0 }));
  }

  async function numbersOf(tenantId: string): Promise<number[]> {
    const { rows } = await database.pool.query<{ number: number }>(
      "SELECT number FROM notice WHERE tenant_id = $1 ORDER BY number",
      [tenantId],
    );
    return rows.map((row) => row.number);
  }

  async function addEndpoint(tenantId: string, id: string, eventTypes: readonly string[], status = "ENABLED") {
    await database.pool.query(
      "INSERT INTO webhook_endpoint (tenant_id, id, url, event_types, status) VALUES ($1, $2, 'https://x', $3, $4)",
      [tenantId, id, eventTypes, status],
    );
  }

  async function endpointSequencesOf(endpointId: string): Promise<number[]> {
    const { rows } = await database.pool.query<{ n: number }>(
      "SELECT endpoint_sequence AS n FROM webhook_delivery WHERE endpoint_id = $1 ORDER BY id",
      [endpointId],
    );
    return rows.map(({ n }) => n).sort((a, b) => a - b);
  }

  async function deliveries() {
    const { rows } = await database.pool.query(
      "SELECT endpoint_id, event_id, status FROM webhook_delivery ORDER BY endpoint_id, event_id",
    );
    return rows;
  }

  test("a date that only JavaScript accepts does not block the partition", async () => {
    await start();
    const time = "2026-02-30T00:00:00Z";
    const outcome = await storeIntake(database, batch(0, [{ ...notice("acme", "e1"), time }]));
    expect(outcome.kind).toBe("stored");
  });

  test("a redelivered batch changes nothing", async () => {
    await start();
    await addEndpoint("acme", "e1", ["quota.warning"]);
    const notices = [notice("acme", "a"), notice("acme", "b")];
    expect(await storeIntake(database, batch(0, notices))).toMatchObject({ kind: "stored", notices });
    expect(await storeIntake(database, batch(0, notices))).toEqual({ kind: "fenced", next: 2 });
    expect(await numbersOf("acme")).toEqual([1, 2]);
    expect(await deliveries()).toHaveLength(2);
  });

  test("a batch whose transaction fails leaves nothing behind, and is stored when it is delivered again", async () => {
    await start();
    const failing: Database = {
      ...database,
      transaction: (work) =>
        database.transaction(async (tx) => {
          await work(tx);
          throw new Error("cut");
        }),
    };
    const taken = batch(0, [notice("acme", "a")]);
    await expect(storeIntake(failing, taken)).rejects.toThrow("cut");
    expect(await numbersOf("acme")).toEqual([]);
    expect(await storeIntake(database, taken)).toMatchObject({ kind: "stored", notices: taken.notices });
  });

  test("pages of any size show each endpoint with an overdue delivery once", async () => {
    const ids = Array.from({ length: 7 }, (_, n) => `e${(n * 3) % 7}`);
    for (const [n, id] of ids.entries()) {
      const tenantId = ["acme", "globex", "initech"][n % 3] ?? "";
      await addEndpoint(tenantId, id, []);
      await database.pool.query(
        `INSERT INTO webhook_delivery (tenant_id, id, endpoint_id, event_id, event_type, payload, next_attempt_at)
         VALUES ($1, 'd-' || $2, $2, 'e', 'quota.warning', '{}', now() - interval '1 hour')`,
        [tenantId, id],
      );
    }
    for (const size of [1, 2, 3, 8]) {
      const seen: string[] = [];
      for (let after: EndpointRef | undefined; ; ) {
        const page = await overdueEndpoints(database, 0, size, after);
        seen.push(...page.map(({ endpointId }) => endpointId));
        after = page.at(-1);
        if (page.length < size) break;
      }
      expect(seen.sort()).toEqual([...ids].sort());
    }
  });

  test("an event that was published twice is stored and delivered once", async () => {
    await start();
    await addEndpoint("acme", "e1", ["quota.warning"]);
    await storeIntake(database, batch(0, [notice("acme", "a"), notice("acme", "a")]));
    const again = await storeIntake(database, batch(2, [notice("acme", "a"), notice("acme", "b")]));
    expect(again).toMatchObject({ kind: "stored", notices: [{ eventId: "b" }] });
    expect(await numbersOf("acme")).toEqual([1, 2]);
    expect((await deliveries()).map((row) => row.event_id)).toEqual(["a", "b"]);
  });

  test("only enabled endpoints that ask for the type get a delivery, and only their tenant's", async () => {
    await start();
    await addEndpoint("acme", "asks", ["quota.warning", "quota.exceeded"]);
    await addEndpoint("acme", "asks-not", ["invoice.generated"]);
    await addEndpoint("acme", "disabled", ["quota.warning"], "DISABLED");
    await addEndpoint("globex", "foreign", ["quota.warning"]);
    await storeIntake(database, batch(0, [notice("acme", "a")]));
    expect(await deliveries()).toEqual([{ endpoint_id: "asks", event_id: "a", status: "PENDING" }]);
  });

  test("a poison record is kept with its bytes and does not block", async () => {
    await start();
    const value = Buffer.from([0xff, 0x00, 0x01]);
    const poison = [{ offset: 0, key: "acme", value, error: "not JSON: \0" }];
    await storeIntake(database, batch(0, [notice("acme", "a")], { poison, nextOffset: 2 }));
    const { rows } = await database.pool.query("SELECT log_offset, value, error FROM poison_record");
    expect(rows).toEqual([{ log_offset: 0, value, error: "not JSON: \uFFFD" }]);
    expect(await numbersOf("acme")).toEqual([1]);
  });

  test("of two consumers of one partition, one stores and the other reads on", async () => {
    await start();
    const other = await world.connect();
    const outcomes = await Promise.all(
      [database, other].map((each) => storeIntake(each, batch(0, [notice("acme", "a")]))),
    );
    expect(outcomes.map((outcome) => outcome.kind).sort()).toEqual(["fenced", "stored"]);
    expect(await numbersOf("acme")).toEqual([1]);
  });

  test("numbers have no holes and no deadlock when partitions are stored at once", async () => {
    const partitions = [0, 1, 2, 3];
    for (const partition of partitions) await start(partition);
    const tenants = ["acme", "globex", "initech"];
    for (const tenant of tenants)
      for (const name of ["one", "two"]) await addEndpoint(tenant, `${name}-${tenant}`, ["quota.warning"]);
    for (const name of ["ops-one", "ops-two"]) await addEndpoint(OPERATORS, name, ["quota.warning"]);
    await Promise.all(
      partitions.map(async (partition) => {
        for (let round = 0; round < 15; round++) {
          const notices = [...tenants]
            .sort(() => Math.random() - 0.5)
            .map((tenant) => notice(tenant, `${partition}-${round}`));
          const stored = await storeIntake(database, batch(round * 3, notices, { partition }));
          expect(stored.kind).toBe("stored");
        }
      }),
    );
    const expected = Array.from({ length: 60 }, (_, index) => index + 1);
    for (const tenant of tenants) expect(await numbersOf(tenant)).toEqual(expected);
    for (const tenant of tenants)
      for (const endpoint of [`one-${tenant}`, `two-${tenant}`])
        expect(await endpointSequencesOf(endpoint)).toEqual(expected);
    const ofAll = Array.from({ length: 60 * tenants.length }, (_, index) => index + 1);
    for (const endpoint of ["ops-one", "ops-two"]) expect(await endpointSequencesOf(endpoint)).toEqual(ofAll);
  });

  test("events of two tenants with one id are two deliveries to an operator, each once", async () => {
    await start();
    await addEndpoint(OPERATORS, "ops", ["quota.warning"]);
    const notices = [notice("acme", "same"), notice("globex", "same"), notice("acme", "same")];
    expect(await storeIntake(database, batch(0, notices))).toMatchObject({ kind: "stored" });
    const { rows } = await database.pool.query("SELECT event_tenant_id FROM webhook_delivery ORDER BY id");
    expect(rows.map((row) => row.event_tenant_id)).toEqual(["acme", "globex"]);
  });

  test("alerts are one stream, every other type its own, each without gaps and without what is repeated", async () => {
    await start();
    await addEndpoint("acme", "e1", ["quota.exceeded", "invoice.generated"]);
    const types = ["quota.warning", "quota.exceeded", "invoice.generated", "quota.exceeded", "invoice.generated"];
    const notices = types.map((type, n) => ({ ...notice("acme", `n${n}`), type }) as Notice);
    await storeIntake(database, batch(0, [...notices.slice(0, 3), ...notices.slice(0, 1)]));
    await storeIntake(database, batch(4, [...notices.slice(1, 2), ...notices.slice(3)]));
    const { rows } = await database.pool.query<{ type: string; sequence: number }>(
      "SELECT type, sequence FROM notice ORDER BY number",
    );
    expect(rows.map(({ type, sequence }) => [type, sequence])).toEqual([
      ["quota.warning", 1],
      ["quota.exceeded", 2],
      ["invoice.generated", 1],
      ["quota.exceeded", 3],
      ["invoice.generated", 2],
    ]);
    expect(await endpointSequencesOf("e1")).toEqual([1, 2, 3, 4]);
    const sent = await database.pool.query<{ payload: string }>("SELECT payload FROM webhook_delivery ORDER BY id");
    expect(sent.rows.map(({ payload }) => JSON.parse(payload)).map((p) => [p.sequence, p.endpointSequence])).toEqual([
      ["2", "1"],
      ["1", "2"],
      ["3", "3"],
      ["2", "4"],
    ]);
  });

  test("a cursor outside the log starts at its beginning with a warning", async () => {
    await start();
    await storeIntake(database, batch(0, [notice("acme", "a")]));
    const startIn = (first: number, next: number) => startCursor(database, TOPIC, 0, async () => ({ first, next }));
    expect(await startIn(0, 9)).toEqual({ next: 1 });
    expect(await startIn(5, 9)).toEqual({ next: 5, lost: { cursor: 1, bounds: { first: 5, next: 9 } } });
    expect(await startIn(0, 2)).toEqual({ next: 0, lost: { cursor: 5, bounds: { first: 0, next: 2 } } });
    expect(await storeIntake(database, batch(0, [notice("acme", "a")]))).toMatchObject({ kind: "stored", notices: [] });
  });

  test("a cursor that another process creates or moves while the log is asked is taken as it is", async () => {
    const first = await startCursor(database, TOPIC, 0, async () => {
      await start();
      await storeIntake(database, batch(0, [notice("acme", "a")]));
      return { first: 0, next: 0 };
    });
    expect(first).toEqual({ next: 1 });
    const second = await startCursor(database, TOPIC, 0, async () => {
      await storeIntake(database, batch(1, [notice("acme", "b")]));
      return { first: 2, next: 3 };
    });
    expect(second).toEqual({ next: 2 });
  });
});
