import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import type { Database } from "#platform/database/database.js";
import { freePort, hasPostgres, waitFor } from "../../../tests/servers/servers.js";
import { decodeNotice, type Notice } from "../rules/notice.js";
import { startCursor, storeIntake } from "../store/intake.js";
import { invoice, openServiceDatabase, warning } from "../world.testing.js";
import { type Feed, startFeed } from "./feed.js";

const ALERTS = ["quota.warning", "quota.exceeded"] as const;

describe.skipIf(!hasPostgres)("following a tenant's notices", () => {
  let world: Awaited<ReturnType<typeof openServiceDatabase>>;
  let database: Database;
  const feeds: Feed[] = [];
  let partition = 0;
  beforeAll(async () => {
    world = await openServiceDatabase("feed");
    database = await world.connect(16);
  });
  afterEach(() => Promise.all(feeds.splice(0).map((feed) => feed.stop())));
  afterAll(() => world.drop());

  /** A poll of an hour proves that LISTEN alone is enough. */
  function openFeed(pollMs = HOUR_MS, url = database.url): Feed {
    const feed = startFeed({ database: { ...database, url }, onError: () => undefined, pollMs });
    feeds.push(feed);
    return feed;
  }

  /** One writer: a partition of its own, so that writers only meet at the tenant's row. */
  async function openWriter() {
    const mine = partition++;
    let offset = 0;
    await startCursor(database, "quota.alerts", mine, async () => ({ first: 0, next: 0 }));
    return async (...events: readonly object[]) => {
      const notices = events.map(noticeOf);
      await storeIntake(database, {
        topic: "quota.alerts",
        partition: mine,
        firstOffset: offset,
        nextOffset: offset + notices.length,
        notices,
        poison: [],
      });
      offset += notices.length;
    };
  }

  function noticeOf(event: object): Notice {
    const decoded = decodeNotice(JSON.stringify(event));
    if (decoded.kind !== "notice") throw new Error(decoded.error);
    return decoded.notice;
  }

  async function take<T>(source: AsyncIterator<T>, count: number): Promise<T[]> {
    const taken: T[] = [];
    while (taken.length < count) {
      const { done, value } = await source.next();
      if (done) throw new Error(`the stream ended after ${taken.length} of ${count}`);
      taken.push(value);
    }
    return taken;
  }

  test("replay goes over into live without a gap or a repeat while others insert", async () => {
    const tenant = "concurrent";
    const writers = await Promise.all([1, 2, 3, 4].map(() => openWriter()));
    for (const [w, write] of writers.entries())
      for (let i = 0; i < 40; i++) await write(warning(tenant, `old-${w}-${i}`));
    const feed = openFeed();
    const total = 160 + 4 * 60;
    const starts = [0, 7, 150, 160];
    const writing = Promise.all(
      writers.map(async (write, w) => {
        for (let i = 0; i < 60; i++) await write(warning(tenant, `new-${w}-${i}`));
      }),
    );
    const followers = await Promise.all(starts.map((after) => feed.follow(tenant, ALERTS, after)));
    const seen = await Promise.all(
      followers.map(async (source, i) => (await take(source, total - (starts[i] ?? 0))).map((n) => n.number)),
    );
    await writing;
    for (const [i, after] of starts.entries())
      expect(seen[i]).toEqual(Array.from({ length: total - after }, (_, n) => after + n + 1));
  });

  test("without a cursor it starts from now, with every commit after subscribing", async () => {
    const write = await openWriter();
    await write(warning("from-now", "before"));
    const source = await openFeed().follow("from-now", ALERTS);
    await write(warning("from-now", "after"));
    expect((await take(source, 1)).map((n) => n.eventId)).toEqual(["after"]);
  });

  test("a follower gets its tenant's types only", async () => {
    const write = await openWriter();
    const feed = openFeed();
    const alerts = await feed.follow("typed", ALERTS, 0);
    const invoices = await feed.follow("typed", ["invoice.generated"], 0);
    await write(warning("foreign", "x"), invoice("typed", "inv-1"), warning("typed", "y"));
    expect((await take(alerts, 1)).map((n) => [n.eventId, n.number])).toEqual([["y", 2]]);
    expect((await take(invoices, 1)).map((n) => "invoiceId" in n.data && n.data.invoiceId)).toEqual(["inv-1"]);
  });

  test("a client that leaves while nothing happens is let go at once", async () => {
    const feed = openFeed();
    const source = await feed.follow("quiet", ALERTS);
    const waiting = source.next();
    expect(feed.size()).toBe(1);
    await source.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(feed.size()).toBe(0);
  });

  test("stopping ends every follower", async () => {
    const feed = openFeed();
    const source = await feed.follow("quiet", ALERTS);
    const waiting = source.next();
    await feed.stop();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  test("a cursor ahead of the stream is refused", async () => {
    await expect(openFeed().follow("quiet", ALERTS, 7)).rejects.toMatchObject({ code: "INVALID" });
  });

  const cutListeners = () =>
    database.pool.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'",
    );

  test("a cut LISTEN connection is reopened and no notice is lost", async () => {
    const write = await openWriter();
    const source = await openFeed().follow("cut", ALERTS, 0);
    await write(warning("cut", "1"));
    await take(source, 1);
    const [cut] = await listeners();
    await cutListeners();
    await waitFor(async () => !(await listeners()).includes(cut), { what: "the LISTEN connection to be gone" });
    await write(warning("cut", "2"));
    expect((await take(source, 1)).map((n) => n.eventId)).toEqual(["2"]);
    await waitFor(async () => (await listeners()).length === 1, { what: "the LISTEN connection" });
    await write(warning("cut", "3"));
    expect((await take(source, 1)).map((n) => n.eventId)).toEqual(["3"]);
  });

  test("the poll alone delivers when no notification can come", async () => {
    const write = await openWriter();
    const source = await openFeed(50, `postgres://127.0.0.1:${await freePort()}/none`).follow("polled", ALERTS, 0);
    for (const id of ["1", "2"]) {
      const next = take(source, 1);
      await write(warning("polled", id));
      expect((await next).map((n) => n.eventId)).toEqual([id]);
    }
  });

  /** The server's process ids of the connections that listen. */
  async function listeners(): Promise<unknown[]> {
    const { rows } = await database.pool.query<{ pid: number }>(
      "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'",
    );
    return rows.map(({ pid }) => pid);
  }
});
