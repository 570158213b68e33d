import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Decimal, ZERO } from "#kernel/decimal.js";
import { hourOf } from "#kernel/period.js";
import type { Sessions, Transaction } from "#platform/database/database.js";
import type { LedgerClient } from "#platform/ledger/client.js";
import { deferred } from "#platform/lifecycle/deferred.js";
import type { MeterState } from "#schema/events/tenancy-changed.v1.js";
import type { RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import { hasPostgres } from "../../../tests/servers/servers.js";
import { isLong, runs } from "../../../tests/support/effort.js";
import { compiledProgram } from "../../../tests/support/program.js";
import { CELL_KEEPS, storedValue } from "../rules/usage.js";
import { beginAttempt } from "../store/backfills.js";
import {
  at,
  type BillingWorld,
  billingWorld,
  ledgerClientOf,
  ledgerOf,
  meter,
  PARTITIONS,
  type TestLedger,
  tenant,
  tenantOn,
  usage,
} from "../world.testing.js";
import { applyBackfill, createBackfillPreparer, type PreparedBackfill } from "./backfill.js";
import type { LargeOptions } from "./large.testing.js";

const NOON = at("2026-01-20T12:00:00");
/** Cells, events and voids of one part. */
const FEW = 3;
const TINY = { cells: FEW, changes: 5, text: 1_000 };
const AGGREGATIONS = ["COUNT", "SUM", "MAX", "UNIQUE", "LATEST"] as const;
const STAGED = ["backfill_attempt", "backfill_part", "backfill_delta", "backfill_count"];

interface Sent {
  readonly kind: "event" | "void" | "tick" | "foreign";
  /** Which of the events that are there a void takes back. */
  readonly which: number;
  readonly minutes: number;
  readonly n: string;
  readonly region: string;
}

const sent: fc.Arbitrary<Sent> = fc.record({
  kind: fc.constantFrom("event", "event", "event", "event", "void", "tick", "foreign"),
  which: fc.nat(60),
  // Few moments, so that events share cells and times.
  minutes: fc.integer({ min: -6, max: 6 }).map((tens) => tens * 20),
  n: fc.constantFrom("1", "2", "0.1", "123456789012345678.000000000001", "-7"),
  region: fc.constantFrom("eu", "us"),
});

describe.skipIf(!hasPostgres)("a backfill in parts", () => {
  let world: BillingWorld;
  let partitions = 0;
  let version = 1;

  beforeAll(async () => {
    world = await billingWorld({ partLimits: TINY });
  });
  afterAll(() => world.stop());

  /** A tenant on a partition of its own, with usage that nobody counts, in the database. */
  async function unmetered(all: readonly Sent[]): Promise<TestLedger> {
    const partition = partitions++;
    const ledger = ledgerOf(partition);
    const tenantId = tenantOn(partition);
    world.state.apply(tenant(tenantId));
    const alive: string[] = [];
    for (const [index, { kind, which, minutes, n, region }] of all.entries()) {
      if (kind === "tick") ledger.record({ kind, at: NOON });
      else if (kind === "void") {
        const [id] = alive.splice(which % Math.max(1, alive.length), 1);
        if (id !== undefined) ledger.record(ledger.voidOf(id));
      } else {
        const type = kind === "event" ? typeOf(partition) : "foreign";
        ledger.record(usage(tenantId, `e${index}`, NOON + minutes * 60_000, { n, region }, type));
        alive.push(`e${index}`);
      }
    }
    await world.deliver(ledger);
    return ledger;
  }

  /** A new meter for that usage, and the entry that lets it count what there was. */
  function counted(ledger: TestLedger, aggregation: (typeof AGGREGATIONS)[number]) {
    const { partition } = ledger;
    version += 1;
    const counting = meter(`m${version}`, {
      ...{ eventType: typeOf(partition), aggregation, dimensions: ["region"], version, createdInVersion: version },
      ...(aggregation !== "COUNT" && { valueProperty: "n" }),
    });
    world.state.apply(counting);
    const [entry] = ledger.record({ kind: "backfill", meterKey: counting.id, tenancyVersion: version });
    if (entry === undefined) throw new Error("recorded");
    return { counting, entry };
  }

  const typeOf = (partition: number): string => `of.${partition}`;

  /** With its events' times in their order: of two at one moment, a void may take either. */
  const inOrder = (line: string): string =>
    line.replace(/(?<= )(?:[0-9a-f]{6}){2,}$/, (times) => (times.match(/.{6}/g) ?? []).sort().join(""));

  /** What the meter's deltas and the accounts say, as text. */
  async function told({ partition }: TestLedger, { id }: MeterState) {
    const { rows } = await world.database.pool.query<{ line: string }>(
      `SELECT concat_ws(' ', hour, dimensions, value, trim_scale(sum(quantity)), sum(event_count), max(last_event_at),
                CASE WHEN sum(event_count) > 1 THEN encode(string_agg(times, ''), 'hex') END) AS line
         FROM usage_delta WHERE tenant_id = $1 AND meter = $2 GROUP BY hour, dimensions, value`,
      [tenantOn(partition), id],
    );
    return rows.map(({ line }) => inOrder(line)).sort();
  }

  /** The same, said as simply as it can be. */
  function expected({ entries }: TestLedger, { aggregation }: MeterState, upTo: number): string[] {
    const events = entries.filter((entry): entry is RecordedEvent => entry.kind === "event" && entry.seq < upTo);
    const voided = new Set(
      entries.flatMap((entry) => (entry.kind === "void" && entry.seq < upTo ? [entry.event.id] : [])),
    );
    const cells = new Map<string, RecordedEvent[]>();
    for (const event of events) {
      if (event.type === "foreign" || voided.has(event.id)) continue;
      const { n, region } = JSON.parse(event.data);
      const value = storedValue(aggregation, n, event.time, event.seq);
      const key = `${hourOf(event.time)} ${JSON.stringify([region])}${value === "" ? " " : ` ${value}`}`;
      cells.set(key, [...(cells.get(key) ?? []), event]);
    }
    return [...cells]
      .map(([key, of]) => {
        const amounts = of.map(({ data }) => new Decimal(JSON.parse(data).n));
        const sums = {
          count: new Decimal(of.length),
          sum: amounts.reduce((sum, one) => sum.plus(one), ZERO),
          value: ZERO,
        };
        const keeps = CELL_KEEPS[aggregation];
        const sum = keeps === "count" || keeps === "sum" ? sums[keeps] : sums.value;
        const times = of.map(({ time }) => (time - hourOf(time)).toString(16).padStart(6, "0"));
        const last = Math.max(...of.map(({ time }) => time));
        const line = `${key} ${sum.toFixed()} ${of.length} ${last}`;
        return inOrder(of.length > 1 ? `${line} ${times.join("")}` : line);
      })
      .sort();
  }

  async function left(): Promise<string[]> {
    const counts = await Promise.all(
      STAGED.map((name) => world.database.pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${name}`)),
    );
    return STAGED.filter((_, index) => counts[index]?.rows[0]?.n !== 0);
  }

  const preparerOf = (ledger: LedgerClient) =>
    createBackfillPreparer({ tenancy: world.tenancy, ledger, partitions: PARTITIONS, partLimits: TINY });

  /** What the consumer does with what was prepared. */
  const apply = (
    ledger: TestLedger,
    prepared: PreparedBackfill | undefined,
    sessions: Pick<Sessions, "transaction"> = world.database,
  ) =>
    sessions.transaction(async (tx) => {
      if (prepared === undefined) throw new Error("nothing was prepared");
      const moved = await tx.query("UPDATE high_water_mark SET seq = seq + 1 WHERE partition = $1 AND seq = $2", [
        ledger.partition,
        prepared.backfill.seq - 1,
      ]);
      expect(moved.rowCount).toBe(1);
      await applyBackfill(tx, ledger.partition, prepared);
    });

  /** For how long the process that prepares is taken to live, from now on. */
  const heard = (partition: number, until: string) =>
    world.database.pool.query("UPDATE backfill_attempt SET alive_until = now() + $2::interval WHERE partition = $1", [
      partition,
      until,
    ]);
  const silence = (partition: number) => heard(partition, "-1 second");

  test("counts what each event says by itself, however it is parted, and a second backfill what the first one did", async () => {
    let voids = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(sent, { minLength: 1, maxLength: 40, size: "max" }),
        fc.constantFrom(...AGGREGATIONS),
        fc.array(sent, { maxLength: 10 }),
        async (all, aggregation, after) => {
          const ledger = await unmetered(all);
          const first = counted(ledger, aggregation);
          await world.deliver(ledger);
          expect(await told(ledger, first.counting)).toEqual(expected(ledger, first.counting, first.entry.seq));
          // Stamped with a version of before the meter, these are counted by the next backfill only.
          for (const [index, { minutes, n, region }] of after.entries())
            ledger.record(
              usage(tenantOn(ledger.partition), `x${index}`, NOON + minutes, { n, region }, typeOf(ledger.partition)),
            );
          await world.deliver(ledger);
          const second = counted(ledger, "SUM");
          await world.deliver(ledger);
          expect(await told(ledger, second.counting)).toEqual(expected(ledger, second.counting, second.entry.seq));
          voids += ledger.entries.filter(({ kind }) => kind === "void").length;
        },
      ),
      { numRuns: runs(12) },
    );
    expect(voids).toBeGreaterThan(runs(12) / 2);
    expect(await left()).toEqual([]);
  });

  const story = (cells: number): Sent[] => [
    ...Array.from(
      { length: cells },
      (_, n): Sent => ({ kind: "event", which: 0, minutes: -60 * n, n: "2", region: "eu" }),
    ),
    // Of events in other parts.
    { kind: "void", which: 0, minutes: 0, n: "", region: "" },
    { kind: "event", which: 0, minutes: -60, n: "3", region: "eu" },
    { kind: "void", which: cells - 2, minutes: 0, n: "", region: "" },
  ];

  /** Calls `onAnswer` after each statement. */
  function watched(onAnswer: (text: string, values: readonly unknown[], rows: readonly unknown[]) => void): Sessions {
    const { database } = world;
    const watching = <Q extends object>(of: Q): Q =>
      new Proxy(of, {
        get(target, key) {
          const value: unknown = Reflect.get(target, key);
          if (typeof value !== "function") return value;
          if (key !== "query") return value.bind(target);
          return async (text: string, values: readonly unknown[] = []) => {
            const result: { readonly rows: readonly unknown[] } = await value.call(target, text, values);
            onAnswer(text, values, result.rows);
            return result;
          };
        },
      });
    return {
      ...{ ...database, pool: watching(database.pool) },
      transaction: (work) => database.transaction((tx) => work(watching<Transaction>(tx))),
    };
  }

  /** A process that dies after so many statements. */
  function dyingAfter(statements: number): Sessions {
    let done = 0;
    return watched(() => {
      done += 1;
      if (done === statements) throw new Dead("the process died");
    });
  }

  test("counts once when processes die after any of its statements, and leaves nothing of them", async () => {
    const ledger = await unmetered(story(8));
    const { counting, entry } = counted(ledger, "SUM");
    const { partition } = ledger;
    /** Until it lives long enough; how often it died. */
    async function insist<T>(
      run: (sessions: Sessions) => Promise<T>,
    ): Promise<{ readonly result: T; readonly deaths: number }> {
      for (let deaths = 0; ; deaths += 1) {
        try {
          return { result: await run(dyingAfter(deaths + 1)), deaths };
        } catch (error) {
          if (!(error instanceof Dead)) throw error;
        }
        expect(await told(ledger, counting)).toEqual([]);
      }
    }
    const preparing = await insist(async (sessions) => {
      await silence(partition);
      return preparerOf(ledgerClientOf([ledger]))(sessions, partition, [entry]);
    });
    expect(preparing.deaths).toBeGreaterThan(20);
    const applying = await insist((sessions) => apply(ledger, preparing.result, sessions));
    expect(applying.deaths).toBeGreaterThan(5);
    expect(await told(ledger, counting)).toEqual(expected(ledger, counting, entry.seq));
    expect(await left()).toEqual([]);
  });

  test("is prepared by one process at a time: another takes over when nothing is heard of it, and what it then does is refused", async () => {
    const ledger = await unmetered(story(8));
    const { partition } = ledger;
    const { counting, entry } = counted(ledger, "COUNT");
    const [frozen, thawed] = [deferred(), deferred()];
    const client = ledgerClientOf([ledger]);
    const first = preparerOf({
      async read(query) {
        frozen.resolve();
        await thawed.promise;
        return client.read(query);
      },
    })(world.database, partition, [entry]);
    const outcome = first.catch((error: unknown) => error);
    await frozen.promise;
    const second = preparerOf(client);
    await heard(partition, "1 hour");
    await expect(second(world.database, partition, [entry])).rejects.toMatchObject({ code: "BUSY" });
    await silence(partition);
    const replaced = await second(world.database, partition, [entry]);
    thawed.resolve();
    expect(await outcome).toMatchObject({ code: "BUSY" });

    // The second one was silent, too, when all was prepared; it tries again without waiting.
    await silence(partition);
    const third = preparerOf(client);
    await third(world.database, partition, [entry]);
    await expect(apply(ledger, replaced)).rejects.toMatchObject({ code: "BUSY" });
    expect(await told(ledger, counting)).toEqual([]);
    const again = await third(world.database, partition, [entry]);
    await apply(ledger, again);
    expect(await told(ledger, counting)).toEqual(expected(ledger, counting, entry.seq));
    // It saw the partition as it was before that.
    const late = beginAttempt(world.database, { partition, seq: entry.seq, own: undefined });
    await expect(late).rejects.toMatchObject({ code: "BUSY" });
    expect(await left()).toEqual([]);
  });

  test("is refused at once, and waits for nobody, while another process applies it", async () => {
    const ledger = await unmetered(story(3));
    const { partition } = ledger;
    const { entry } = counted(ledger, "COUNT");
    await preparerOf(ledgerClientOf([ledger]))(world.database, partition, [entry]);
    await silence(partition);
    await world.database.transaction(async (tx) => {
      await tx.query("DELETE FROM backfill_attempt WHERE partition = $1", [partition]);
      const other = beginAttempt(world.database, { partition, seq: entry.seq, own: undefined });
      await expect(other).rejects.toMatchObject({ code: "BUSY" });
    });
  });

  test("has no more of it in memory than a part", async () => {
    const ledger = await unmetered(story(300));
    const { counting, entry } = counted(ledger, "UNIQUE");
    let [staged, read] = [0, 0];
    const sessions = watched((text, values, rows) => {
      if (text.includes("INSERT INTO backfill_part"))
        staged = Math.max(staged, ...values.map((of) => (Array.isArray(of) ? of.length : 0)));
      read = Math.max(read, rows.length);
    });
    const prepared = await preparerOf(ledgerClientOf([ledger]))(sessions, ledger.partition, [entry]);
    await apply(ledger, prepared);
    expect(await told(ledger, counting)).toEqual(expected(ledger, counting, entry.seq));
    expect(staged).toBe(FEW);
    expect(read).toBeLessThan(299);
  });

  test.skipIf(!isLong)("of half a million cells fits into a heap of 96 MB", { timeout: 600_000 }, async () => {
    const program = await compiledProgram(fileURLToPath(new URL("./large.testing.ts", import.meta.url)));
    const child = fork(program, { execArgv: ["--max-old-space-size=96"] });
    const exit = once(child, "exit");
    const message = once(child, "message");
    const options: LargeOptions = { databaseUrl: world.database.url, cells: 500_000 };
    child.send(options);
    expect(await exit).toEqual([0, null]);
    console.log(...(await message));
    const { rows } = await world.database.pool.query(
      "SELECT count(*)::int AS cells, sum(event_count)::int AS events FROM usage_delta WHERE tenant_id = 'large'",
    );
    expect(rows).toEqual([{ cells: 500_000, events: 500_000 }]);
  });
});

class Dead extends Error {}
