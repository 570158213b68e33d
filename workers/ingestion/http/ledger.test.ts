import { once } from "node:events";
import { createServer } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DAY_MS, HOUR_MS, MAX_INSTANT_MS } from "#kernel/duration.js";
import { MetrlyError } from "#kernel/errors.js";
import { portOf } from "#platform/http/server.js";
import { LEDGER_BLOCKS, parseLedgerBlocks } from "#platform/ledger/blocks.js";
import { createLedgerClient, LEDGER_AUDIENCE, type LedgerClient } from "#platform/ledger/client.js";
import { type StoredStamp, storedEntries } from "#schema/events/ledger-block.v1.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import type { Role } from "#schema/vocabulary.js";
import { hasPostgres, waitFor } from "../../../tests/servers/servers.js";
import { readPublished } from "../store/ledger.js";
import { readCursor } from "../store/recording.js";
import {
  appendItems,
  appendRecord,
  identityTokens,
  openWorld,
  publishedEntries,
  receivedItem,
  rowsOf,
  startService,
  tenantState,
  type World,
} from "../world.testing.js";

describe.skipIf(!hasPostgres)("the internal ledger API", () => {
  let world: World;
  let service: Awaited<ReturnType<typeof startService>>;
  let ledger: LedgerClient;
  let address: string;
  const EVENTS = 250;

  beforeAll(async () => {
    world = await openWorld();
    service = await startService(world);
    for (let batch = 0; batch < EVENTS / 50; batch += 1) {
      const items = Array.from({ length: 50 }, (_, index) =>
        receivedItem({ id: `${batch}-${index}`, tenantId: index % 5 === 0 ? "rare" : "acme" }),
      );
      await appendItems(world.log, 0, items);
      await appendRecord(world.log, 0, { kind: "tick", at: Date.now() });
    }
    await appendRecord(world.log, 0, {
      kind: "void",
      tenantId: "rare",
      source: "test",
      id: "0-0",
      reason: "wrong",
      actor: "root",
    });
    await appendRecord(world.log, 0, { kind: "backfill", meterKey: "calls", tenancyVersion: 0 });
    await waitFor(async () => (await readCursor(world.database.pool, 0)).seq >= EVENTS + 7, { what: "all recorded" });
    address = await service.app.listen({ host: "127.0.0.1", port: 0 });
    ledger = createLedgerClient(() => address, identityTokens, "billing");
  });
  afterAll(async () => {
    await service.stop();
    await world.close();
  });

  async function readAll(limit: number, tenantId?: string, ticksFrom?: number): Promise<LedgerEntry[]> {
    const entries: LedgerEntry[] = [];
    for (let from = 1; ; ) {
      const page = await ledger.read({
        ...{ partition: 0, from, limit },
        ...(tenantId !== undefined && { tenantId }),
        ...(ticksFrom !== undefined && { ticksFrom }),
      });
      entries.push(...page.entries);
      if (page.nextSeq > page.headSeq) return entries;
      expect(page.nextSeq).toBeGreaterThan(from);
      from = page.nextSeq;
    }
  }

  test("pages of any size give the whole ledger, contiguous and in order", async () => {
    const whole = await readAll(10_000);
    expect(whole.map(({ seq }) => seq)).toEqual(whole.map((_, index) => index + 1));
    expect(whole.length).toBeGreaterThanOrEqual(EVENTS + 7);
    expect((await readAll(7)).slice(0, whole.length)).toEqual(whole);
  });

  test("a client of before gets the same entries as text, one of now the blocks in columns as they are", async () => {
    const whole = await readAll(10_000);
    const identity = { kind: "SERVICE" as const, id: "billing", tenantId: null, roles: [], scopes: [] };
    const token = await identityTokens.sign(identity, LEDGER_AUDIENCE);
    const read = (accept?: string) =>
      service.app.inject({
        url: `/internal/ledger?partition=0&from=1&limit=10000`,
        headers: { "x-metrly-identity": token, ...(accept !== undefined && { accept }) },
      });
    for (const accept of [undefined, "*/*", "application/json"]) {
      const answer = await read(accept);
      expect(answer.headers["content-type"]).toMatch(/^application\/json/);
      const page = answer.json<{ blocks: { stamp: StoredStamp; entries: unknown }[] }>();
      const entries = page.blocks.flatMap(({ stamp, entries }) => storedEntries(stamp, entries));
      expect(entries.slice(0, whole.length)).toEqual(whole);
    }
    const { headers, rawPayload } = await read(LEDGER_BLOCKS);
    expect(headers["content-type"]).toBe(LEDGER_BLOCKS);
    expect(parseLedgerBlocks(rawPayload).entries.slice(0, whole.length)).toEqual(whole);
    const packed = await rowsOf(world.database, "SELECT packed FROM ledger_block WHERE packed IS NOT NULL");
    expect(packed.length).toBeGreaterThan(0);
    for (const block of packed) expect(rawPayload.includes(block.packed as Buffer)).toBe(true);
  });

  test("a tenant's pages hold its own entries and what concerns every tenant, nothing else, and end at the head", async () => {
    const whole = await readAll(10_000);
    const mine = whole.filter((entry) => !("tenantId" in entry) || entry.tenantId === "rare");
    for (const limit of [3, 10, 10_000]) expect((await readAll(limit, "rare")).slice(0, mine.length)).toEqual(mine);
    expect((await readAll(5, "nobody")).every((entry) => entry.kind === "tick" || entry.kind === "backfill")).toBe(
      true,
    );
  });

  test("a reader who waits for a moment gets no tick before it, and everything else in pages of any size", async () => {
    const whole = (await readAll(10_000)).slice(0, EVENTS + 7);
    const moments = whole.flatMap((entry) => (entry.kind === "tick" ? [entry.at] : []));
    expect(moments.length).toBeGreaterThan(3);
    for (const ticksFrom of [moments[2] ?? 0, (moments[2] ?? 0) + 1, Date.now() + 60_000]) {
      const wanted = whole.filter((entry) =>
        "tenantId" in entry ? entry.tenantId === "rare" : entry.kind !== "tick" || entry.at >= ticksFrom,
      );
      for (const limit of [1, 3, 10_000])
        expect((await readAll(limit, "rare", ticksFrom)).filter(({ seq }) => seq <= whole.length)).toEqual(wanted);
    }
  });

  test("a void carries the event that it takes back", async () => {
    const found = (await readAll(10_000)).find((entry) => entry.kind === "void");
    expect(found).toMatchObject({
      tenantId: "rare",
      reason: "wrong",
      actor: "root",
      event: { kind: "event", seq: 1, id: "0-0" },
    });
  });

  test("a reader of a period begins where its first event may be, whatever comes before and after", async () => {
    const seq = async () => (await readCursor(world.database.pool, 0)).seq;
    const day = Math.ceil(Date.now() / DAY_MS) * DAY_MS;
    world.apply(tenantState("clocked", { testClock: day }));
    const hours = [3, 1, 5, 4, 9, 2];
    const before = await seq();
    for (const [index, hour] of hours.entries()) {
      const held = await seq();
      const time = day + hour * HOUR_MS + 1;
      const items = [receivedItem({ id: `p${index}`, time })];
      // A test tenant's clock is no one else's.
      if (index === 0) items.unshift(receivedItem({ id: "far", tenantId: "clocked", time: day + 400 * DAY_MS }));
      await appendItems(world.log, 0, items);
      await waitFor(async () => (await seq()) > held, { what: "it to be recorded" });
    }
    const whole = await readAll(10_000);
    const firstOf = async (eventsFrom: number, tenantId?: string): Promise<string | undefined> => {
      const query = { partition: 0, from: 1, limit: 1, eventsFrom, ticksFrom: MAX_INSTANT_MS };
      const { entries, nextSeq } = await ledger.read({ ...query, ...(tenantId !== undefined && { tenantId }) });
      const first = entries[0] ?? whole.find((entry) => entry.seq === nextSeq);
      return first?.kind === "event" ? first.id : undefined;
    };
    for (const of of [undefined, "acme"]) {
      expect(await firstOf(0, of)).toBe(of === undefined ? "0-0" : "0-1");
      expect(await firstOf(day + 2 * HOUR_MS, of)).toBe(of === undefined ? "far" : "p0");
      expect(await firstOf(day + 4 * HOUR_MS, of)).toBe("p2");
      expect(await firstOf(day + 9 * HOUR_MS + 5, of)).toBe("p4");
      expect(await firstOf(day + 10 * HOUR_MS, of)).toBeUndefined();
    }
    expect((await ledger.read({ partition: 0, from: before + 4, limit: 1, eventsFrom: day })).entries[0]?.seq).toBe(
      before + 4,
    );
  });

  test("behind the head there is nothing, and the next page starts where it was asked", async () => {
    expect(await ledger.read({ partition: 0, from: 100_000, limit: 10 })).toMatchObject({
      entries: [],
      nextSeq: 100_000,
    });
  });

  test("a refused read is an internal error with its status; what may succeed later is UNAVAILABLE", async () => {
    const failure = (limit: number) => ledger.read({ partition: 0, from: 1, limit }).catch((error: unknown) => error);
    const refused = await failure(10_001);
    expect(refused).not.toBeInstanceOf(MetrlyError);
    expect(refused).toMatchObject({ message: "the ledger refused a read with status 400" });
    const statuses = [403, 404, 401, 408, 429, 500, 503];
    const answering = createServer((_, response) => response.writeHead(statuses[0] ?? 0).end()).listen(0, "127.0.0.1");
    await once(answering, "listening");
    const client = createLedgerClient(() => `http://127.0.0.1:${portOf(answering)}`, identityTokens, "billing");
    const codes: unknown[] = [];
    for (; statuses.length > 0; statuses.shift()) {
      const error: unknown = await client.read({ partition: 0, from: 1, limit: 1 }).catch((thrown: unknown) => thrown);
      codes.push([statuses[0], error instanceof MetrlyError ? error.code : "internal"]);
    }
    answering.close();
    expect(codes).toEqual([
      ...[403, 404].map((status) => [status, "internal"]),
      ...[401, 408, 429, 500, 503].map((status) => [status, "UNAVAILABLE"]),
    ]);
  });

  test("a range is published once more, up to what was published and no further, by an administrator only", async () => {
    const whole = await readAll(10_000);
    await waitFor(async () => (await readPublished(world.database, 0)) >= whole.length, { what: "all published" });
    const send = async (query: string, roles: Role[]) => {
      const identity = { kind: "SERVICE" as const, id: "cli", tenantId: null, roles, scopes: [] };
      const headers = { "x-metrly-identity": await identityTokens.sign(identity, LEDGER_AUDIENCE) };
      return service.app.inject({ method: "POST", url: `/internal/republish?${query}`, headers });
    };
    const before = (await publishedEntries(world.log, 0)).length;
    expect((await send("partition=0&from=5&to=8", [])).statusCode).toBe(403);
    const answer = await send("partition=0&from=5&to=8", ["PLATFORM_ADMIN"]);
    expect(answer.json()).toEqual({ entries: 4, nextSeq: 9 });
    const published = await publishedEntries(world.log, 0);
    expect(published.slice(before)).toEqual(whole.slice(4, 8));
    for (const query of ["partition=0&from=8&to=5", "partition=0&from=100000&to=100000", "partition=9&from=1&to=1"])
      expect((await send(query, ["PLATFORM_ADMIN"])).statusCode).toBe(400);
  });

  test("only services with a fresh identity for this audience may read", async () => {
    const status = async (token: string | undefined, query = "partition=0&from=1&limit=1") =>
      (
        await service.app.inject({
          url: `/internal/ledger?${query}`,
          ...(token !== undefined && { headers: { "x-metrly-identity": token } }),
        })
      ).statusCode;
    const billing = { kind: "SERVICE" as const, id: "billing", tenantId: null, roles: [], scopes: [] };
    const good = await identityTokens.sign(billing, LEDGER_AUDIENCE);
    expect(await status(good)).toBe(200);
    expect(await status(undefined)).toBe(401);
    expect(await status("forged")).toBe(401);
    expect(await status(await identityTokens.sign(billing, "billing"))).toBe(401);
    expect(await status(await identityTokens.sign({ ...billing, kind: "USER" }, LEDGER_AUDIENCE))).toBe(403);
    for (const wrong of [
      "partition=1&from=1&limit=1",
      "partition=0&from=0&limit=1",
      "partition=0&from=1&limit=10001",
      "partition=0&from=1&limit=1&ticksFrom=soon",
      "partition=0&from=1&limit=1&eventsFrom=soon",
      "from=1&limit=1",
    ])
      expect(await status(good, wrong)).toBe(400);
  });
});
