import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MINUTE_MS } from "#kernel/duration.js";
import { hasRedis } from "../../../../tests/servers/servers.js";
import { sized } from "../../../../tests/support/effort.js";
import { combinationId, type Scope, scopeOf, seriesOf } from "../../rules/scopes.js";
import type { CounterCharge, QuotaCounters } from "../counters.js";
import { UNIT } from "../exact-model.testing.js";
import {
  calls,
  consume,
  consuming,
  loadCalls,
  patientCounters,
  privateRedis,
  reserved,
  tokenOf,
} from "./redis.testing.js";

/** As many as a tenant may have, under chaos. */
const MOST = sized(20_000, 100_000);
/** What a call may take of Redis' processor on average: a machine that is busy, or stops, makes calls longer. */
const MOST_MICROS = 50_000;

describe.skipIf(!hasRedis)("a tenant with very many keys of 256 bytes", () => {
  const { server, redis } = privateRedis();
  let counters: QuotaCounters;
  let start = 0;
  const TTL_MS = 3_600_000;
  async function opened(): Promise<QuotaCounters> {
    const one = patientCounters(server().url, "p", { maxKeys: MOST });
    await one.connect();
    return one;
  }
  beforeAll(async () => {
    counters = await opened();
    start = await counters.now();
    await loadCalls(counters, "t");
    for (let from = 0; from < MOST; from += 2_000) {
      const operations = Array.from({ length: 2_000 }, (_, n) => consuming(keyOf(from + n), calls(1_000_000n), TTL_MS));
      await counters.execute("t", operations, start);
    }
  });
  afterAll(async () => {
    await counters.stop();
  });

  test("it has no more", async () => {
    expect(await consume(counters, "t", "one more", calls(1_000_000n))).toBe("full");
  });

  test("another process reads it, also while it changes, and neither blocks anything", async () => {
    const other = await opened();
    const expectShortCalls = await watchedCalls();
    let isRead = false;
    const reading = reserved(other, "t").finally(() => {
      isRead = true;
    });
    let turns = 0;
    for (; !isRead; turns += 1) {
      for (const key of [keyOf(turns), keyOf(MOST - 1 - turns)])
        await counters.execute("t", [{ kind: "release", key }], undefined);
    }
    expect(turns).toBeGreaterThan(0);
    // What was released until the answer is between these two.
    expect(await reading).toBeLessThanOrEqual(BigInt(MOST));
    const open = BigInt(MOST - 2 * turns);
    expect(await reserved(other, "t")).toBe(open);
    for (let n = 0; n < turns; n += 1)
      for (const key of [keyOf(n), keyOf(MOST - 1 - n)]) await consume(other, "t", key, calls(1_000_000n));
    expect(await reserved(counters, "t")).toBe(BigInt(MOST));
    await other.stop();
    await expectShortCalls();
  });

  test("all of them end at once, and no call blocks Redis or this process for long", async () => {
    const other = await opened();
    const expectShortCalls = await watchedCalls();
    expect(await reserved(other, "t")).toBe(BigInt(MOST));
    let turns = 0;
    const watching = setInterval(() => {
      turns += 1;
    }, 0);
    const [first, second] = await Promise.all(
      [counters, other].map((one, index) =>
        one.execute("t", [consuming(`after-${index}`, calls(1_000_000n))], start + 2 * TTL_MS),
      ),
    );
    clearInterval(watching);
    for (const [outcome] of [first ?? [], second ?? []])
      expect(outcome).toMatchObject({ kind: "decided", allowed: true });
    expect(await reserved(counters, "t")).toBe(2n);
    expect(await redis().hlen("p:{t}:k")).toBe(2);
    await expectShortCalls();
    expect(turns).toBeGreaterThan(MOST / 1_000);
    await other.stop();
  });

  /** Judges the calls from now on. */
  async function watchedCalls(): Promise<() => Promise<void>> {
    await redis().config("RESETSTAT");
    const before = await processorMicros();
    return async () => {
      const micros = (await processorMicros()) - before;
      const stats = await redis().info("commandstats");
      let calls = 0;
      for (const command of ["evalsha", "hscan"]) {
        const [, count] = new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats) ?? [];
        expect(Number(count), `calls of ${command}`).toBeGreaterThan(MOST / 1_000);
        calls += Number(count);
      }
      expect(micros / calls).toBeLessThan(MOST_MICROS);
    };
  }

  async function processorMicros(): Promise<number> {
    const cpu = await redis().info("cpu");
    const seconds = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, "m").exec(cpu)?.[1]);
    return 1e6 * (seconds("used_cpu_user") + seconds("used_cpu_sys"));
  }
});

describe.skipIf(!hasRedis)("a tenant with very many users, whose requests are limited by the minute", () => {
  const { server, redis } = privateRedis();
  const SCOPE = required(scopeOf({ by: ["user"] }));
  const userCharge = (n: number): CounterCharge => ({
    ...{ counter: `|MINUTE|${SCOPE.id}|${combinationId([`u${n}`])}`, meter: null, scope: SCOPE, amount: UNIT },
    ...{ window: { kind: "admission", windowMs: MINUTE_MS }, hardLimit: 5n * UNIT, laterLimits: [], bounded: false },
  });
  const asking = (key: string, n: number, kind: "check" | "consume" = "consume") =>
    ({
      ...{ kind, key, content: "requests", ttlMs: 1_000 },
      ...{ charges: [userCharge(n)], dimensions: new Map([["user", `u${n}`]]) },
    }) as const;

  test("another process reads them, also while they change, and no call reads all of them", async () => {
    const [counters, other] = [patientCounters(server().url, "p"), patientCounters(server().url, "p")];
    for (const one of [counters, other]) await one.connect();
    const scopes = [{ key: seriesOf("", SCOPE), by: ["user"], where: [], period: 0, recorded: 0 }];
    const load = { tenantId: "t", epoch: "e", seq: 0, lost: [], hasOwnClock: false, counters: [], scopes };
    await counters.load(load, await tokenOf(counters, "t"));
    const start = await counters.now();
    for (let from = 0; from < MOST; from += 2_000) {
      const operations = Array.from({ length: 2_000 }, (_, n) => asking(`${from + n}`, from + n));
      await counters.execute("t", operations, start);
    }
    expect(await redis().hlen("p:{t}:h")).toBeGreaterThan(2 * MOST);
    await redis().config("RESETSTAT");
    let isRead = false;
    const reading = other.execute("t", [asking("", 7, "check")], start).finally(() => {
      isRead = true;
    });
    let turns = 0;
    for (; !isRead; turns += 1) await counters.execute("t", [asking(`again ${turns}`, 7 + turns)], start);
    const [outcome] = await reading;
    expect(outcome).toMatchObject({ kind: "decided", allowed: true });
    expect(turns).toBeGreaterThan(0);
    for (const [one, n] of [
      [counters, 7],
      [other, 7],
      [other, MOST - 1],
    ] as const) {
      const [read] = await one.execute("t", [asking("", n, "check")], start);
      expect(read?.kind === "decided" && read.readings[0]?.used).toBe(n === 7 ? 2n * UNIT : UNIT);
    }
    expect(await redis().info("commandstats")).not.toContain("cmdstat_hgetall");
    for (const one of [counters, other]) await one.stop();
  });
});

const keyOf = (n: number): string => `${"k".repeat(248)}${String(n).padStart(8, "0")}`;

const required = (scope: Scope | undefined): Scope => {
  if (scope === undefined) throw new Error("no scope");
  return scope;
};
