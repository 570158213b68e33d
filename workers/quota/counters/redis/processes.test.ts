import { describe, expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import { startRedis } from "../../../../tests/servers/private-servers.js";
import { hasRedis, waitFor } from "../../../../tests/servers/servers.js";
import {
  type CounterCharge,
  CountersUnavailable,
  type Outcome,
  type QuotaCounters,
  type TenantLoad,
} from "../counters.js";
import { UNIT } from "../exact-model.testing.js";
import {
  calls,
  consume,
  consuming,
  loadCalls,
  openTestCounters,
  privateRedis,
  reserved,
  tokenOf,
  wordOf,
} from "./redis.testing.js";

/** Longer than the counters tolerate of Redis' clock. */
const SHORT_MS = 2_500;

describe.skipIf(!hasRedis)("several processes on one Redis", () => {
  const { server, redis } = privateRedis();
  let all: QuotaCounters[] = [];
  let runs = 0;

  async function processes(count: number, answerWithinMs?: number): Promise<QuotaCounters[]> {
    await Promise.all(all.map((one) => one.stop()));
    runs += 1;
    const open = () => openTestCounters(server().url, `p${runs}`, answerWithinMs);
    all = await Promise.all(Array.from({ length: count }, open));
    return all;
  }

  test("each of them sees, settles and releases all meters of a request", async () => {
    const [first, second] = await processes(2);
    if (first === undefined || second === undefined) throw new Error("no process");
    const meters = ["input", "output"];
    const chargeOf = (meter: string, amount: bigint): CounterCharge => ({
      ...calls(10n, amount),
      ...{ counter: `${meter}|HOUR`, meter },
    });
    const charges = [chargeOf("input", 3n), chargeOf("output", 4n)];
    const asking = { content: "input 3, output 4", ttlMs: HOUR_MS, charges };
    const counted = charges.map(({ counter }) => counter);
    const counters = charges.map(({ counter, window }) => ({ counter, window, blockedUntil: 0, usage: [] }));
    const load: TenantLoad = { tenantId: "t", epoch: "e", seq: 0, lost: [], hasOwnClock: false, counters };
    await first.load(load, await tokenOf(first, "t"));
    const seen = async (by: QuotaCounters) => {
      const [outcome] = await by.execute("t", [{ ...asking, kind: "check", key: "" }], undefined);
      if (outcome?.kind !== "decided") throw new Error(wordOf(outcome));
      return outcome.readings.map(({ used, reserved: open }) => `${used / UNIT}+${open / UNIT}`);
    };
    // The longest key, and one of the longest characters.
    for (const key of ["k".repeat(256), "\u{1F600}".repeat(64)]) {
      expect(await seen(second)).toEqual(["0+0", "0+0"]);
      await first.execute("t", [{ ...asking, kind: "consume", key }], undefined);
      expect(await seen(second)).toEqual(["0+3", "0+4"]);
      expect(await second.execute("t", [{ kind: "release", key }], undefined)).toEqual([
        { kind: "released", released: true },
      ]);
      expect(await seen(first)).toEqual(["0+0", "0+0"]);
    }
    await first.execute("t", [{ ...asking, kind: "consume", key: "k" }], undefined);
    const event = { key: "k", meters, charges: [{ counter: "output|HOUR", amount: UNIT, at: await first.now() }] };
    await second.settle({
      ...{ tenantId: "t", previousSeq: 0, seq: 1, now: undefined, totals: [], counted, events: [event] },
    });
    expect(await seen(first)).toEqual(["0+0", "1+0"]);
  });

  test.each([2, 8])("%i of them never overspend together, and all of it is counted", async (count) => {
    const random = seeded(count);
    const [first, ...others] = await processes(count);
    if (first === undefined) throw new Error("no process");
    await loadCalls(first, "hot");
    const limit = 30n;
    const open = new Map<string, bigint>();
    let settled = 0n;
    let seq = 0;
    let denied = 0;

    async function work(counters: QuotaCounters, name: string): Promise<void> {
      const mine: string[] = [];
      for (let n = 0; n < 150; n += 1) {
        const key = `${name}-${n}`;
        const charge = calls(limit, BigInt(1 + Math.floor(random() * 5)));
        const [outcome] = await counters.execute("hot", [consuming(key, charge)], undefined);
        if (wordOf(outcome) === "allowed") {
          open.set(key, charge.amount / UNIT);
          mine.push(key);
          const reading = outcome?.kind === "decided" ? outcome.readings[0] : undefined;
          expect((reading?.used ?? 0n) + (reading?.reserved ?? 0n)).toBeLessThanOrEqual(limit * UNIT);
        } else denied += 1;
        const given = mine.length > 2 ? mine.shift() : undefined;
        if (given === undefined) continue;
        const [released] = await counters.execute("hot", [{ kind: "release", key: given }], undefined);
        expect(released).toEqual({ kind: "released", released: true });
        open.delete(given);
      }
    }
    /** One of them settles what nobody asked for. */
    async function settle(counters: QuotaCounters): Promise<void> {
      for (let n = 0; n < 20; n += 1) {
        const charges = [{ counter: "calls|HOUR", amount: UNIT, at: Date.now() }];
        const outcome = await counters.settle({
          ...{ tenantId: "hot", previousSeq: seq, seq: seq + 1, now: undefined },
          ...{ counted: ["calls|HOUR"], events: [{ key: undefined, meters: ["calls"], charges }], totals: [] },
        });
        expect(outcome).toBe("applied");
        seq += 1;
        settled += 1n;
      }
    }
    await Promise.all([...all.map((one, index) => work(one, `p${index}`)), settle(first)]);

    const sum = [...open.values()].reduce((total, amount) => total + amount, 0n);
    for (const one of [first, ...others]) expect(await reserved(one, "hot")).toBe(sum);
    expect(await first.positions(["hot"])).toEqual([20]);
    const [last] = await first.execute("hot", [consuming("last", calls(1_000n))], undefined);
    expect(last?.kind === "decided" && last.readings[0]?.used).toBe(settled * UNIT);
    expect(denied).toBeGreaterThan(0);
  });

  test("many at once are admitted exactly to the limit", async () => {
    const some = await processes(3);
    await loadCalls(some[0] as QuotaCounters, "many");
    const outcomes = await Promise.all(
      Array.from({ length: 1_500 }, (_, n) => consume(some[n % 3] as QuotaCounters, "many", `k${n}`, calls(400n))),
    );
    expect(outcomes.filter((one) => one === "allowed")).toHaveLength(400);
    expect(new Set(outcomes)).toEqual(new Set(["allowed", "denied"]));
  });

  test("they may build a tenant at the same time, and one state is kept", async () => {
    const some = await processes(4);
    const outcomes = await Promise.all(
      some.map(async (one, index) => {
        const outcome = await consume(one, "new", `k${index}`, calls(2n));
        if (outcome !== "unknown") return outcome;
        await loadCalls(one, "new");
        return consume(one, "new", `k${index}`, calls(2n));
      }),
    );
    expect(outcomes.filter((one) => one === "allowed")).toHaveLength(2);
    expect(outcomes.filter((one) => one === "denied")).toHaveLength(2);
  });

  const period: CounterCharge = {
    ...calls(1_000n),
    counter: "calls|BILLING_PERIOD",
    window: { kind: "period", start: Date.now() - HOUR_MS, end: Date.now() + HOUR_MS },
  };

  test("what one settles after a loss counts or is reported, though only another noticed the loss", async () => {
    const [settling, answering] = (await processes(2)) as [QuotaCounters, QuotaCounters];
    const loadOf = (seq: number, used: bigint): TenantLoad => ({
      ...{ tenantId: "t", epoch: `e${Math.random()}`, seq, lost: [], hasOwnClock: false },
      counters: [{ ...period, blockedUntil: 0, usage: [{ at: startOf(period), used: used * UNIT }] }],
    });
    async function ask(seq: number, used: bigint): Promise<Outcome | undefined> {
      const key = `units|${Math.random()}`;
      const [outcome] = await answering.execute("t", [consuming(key, period, 1_000)], undefined);
      if (outcome?.kind !== "unknown") return outcome;
      await answering.load(loadOf(seq, used), await tokenOf(answering, "t"));
      return (await answering.execute("t", [consuming(key, period, 1_000)], undefined))[0];
    }
    async function settle(previousSeq: number, seq: number, total: bigint): Promise<void> {
      const outcome = await settling.settle({
        ...{ tenantId: "t", previousSeq, seq, now: undefined, counted: [period.counter], events: [] },
        totals: [{ counter: period.counter, periodStart: startOf(period), total: total * UNIT }],
      });
      if (outcome === "behind") await settling.repair(loadOf(seq, total));
    }
    const usedOf = (outcome: Outcome | undefined) =>
      outcome?.kind === "decided" ? (outcome.readings[0]?.used ?? 0n) / UNIT : outcome?.kind;

    await ask(1, 0n);
    await settle(1, 2, 100n);
    expect(usedOf(await ask(2, 100n))).toBe(100n);
    await redis().flushall();
    expect(usedOf(await ask(2, 100n))).toBe(100n);
    for (const [seq, total] of [
      [3, 600n],
      [4, 900n],
      [5, 1_200n],
    ] as const) {
      await settle(seq - 1, seq, total);
      const outcome = await ask(seq, total);
      expect(usedOf(outcome)).toBe(total);
      expect(wordOf(outcome)).toBe(total >= 1_000n ? "denied" : "allowed");
    }
  });

  test("losses at any moment never let them overspend what was built since the last", async () => {
    const random = seeded(7);
    const some = await processes(3);
    let allowed = 0;
    let stopped = false;
    async function work(counters: QuotaCounters, name: string): Promise<void> {
      for (let n = 0; !stopped; n += 1) {
        const outcome = await consume(counters, "t", `${name}-${n}`, calls(5n));
        if (outcome === "allowed") allowed += 1;
        if (outcome !== "unknown") continue;
        await loadCalls(counters, "t");
      }
    }
    const working = some.map((one, index) => work(one, `p${index}`));
    const losses = 25;
    for (let n = 0; n < losses; n += 1) {
      const before = allowed;
      await new Promise((resolve) => setTimeout(resolve, random() * 40));
      // Every other loss comes at any moment, these after something was admitted.
      if (n % 2 === 0) await waitFor(() => allowed > before, { what: "an admission" });
      await redis().flushall();
    }
    stopped = true;
    await Promise.all(working);
    // Between two losses one state is built, whoever builds it.
    expect(allowed).toBeLessThanOrEqual(5 * (losses + 1));
    expect(allowed).toBeGreaterThanOrEqual(losses / 2);
  });

  test("one that is behind by more than the log holds reads everything", async () => {
    const [a, b] = (await processes(2)) as [QuotaCounters, QuotaCounters];
    await loadCalls(a, "far");
    expect(await reserved(b, "far")).toBe(0n);
    for (let n = 0; n < 200; n += 1) await consume(a, "far", `k${n}`, calls(1_000n));
    expect(await reserved(b, "far")).toBe(200n);
    expect(await consume(b, "far", "k0", calls(1_000n))).toBe("allowed");
    expect(await reserved(a, "far")).toBe(200n);
    await Promise.all(all.map((one) => one.stop()));
  });

  test("an answer that is lost leaves the state as it is or with the change, for all of them", async () => {
    const [a, b] = (await processes(2)) as [QuotaCounters, QuotaCounters];
    await loadCalls(a, "lost");
    let failures = 0;
    let admitted = 0n;
    for (let n = 0; n < 40; n += 1) {
      const asked = consume(n % 3 === 0 ? b : a, "lost", `k${n}`, calls(1_000n)).catch((error: unknown) => {
        expect(error).toBeInstanceOf(CountersUnavailable);
        failures += 1;
        return "failed";
      });
      if (n % 2 === 0) await redis().call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
      const outcome = await asked;
      if (outcome === "allowed") admitted += 1n;
      for (const one of [a, b]) await waitFor(() => one.now().catch(() => undefined), { what: "a connection" });
      // The same key again says what became of it.
      if (outcome === "failed" && (await consume(a, "lost", `k${n}`, calls(1_000n))) === "allowed") admitted += 1n;
    }
    expect(failures).toBeGreaterThan(0);
    expect(admitted).toBe(40n);
    expect([await reserved(a, "lost"), await reserved(b, "lost")]).toEqual([40n, 40n]);
    await Promise.all(all.map((one) => one.stop()));
  });

  test("a store that stands still fails all that waits together, and goes on where it was", async () => {
    const [a, b] = (await processes(2, SHORT_MS)) as [QuotaCounters, QuotaCounters];
    const answered = <T>(work: () => Promise<T>) =>
      waitFor(() => work().then((answer) => ({ answer })), { what: "the store" }).then(({ answer }) => answer);
    await answered(() => loadCalls(a, "still"));
    expect(await answered(() => consume(a, "still", "1", calls(10n)))).toBe("allowed");
    await server().kill("SIGSTOP");
    const asked = Array.from({ length: 200 }, async (_, n) => {
      await new Promise((resolve) => setTimeout(resolve, 5 * n));
      return consume(a, "still", `w${n}`, calls(1_000n)).catch((error: unknown) => error);
    });
    const outcomes = await Promise.all(asked);
    for (const one of outcomes) expect(one).toBeInstanceOf(CountersUnavailable);
    await server().kill("SIGCONT");
    const open = await answered(() => reserved(a, "still"));
    expect(await answered(() => reserved(b, "still"))).toBe(open);
    // What it executed when it went on was late, so its clock was not where it was expected.
    expect(open).toBe(1n);
    await Promise.all(all.map((one) => one.stop()));
  });

  test("a restart from disk is a loss to processes without rows of their own", async () => {
    const durable = await startRedis({ appendOnly: true });
    const [a, b] = await Promise.all([openTestCounters(durable.url, "r"), openTestCounters(durable.url, "r")]);
    await loadCalls(a, "t", 3);
    expect(await consume(a, "t", "1", calls(10n))).toBe("allowed");
    expect(await reserved(b, "t")).toBe(1n);
    await durable.kill("SIGTERM");
    await expect(consume(a, "t", "2", calls(10n))).rejects.toBeInstanceOf(CountersUnavailable);
    await durable.restart();
    for (const one of [a, b]) await waitFor(() => one.now().catch(() => undefined), { what: "the restarted store" });
    expect(await a.positions(["t"])).toEqual([undefined]);
    expect(await consume(b, "t", "2", calls(10n))).toBe("unknown");
    await loadCalls(b, "t", 3);
    expect(await reserved(a, "t")).toBe(0n);
    await Promise.all([a.stop(), b.stop()]);
    await durable.stop();
  });
});

const startOf = ({ window }: CounterCharge): number => (window.kind === "period" ? window.start : 0);

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}
