import { type ExecutionResult, graphql } from "graphql";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import { MetrlyError } from "#kernel/errors.js";
import { encodeItem, receivedText } from "#schema/events/usage-received.v2.js";
import type { Identity } from "#schema/policy.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import { hasPostgres, waitFor } from "../../../tests/servers/servers.js";
import { measureAccountings } from "../accounting/accounting.js";
import { createLogTail } from "../accounting/log-tail.js";
import { readCursor } from "../store/recording.js";
import {
  appendItems,
  meterState,
  openWorld,
  publishedEntries,
  receivedItem,
  startService,
  type World,
} from "../world.testing.js";

const ADMIN: Identity = { kind: "USER", id: "root", tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] };
const VIEWER: Identity = { kind: "API_KEY", id: "key", tenantId: "acme", roles: ["TENANT_VIEWER"], scopes: ["READ"] };
const STRANGER: Identity = { ...VIEWER, tenantId: "globex" };

describe.skipIf(!hasPostgres)("the graph of ingestion", () => {
  let world: World;
  let service: Awaited<ReturnType<typeof startService>>;

  beforeEach(async () => {
    world = await openWorld();
    world.apply(meterState("requests", "api.request"));
    service = await startService(world);
  });
  afterEach(async () => {
    await service.stop();
    await world.close();
  });

  async function ask(source: string, variableValues: Record<string, unknown> = {}, identity = ADMIN) {
    if (service.service.subgraph === undefined) throw new Error("ingestion has a subgraph");
    const { schema } = service.service.subgraph;
    const result: ExecutionResult = await graphql({ schema, source, variableValues, contextValue: { identity } });
    const [error] = result.errors ?? [];
    if (error !== undefined && !(error.originalError instanceof MetrlyError)) throw error;
    return {
      data: result.data,
      code: error?.originalError instanceof MetrlyError ? error.originalError.code : undefined,
    };
  }

  const EVENT = "id source type status seq data duplicates quarantineReason voidReason receivedAt recordedAt time";
  const eventOf = async (id: string, identity = ADMIN) =>
    (
      await ask(
        `query ($id: String!) { event(tenantId: "acme", source: "test", id: $id) { ${EVENT} } }`,
        { id },
        identity,
      )
    ).data?.event;
  const decide = (mutation: string, identity = ADMIN) => ask(`mutation { ${mutation} { ${EVENT} } }`, {}, identity);
  const voidEvent = (id: string) => decide(`voidEvent(tenantId: "acme", source: "test", id: "${id}", reason: "wrong")`);
  const resolve = (id: string, accept: boolean) =>
    decide(`resolveQuarantined(tenantId: "acme", source: "test", id: "${id}", accept: ${accept}, reason: "checked")`);

  async function recordedAll(): Promise<void> {
    await waitFor(async () => (await readCursor(world.database.pool, 0)).next >= (await end()), {
      what: "all recorded",
    });
  }
  const end = async () =>
    (
      await world.log.bounds(
        { name: "usage.received", keyedByTenant: true, compacted: false, retentionMs: undefined },
        0,
      )
    ).next;
  const published = async () => (await publishedEntries(world.log, 0)).filter(({ kind }) => kind !== "tick");

  test("an event is found by its tenant and by nobody else", async () => {
    await appendItems(world.log, 0, [
      receivedItem({ id: "a", data: '{"n":"1"}' }),
      receivedItem({ id: "a", data: '{"n":"1"}' }),
    ]);
    await recordedAll();
    expect(await eventOf("a", VIEWER)).toMatchObject({ id: "a", status: "RECORDED", data: { n: "1" }, duplicates: 1 });
    expect(await eventOf("a", STRANGER)).toBeNull();
    expect(await eventOf("b")).toBeNull();
  });

  test("a recorded event is voided once, and the void carries it", async () => {
    await appendItems(world.log, 0, [receivedItem({ id: "a" })]);
    await recordedAll();
    expect((await voidEvent("a")).data?.voidEvent).toMatchObject({ status: "VOIDED", voidReason: "wrong" });
    expect((await voidEvent("a")).data?.voidEvent).toMatchObject({ status: "VOIDED" });
    expect((await voidEvent("never")).code).toBe("NOT_FOUND");
    expect((await decide(`voidEvent(tenantId: "acme", source: "test", id: "a", reason: "x")`, VIEWER)).code).toBe(
      "FORBIDDEN",
    );
    await waitFor(async () => (await published()).length === 2, { what: "event and void to be published" });
    expect((await published()).map(({ kind }) => kind)).toEqual(["event", "void"]);
  });

  test("a reason has 1 to 1,000 characters", async () => {
    const because = async (length: number) =>
      (await decide(`voidEvent(tenantId: "acme", source: "test", id: "never", reason: "${"r".repeat(length)}")`)).code;
    expect([await because(1), await because(1_000)]).toEqual(["NOT_FOUND", "NOT_FOUND"]);
    expect([await because(0), await because(1_001), await because(100_000)]).toEqual(["INVALID", "INVALID", "INVALID"]);
  });

  test("an event whose month is archived is named as that, when it is looked up or voided", async () => {
    await appendItems(world.log, 0, [receivedItem({ id: "a" })]);
    await recordedAll();
    const { rows } = await world.database.pool.query<{ name: string }>(
      "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'ledger_block'::regclass",
    );
    for (const { name } of rows) await world.database.pool.query(`ALTER TABLE ledger_block DETACH PARTITION ${name}`);
    expect((await ask('{ event(tenantId: "acme", source: "test", id: "a") { id } }')).code).toBe("CONFLICT");
    expect((await voidEvent("a")).code).toBe("CONFLICT");
  });

  test("a conflicting event is accepted only when the recorded one is voided, and then counts with its own time", async () => {
    const other = receivedItem({ id: "a", data: '{"n":2}', receivedAt: Date.now() - 2 * HOUR_MS });
    await appendItems(world.log, 0, [receivedItem({ id: "a", data: '{"n":1}' }), other]);
    await recordedAll();
    expect((await resolve("a", true)).code).toBe("CONFLICT");
    await voidEvent("a");
    expect((await resolve("a", true)).data?.resolveQuarantined).toMatchObject({ status: "RECORDED", data: { n: 2 } });
    expect((await resolve("a", true)).code).toBe("NOT_FOUND");
    await waitFor(async () => (await published()).length === 3, { what: "all published" });
    expect((await published()).at(-1)).toMatchObject({
      kind: "event",
      id: "a",
      receivedAt: other.receivedAt,
      time: other.time,
    });
    expect(await accountOf(0)).toMatchObject({ accepted: 2, quarantined: 0, inFlight: 2 });
  });

  test("an imported event stays one in the ledger, also out of quarantine", async () => {
    const imported = [
      receivedItem({ id: "a" }),
      receivedItem({ id: "b", data: '{"n":1}' }),
      receivedItem({ id: "b", data: '{"n":2}' }),
    ];
    const value = Buffer.from(receivedText(imported.map(encodeItem), 0, true));
    await world.log.append(USAGE_RECEIVED, 0, [{ value }]);
    await appendItems(world.log, 0, [receivedItem({ id: "c" })]);
    await recordedAll();
    await voidEvent("b");
    await resolve("b", true);
    await waitFor(async () => (await published()).length === 5, { what: "all published" });
    const told = (await published()).map((entry) => (entry.kind === "event" ? [entry.id, entry.imported] : entry.kind));
    expect(told).toEqual([["a", true], ["b", true], ["c", undefined], "void", ["b", true]]);
    expect(await accountOf(0)).toEqual({ accepted: 4, duplicates: 0, quarantined: 0, inFlight: 4 });
  });

  test("an event and each of its conflicts say how many payloads came under their key", async () => {
    const payload = (id: string, n: number) => receivedItem({ id, data: `{"n":${n}}` });
    const all = [payload("a", 1), payload("a", 2), payload("a", 2), payload("a", 3), payload("b", 1)];
    await appendItems(world.log, 0, all);
    await recordedAll();
    const shown = async () =>
      (
        await ask(`{
          a: event(tenantId: "acme", source: "test", id: "a") { conflicts }
          b: event(tenantId: "acme", source: "test", id: "b") { conflicts }
          quarantinedEvents(tenantId: "acme") { nodes { id conflicts } } }`)
      ).data;
    const conflicts = 2;
    const nodes = [1, 2].map(() => ({ id: "a", conflicts }));
    expect(await shown()).toEqual({ a: { conflicts }, b: { conflicts: 0 }, quarantinedEvents: { nodes } });
    await resolve("a", false);
    expect(await shown()).toEqual({ a: { conflicts }, b: { conflicts: 0 }, quarantinedEvents: { nodes } });
  });

  test("a decision that the log repeats behind newer records decides nothing more", async () => {
    const payload = (n: number) => receivedItem({ id: "a", data: `{"n":${n}}` });
    await appendItems(world.log, 0, [payload(1), payload(2), payload(3)]);
    await recordedAll();
    await resolve("a", false);
    await repeatLast("resolve");
    expect((await ask('{ quarantinedEvents(tenantId: "acme") { nodes { status } } }')).data).toMatchObject({
      quarantinedEvents: { nodes: [{ status: "REFUSED" }, { status: "QUARANTINED" }] },
    });
    await voidEvent("a");
    expect((await resolve("a", true)).data?.resolveQuarantined).toMatchObject({ status: "RECORDED", data: { n: 3 } });
    await repeatLast("void");
    expect(await eventOf("a")).toMatchObject({ status: "RECORDED", data: { n: 3 } });
  });

  async function repeatLast(kind: "void" | "resolve"): Promise<void> {
    const records = await world.log.read(USAGE_RECEIVED, 0, 0, 1000);
    const last = records.findLast(({ value }) => value.includes(`"kind":"${kind}"`));
    if (last === undefined) throw new Error(`no ${kind} was appended`);
    await world.log.append(USAGE_RECEIVED, 0, [{ value: last.value }]);
    await recordedAll();
  }

  test("an unreadable value is refused for good, or accepted once its meter is gone", async () => {
    const meter = meterState("tokens", "llm.call", { aggregation: "SUM", valueProperty: "tokens" });
    world.apply(meter);
    await appendItems(
      world.log,
      0,
      ["a", "b"].map((id) => receivedItem({ id, type: "llm.call" })),
    );
    await recordedAll();
    const foreign = await ask('{ quarantinedEvents(tenantId: "acme", after: "x") { nodes { id } } }');
    expect(foreign.code).toBe("INVALID");
    const { data } = await ask(
      '{ quarantinedEvents(tenantId: "acme", first: 1) { nodes { id status quarantineReason } pageInfo { hasNextPage endCursor } } }',
    );
    expect(data?.quarantinedEvents).toMatchObject({
      nodes: [
        { id: "a", status: "QUARANTINED", quarantineReason: expect.stringContaining("VALUE_INVALID: data.tokens") },
      ],
      pageInfo: { hasNextPage: true },
    });
    expect((await resolve("a", false)).data?.resolveQuarantined).toMatchObject({ status: "REFUSED" });
    expect((await resolve("b", true)).code).toBe("CONFLICT");
    world.apply({ ...meter, version: meter.version + 1_000, archivedInVersion: meter.version + 1_000 });
    expect((await resolve("b", true)).data?.resolveQuarantined).toMatchObject({ status: "UNMETERED" });
    await appendItems(
      world.log,
      0,
      ["a", "b"].map((id) => receivedItem({ id, type: "llm.call" })),
    );
    await recordedAll();
    expect(await eventOf("a")).toMatchObject({ status: "REFUSED", duplicates: 1 });
    expect(await eventOf("b")).toMatchObject({ status: "UNMETERED", duplicates: 1 });
    expect(await accountOf(0)).toMatchObject({ accepted: 4, duplicates: 2, quarantined: 1, inFlight: 1 });
  });

  test("a page of large events is refused before they are read; smaller pages and other fields are answered", async () => {
    const ids = Array.from({ length: 100 }, (_, n) => `e${n}`);
    const events = (data: string) => ids.map((id) => receivedItem({ id, data }));
    await appendItems(world.log, 0, events("{}"));
    for (let at = 0; at < ids.length; at += 10)
      await appendItems(world.log, 0, events(JSON.stringify({ pad: "x".repeat(60_000) })).slice(at, at + 10));
    await recordedAll();
    const page = (first: number, fields: string) =>
      ask(`{ quarantinedEvents(tenantId: "acme", first: ${first}) { nodes { ${fields} } } }`);
    expect((await page(200, "id data")).code).toBe("TOO_LARGE");
    expect((await page(200, "id")).data).toEqual({ quarantinedEvents: { nodes: ids.map((id) => ({ id })) } });
    const pad = expect.stringMatching(/^x{60000}$/);
    const few = ids.slice(0, 10).map((id) => ({ id, data: { pad } }));
    expect((await page(10, "id data")).data).toEqual({ quarantinedEvents: { nodes: few } });
  });

  test("accepted = counted + duplicates + unmetered + quarantined + inFlight, measured at every moment", async () => {
    const items = Array.from({ length: 600 }, (_, index) =>
      receivedItem({
        id: String(index % 500),
        data: index % 97 === 0 ? `{"n":${index}}` : "{}",
        tenantId: index % 7 === 0 ? "globex" : "acme",
      }),
    );
    const appending = (async () => {
      for (let at = 0; at < items.length; at += 10) await appendItems(world.log, 0, items.slice(at, at + 10));
    })();
    let isDone = false;
    void appending.then(() => {
      isDone = true;
    });
    do {
      const counted = await countedNow(Math.random());
      const { accepted, duplicates, quarantined, inFlight } = await accountOf(counted.mark);
      expect(accepted).toBe(counted.events + duplicates + quarantined + inFlight);
    } while (!isDone);
    await recordedAll();
    const counted = await countedNow();
    expect(await accountOf(counted.mark)).toEqual({
      accepted: items.filter(({ tenantId }) => tenantId === "acme").length,
      duplicates: expect.any(Number),
      quarantined: expect.any(Number),
      inFlight: 0,
    });
  });

  test("acknowledged, unrecorded items are in flight, and hours are distinguished", async () => {
    await service.service.stop();
    const hour = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
    await appendItems(world.log, 0, [
      receivedItem({ id: "a", receivedAt: hour - 1 }),
      receivedItem({ id: "b", receivedAt: hour }),
      receivedItem({ id: "c", tenantId: "globex" }),
    ]);
    expect(await accountOf(0)).toEqual({ accepted: 2, duplicates: 0, quarantined: 0, inFlight: 2 });
    expect(await accountOf(0, hour)).toMatchObject({ accepted: 1, inFlight: 1 });
    expect(await accountOf(0, null, hour)).toMatchObject({ accepted: 1, inFlight: 1 });
    service = await startService(world);
    await recordedAll();
    const mark = Number(((await eventOf("a")) as { seq: string }).seq);
    expect(await accountOf(mark, null, hour)).toMatchObject({ accepted: 1, inFlight: 0 });
    expect(await accountOf(mark, hour)).toMatchObject({ accepted: 1, inFlight: 1 });
  });

  test("the Accounting entity is resolved for its own tenant by billing's id", async () => {
    await appendItems(world.log, 0, [receivedItem({ id: "a" })]);
    await recordedAll();
    const id = Buffer.from(JSON.stringify({ tenantId: "acme", from: null, to: null, mark: 0 })).toString("base64url");
    const query =
      "query ($r: [_Any!]!) { _entities(representations: $r) { ... on Accounting { id accepted duplicates quarantined inFlight } } }";
    const entities = async (reference: string, identity: Identity) =>
      (await ask(query, { r: [{ __typename: "Accounting", id: reference }] }, identity)).data?._entities;
    expect(await entities(id, VIEWER)).toEqual([{ id, accepted: 1, duplicates: 0, quarantined: 0, inFlight: 1 }]);
    expect(await entities(id, STRANGER)).toEqual([null]);
    expect(await entities("nonsense", ADMIN)).toEqual([null]);
  });

  const accountOf = (mark: number, from: number | null = null, to: number | null = null) =>
    measureAccountings(world.database, createLogTail(world.log), 1, [{ tenantId: "acme", from, to, mark }]).then(
      ([answer]) => {
        if (answer === undefined) throw new Error("no answer");
        return answer;
      },
    );

  /** What a billing that has followed the ledger up to a part of it would have counted. */
  async function countedNow(part = 1): Promise<{ mark: number; events: number }> {
    const { rows } = await world.database.pool.query<{ mark: number; events: number }>(
      `SELECT coalesce(max(seq), 0)::int AS mark, (count(*) FILTER (WHERE tenant_id = 'acme' AND kind = 'event'))::int AS events
       FROM ledger WHERE seq <= (SELECT max(seq) FROM ledger) * $1::float8`,
      [part],
    );
    return rows[0] ?? { mark: 0, events: 0 };
  }
});
