import { once } from "node:events";
import { cp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import path from "node:path";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Database, openDatabase } from "#platform/database/database.js";
import { machineTime, replaceTime } from "#platform/lifecycle/time.js";
import { createMigratedDatabase } from "../../../../tests/servers/migrated.js";
import { type PrivateRedis, startRedis } from "../../../../tests/servers/private-servers.js";
import { serverDir } from "../../../../tests/servers/run-dir.js";
import { hasPostgres, hasRedis, PATIENCE_MS, waitFor } from "../../../../tests/servers/servers.js";
import { PATIENT_LIMITS } from "../../../../tests/support/patient-limits.js";
import { createWriterRows } from "../../store/counter-writers.js";
import { CountersUnavailable, type QuotaCounters, type WriterRows } from "../counters.js";
import { createLives } from "./lives.js";
import { calls, consume, loadCalls, patientCounters, reserved } from "./redis.testing.js";

type Lives = ReturnType<typeof createLives>;

const LIMIT = 100n;
const NO_USAGE = { tenantId: "t", previousSeq: 3, seq: 4, now: undefined, counted: [], events: [], totals: [] };

describe.skipIf(!hasRedis || !hasPostgres)("a restart of Redis from its file", () => {
  let server: PrivateRedis;
  let created: Awaited<ReturnType<typeof createMigratedDatabase>>;
  let database: Database;
  let writers: WriterRows;
  let copy: string;
  let prefix = "";
  let running: QuotaCounters[] = [];
  beforeAll(async () => {
    [server, created, copy] = await Promise.all([
      startRedis({ appendOnly: true }),
      createMigratedDatabase("quota"),
      serverDir("aof"),
    ]);
    database = await openDatabase({ url: created.url, profiles: PATIENT_LIMITS, onError: () => undefined });
    writers = createWriterRows(database);
  });
  afterAll(async () => {
    await database?.stop();
    await created?.drop();
    await server?.stop();
    await rm(copy, { recursive: true, force: true });
  });
  beforeEach(() => {
    prefix = `p${Math.random().toString(36).slice(2)}`;
  });
  afterEach(async () => {
    await Promise.all(running.map((one) => one.stop()));
    running = [];
  });

  async function start(rows = writers, url = server.url, writersWithinMs = PATIENCE_MS): Promise<QuotaCounters> {
    const counters = patientCounters(url, prefix, { writers: rows, writersWithinMs });
    running.push(counters);
    // While others have not confirmed that a restart lost nothing, it connects with the first call after that.
    await counters.connect().catch(() => undefined);
    return counters;
  }
  async function stop(counters: QuotaCounters): Promise<void> {
    running = running.filter((one) => one !== counters);
    await counters.stop();
  }
  async function restart(signal: "SIGTERM" | "SIGKILL", change?: () => Promise<void>): Promise<void> {
    await server.kill(signal);
    await change?.();
    await server.restart();
  }
  const file = (): string => path.join(server.dir, "appendonlydir");
  const keepFile = () => cp(file(), path.join(copy, prefix), { recursive: true });
  const oldFile = async (): Promise<void> => {
    await rm(file(), { recursive: true });
    await cp(path.join(copy, prefix), file(), { recursive: true });
  };
  /** As each process does once a second. */
  const known = (all: readonly QuotaCounters[]) =>
    Promise.all(all.map((one) => waitFor(() => one.now().catch(() => undefined), { what: "the restarted store" })));

  test.each(["SIGTERM", "SIGKILL"] as const)("after %s loses nothing that each process finds", async (signal) => {
    const all = [await start(), await start()];
    const [a, b] = all as [QuotaCounters, QuotaCounters];
    await loadCalls(a, "t", 3);
    for (let n = 0; n < 5; n += 1)
      expect(await consume(n % 2 === 0 ? a : b, "t", `k${n}`, calls(LIMIT))).toBe("allowed");
    await restart(signal);
    await known(all);
    expect(await a.positions(["t"])).toEqual([3]);
    for (const one of all) expect(await reserved(one, "t")).toBe(5n);
    expect(await consume(b, "t", "k0", calls(LIMIT))).toBe("allowed");
    expect(await reserved(a, "t")).toBe(5n);
    await restart(signal);
    await known(all);
    expect(await reserved(b, "t")).toBe(5n);
  });

  test("is a loss to all if one misses what it wrote", async () => {
    const all = [await start(), await start()];
    const [a, b] = all as [QuotaCounters, QuotaCounters];
    await loadCalls(a, "t", 3);
    await a.now();
    await b.now();
    await keepFile();
    expect(await consume(b, "t", "late", calls(LIMIT))).toBe("allowed");
    await restart("SIGKILL", oldFile);
    await known(all);
    expect(await a.positions(["t"])).toEqual([undefined]);
    expect(await consume(a, "t", "next", calls(LIMIT))).toBe("unknown");
  });

  test("is a loss if a process that wrote has crashed", async () => {
    const a = await start(writers, server.url, 100);
    await loadCalls(a, "t", 3);
    const life = (await lifeOf(server.url, prefix)) ?? "";
    await writers.enter(`crashed of ${prefix}`, life);
    await restart("SIGTERM");
    await known([a]);
    expect(await a.positions(["t"])).toEqual([undefined]);
  });

  test("is a loss if its clock is another one", async () => {
    const a = await start();
    await loadCalls(a, "t", 3);
    const restore = replaceTime({ ...machineTime, monotonicMs: () => performance.now() + 60_000 });
    try {
      await restart("SIGTERM");
      await known([a]);
      expect(await a.positions(["t"])).toEqual([undefined]);
    } finally {
      restore();
    }
  });

  test("while nobody runs loses nothing after orderly stops", async () => {
    const all = [await start(), await start()];
    const [a, b] = all as [QuotaCounters, QuotaCounters];
    await loadCalls(a, "t", 3);
    expect(await consume(a, "t", "1", calls(LIMIT))).toBe("allowed");
    expect(await consume(b, "t", "2", calls(LIMIT))).toBe("allowed");
    for (const one of all) await stop(one);
    await restart("SIGTERM");
    const fresh = await start();
    expect(await reserved(fresh, "t")).toBe(2n);
  });

  test("from a file that is older than the last stop is a loss", async () => {
    const a = await start();
    await loadCalls(a, "t", 3);
    await stop(a);
    await keepFile();
    const b = await start();
    expect(await consume(b, "t", "2", calls(LIMIT))).toBe("allowed");
    await stop(b);
    await restart("SIGTERM", oldFile);
    const fresh = await start();
    expect(await fresh.positions(["t"])).toEqual([undefined]);
  });

  test.each([
    {
      what: "a repeated request",
      unanswered: (one: QuotaCounters) => consume(one, "t", "k", calls(LIMIT)),
      asked: (one: QuotaCounters): Promise<unknown> => consume(one, "t", "k", calls(LIMIT)),
      answer: "allowed",
    },
    {
      what: "a comparison of positions",
      unanswered: (one: QuotaCounters) => one.settle(NO_USAGE),
      asked: (one: QuotaCounters): Promise<unknown> => one.positions(["t"]),
      answer: [NO_USAGE.seq],
    },
  ])("is a loss to $what that a write without an answer decided", async ({ unanswered, asked, answer }) => {
    const way = await wayTo(server.url);
    const a = await start(writers, way.url);
    await loadCalls(a, "t", 3);
    await keepFile();
    way.loseNextAnswer();
    await expect(unanswered(a)).rejects.toThrow(CountersUnavailable);
    const again = () => asked(a).catch(() => undefined);
    expect(await waitFor(again, { what: "a new connection" })).toEqual(answer);
    await restart("SIGKILL", oldFile);
    const b = await start();
    await known([a, b]);
    expect(await b.positions(["t"])).toEqual([undefined]);
    await stop(a);
    await way.close();
  });

  test("from a file of a life that another one has followed is a loss", async () => {
    const a = await start();
    await loadCalls(a, "t", 3);
    await stop(a);
    await keepFile();
    const b = await start();
    const redis = new Redis(server.url);
    await redis.flushall();
    redis.disconnect();
    await loadCalls(b, "t", 3);
    expect(await consume(b, "t", "1", calls(LIMIT))).toBe("allowed");
    await restart("SIGKILL", oldFile);
    await known([b]);
    expect(await b.positions(["t"])).toEqual([undefined]);
  });

  test("is a loss to a writer that came back while it was forgotten", async () => {
    let forgets = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      forgets = resolve;
    });
    const slow: WriterRows = { ...writers, forget: (some) => released.then(() => writers.forget(some)) };
    const a = await start(slow);
    const b = await start();
    await loadCalls(b, "t", 3);
    const redis = new Redis(server.url);
    const key = `${prefix}:era:writers`;
    const [written] = Object.entries(await redis.hgetall(key)).filter(([, tail]) => !tail.startsWith("0:"));
    await redis.hset(key, written?.[0] ?? "", `${Number.parseInt(written?.[1] ?? "", 10)}:1`);
    const forgetting = a.now();
    await waitFor(async () => (await redis.hlen(key)) === 1, { what: "the writer to be removed" });
    redis.disconnect();
    expect(await consume(b, "t", "1", calls(LIMIT))).toBe("allowed");
    forgets();
    await forgetting;
    await keepFile();
    expect(await consume(b, "t", "2", calls(LIMIT))).toBe("allowed");
    await restart("SIGKILL", oldFile);
    await known([a, b]);
    expect(await a.positions(["t"])).toEqual([undefined]);
  });

  describe("a process that enters a life while another begins", () => {
    async function pair(rows = writers) {
      const redis = new Redis(server.url);
      const [lives, other] = [rows, writers].map((one) =>
        createLives({ redis, key: prefix, rows: one, writersWithinMs: PATIENCE_MS }),
      ) as [Lives, Lives];
      const begun = async (): Promise<string> =>
        (await other.current("run", (await other.current("run", "")).name)).name;
      return { lives, begun, end: () => redis.disconnect() };
    }

    test("has a row of the later one", async () => {
      let goOn = (): void => undefined;
      let held: Promise<void> | undefined = new Promise((resolve) => {
        goOn = resolve;
      });
      const enter: WriterRows["enter"] = async (writer, life) => {
        const first = held;
        held = undefined;
        await first;
        await writers.enter(writer, life);
      };
      const { lives, begun, end } = await pair({ ...writers, enter });
      const early = lives.current("run", "");
      await waitFor(() => held === undefined, { what: "the entry" });
      const name = await begun();
      const late = lives.current("run", "");
      const hasRow = async () => (await writers.of(name)).length === 2;
      // If it does not wait for the early one.
      await waitFor(hasRow, { what: "the row", deadlineMs: 300 }).catch(() => undefined);
      goOn();
      await expect(early).rejects.toThrow("lost");
      expect(await late).toMatchObject({ name });
      expect(await writers.of(name)).toHaveLength(2);
      end();
    });

    test("keeps its name though its calls of before are refused", async () => {
      const { lives, begun, end } = await pair();
      await lives.current("run", "");
      const early = lives.mark();
      const [writer] = early.args();
      await begun();
      await lives.current("run", "");
      early.unknown();
      expect(lives.mark().args()[0]).toBe(writer);
      end();
    });
  });

  test("data that a server copies from one that is behind is a loss, although nothing restarts", async () => {
    // Of its own: after a copy, a server has its file only some time later.
    const [own, other] = await Promise.all([startRedis(), startRedis()]);
    const [redis, behind] = [new Redis(own.url), new Redis(other.url)];
    const copies = async (one: Redis, from: string): Promise<void> => {
      const { hostname, port } = new URL(from);
      for (const each of [redis, behind]) await each.config("SET", "repl-diskless-sync-delay", "0");
      await one.replicaof(hostname, Number(port));
      await waitFor(async () => /master_link_status:up/.test(await one.info("replication")), { what: "the copy" });
      await one.replicaof("NO", "ONE");
    };
    const [a, b] = [await start(writers, own.url), await start(writers, own.url)];
    await loadCalls(a, "t", 3);
    await copies(behind, own.url);
    expect(await consume(a, "t", "1", calls(LIMIT))).toBe("allowed");
    await copies(redis, other.url);
    await known([a, b]);
    for (const one of [a, b]) expect(await one.positions(["t"])).toEqual([undefined]);
    redis.disconnect();
    behind.disconnect();
    await Promise.all([own.stop(), other.stop()]);
  });

  test("a writer that has not written for long is forgotten, and known again with its next write", async () => {
    const [a, b] = [await start(), await start()];
    await loadCalls(a, "t", 3);
    const redis = new Redis(server.url);
    const key = `${prefix}:era:writers`;
    expect(await redis.hlen(key)).toBe(2);
    const life = (await lifeOf(server.url, prefix)) ?? "";
    await a.now();
    const later = await redis.hgetall(key);
    for (const [writer, tail] of Object.entries(later)) if (tail.startsWith("0:")) await redis.hset(key, writer, "0:1");
    await a.now();
    expect(Object.keys(await redis.hgetall(key))).toHaveLength(1);
    expect(await writers.of(life)).toHaveLength(1);
    expect(await consume(b, "t", "1", calls(LIMIT))).toBe("allowed");
    expect(await redis.hlen(key)).toBe(2);
    expect(await writers.of(life)).toHaveLength(2);
    redis.disconnect();
    await restart("SIGTERM");
    await known([a, b]);
    expect(await reserved(a, "t")).toBe(1n);
  });
});

/** A way to a server on which an answer can get lost. */
async function wayTo(url: string) {
  let losesNext = false;
  const way = createServer((client) => {
    const server = connect(Number(new URL(url).port), "127.0.0.1");
    const end = () => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on("error", end).on("close", end);
    client.pipe(server);
    server.on("data", (answer) => {
      if (!losesNext) client.write(answer);
      else end();
      losesNext = false;
    });
  });
  way.listen(0, "127.0.0.1");
  await once(way, "listening");
  const address = way.address();
  return {
    url: `redis://127.0.0.1:${typeof address === "object" ? address?.port : ""}`,
    loseNextAnswer(): void {
      losesNext = true;
    },
    async close(): Promise<void> {
      way.close();
      await once(way, "close");
    },
  };
}

async function lifeOf(url: string, prefix: string): Promise<string | undefined> {
  const redis = new Redis(url);
  const held = await redis.get(`${prefix}:era`);
  redis.disconnect();
  return held?.split(":")[1];
}
