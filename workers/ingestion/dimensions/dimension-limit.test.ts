import fc from "fast-check";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ControlRecord } from "#schema/events/usage-received.v1.js";
import { encodeItem, type ReceivedItem, receivedText } from "#schema/events/usage-received.v2.js";
import { hasPostgres, waitFor } from "../../../tests/servers/servers.js";
import { runs } from "../../../tests/support/effort.js";
import { recordStep } from "../recorder/recording.js";
import { decodeRecord } from "../rules/decode-record.js";
import { planSteps } from "../rules/plan-steps.js";
import { openCursor, readCursor } from "../store/recording.js";
import {
  appendItems,
  MAX_DIMENSION_VALUES,
  meterState,
  openWorld,
  receivedItem,
  rowsOf,
  startService,
  tenantState,
  type World,
} from "../world.testing.js";
import { createDimensionLimit } from "./dimension-limit.js";

const MARCH = Date.UTC(2026, 2, 15);
const APRIL = Date.UTC(2026, 3, 15);

describe.skipIf(!hasPostgres)("the limit on dimension values", () => {
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
    await openCursor(world.database, 0);
    world.apply(tenantState("acme"));
    world.apply(meterState("calls", "call", { dimensions: ["user"] }));
    world.apply(meterState("all-calls", "call"));
  });
  afterEach(() => world.close());

  let ids = 0;
  const call = (user: string, changed: Partial<ReceivedItem> = {}): ReceivedItem => {
    ids += 1;
    const data = JSON.stringify({ user });
    return receivedItem({ id: `e${ids}`, type: "call", time: MARCH, data, ...changed });
  };
  const users = (count: number, changed: Partial<ReceivedItem> = {}) =>
    Array.from({ length: count }, (_, n) => call(`u${n}`, changed));

  /** Records at the cursor, as a recorder with this memory does. */
  async function record(record: Buffer, dimensions = world.dimensions, database = world.database) {
    const { next: offset } = await readCursor(world.database.pool, 0);
    const decoded = decodeRecord(record, 0, 1);
    const [step] = planSteps([{ offset, timestamp: Date.now(), value: record, decoded }]);
    if (step === undefined) throw new Error("no step");
    const result = await recordStep({ ...world, dimensions, database }, 0, step);
    if (result.kind === "fenced") throw new Error("fenced");
    return result;
  }
  const itemsRecord = (items: readonly ReceivedItem[]) => Buffer.from(receivedText(items.map(encodeItem), 0));
  const controlRecord = (control: ControlRecord) => Buffer.from(JSON.stringify(control));
  const quarantined = () =>
    rowsOf(world.database, "SELECT data, reason, detail FROM quarantined_event ORDER BY position");
  const recordedUsers = async (): Promise<number> =>
    Number((await rowsOf(world.database, "SELECT count(*) AS n FROM dimension_value WHERE meter = 'calls'"))[0]?.n);

  test("a new value beyond it is quarantined with the limit in its reason; known values still count", async () => {
    const first = await record(itemsRecord(users(MAX_DIMENSION_VALUES)));
    expect(first).toMatchObject({ quarantined: 0, full: [] });
    const over = call("one too many");
    const result = await record(itemsRecord([call("u0"), over, over, call("u1")]));
    expect(result).toMatchObject({ quarantined: 1, duplicates: 1, full: [{ meter: { id: "calls" } }] });
    expect(result.entries).toHaveLength(2);
    expect(await quarantined()).toEqual([
      {
        data: '{"user":"one too many"}',
        reason: "DIMENSION_LIMIT",
        detail: "meter calls has 5 combinations of user in the period from 2026-03-01 already, which is the limit",
      },
    ]);
    expect(
      await rowsOf(world.database, "SELECT accepted, recorded, duplicates, quarantined FROM usage_account"),
    ).toEqual([{ accepted: 9, recorded: 7, duplicates: 1, quarantined: 1 }]);
  });

  test("each tenant, meter and period has a separate limit", async () => {
    world.apply(tenantState("mid-month", { billingAnchorDay: 16 }));
    world.apply(meterState("jobs", "job", { dimensions: ["user"] }));
    await record(itemsRecord(users(MAX_DIMENSION_VALUES)));
    for (const changed of [{ tenantId: "other" }, { type: "job" }, { time: APRIL }])
      expect(await record(itemsRecord(users(MAX_DIMENSION_VALUES, changed)))).toMatchObject({ quarantined: 0 });
    const [before, after] = [Date.UTC(2026, 2, 15, 23), Date.UTC(2026, 2, 16)];
    const split = await record(
      itemsRecord([
        ...users(MAX_DIMENSION_VALUES, { tenantId: "mid-month", time: before }),
        call("next period", { tenantId: "mid-month", time: after }),
        call("too many", { tenantId: "mid-month", time: before }),
      ]),
    );
    expect(split).toMatchObject({ quarantined: 1, full: [{ period: { end: after } }] });
  });

  test("combinations count, not values, and an event that one meter refuses counts nowhere", async () => {
    world.apply(meterState("regions", "call", { dimensions: ["user", "region"] }));
    const at = (user: string, region: string) => call("", { data: JSON.stringify({ user, region }) });
    const regions = ["a", "b", "c", "d", "e"];
    await record(itemsRecord(regions.map((region) => at("u0", region))));
    expect(await record(itemsRecord([at("u1", "a")]))).toMatchObject({ quarantined: 1 });
    expect(await recordedUsers()).toBe(1);
  });

  test("an event accepted from quarantine counts beyond the limit", async () => {
    await record(itemsRecord(users(MAX_DIMENSION_VALUES)));
    const over = call("wanted");
    await record(itemsRecord([over, call("unwanted")]));
    const { tenantId, source, id } = over;
    const accept: ControlRecord = {
      ...{ kind: "resolve", tenantId, source, id, accept: true, reason: "a real user", actor: "root" },
    };
    expect((await record(controlRecord(accept))).entries).toMatchObject([{ kind: "event", id }]);
    expect(await record(itemsRecord([call("wanted"), call("unwanted")]))).toMatchObject({ quarantined: 1 });
    expect(await recordedUsers()).toBe(MAX_DIMENSION_VALUES + 1);
  });

  test("it is exact when two recorders alternate, and rolled-back values do not count", async () => {
    const step = fc.record({
      recorder: fc.nat(1),
      users: fc.array(fc.nat(9), { minLength: 1, maxLength: 4 }),
      fails: fc.boolean(),
    });
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        round += 1;
        const tenantId = `tenant-${round}`;
        world.apply(tenantState(tenantId));
        // The second reads no scope whole, as of an import over many periods.
        const memories = [createDimensionLimit(MAX_DIMENSION_VALUES), createDimensionLimit(MAX_DIMENSION_VALUES, 0)];
        const counted = new Set<number>();
        for (const { recorder, users: asked, fails } of steps) {
          const value = itemsRecord(asked.map((user) => call(`u${user}`, { tenantId })));
          if (fails) {
            await expect(record(value, memories[recorder], failing(world.database))).rejects.toThrow("cut");
            continue;
          }
          let expected = 0;
          for (const user of asked) {
            if (!counted.has(user) && counted.size >= MAX_DIMENSION_VALUES) expected += 1;
            else counted.add(user);
          }
          expect((await record(value, memories[recorder])).quarantined).toBe(expected);
        }
      }),
      { numRuns: runs(60) },
    );
  });

  test("events of many periods read few scopes whole, and of the others only the values that they have", async () => {
    const months = Array.from({ length: 30 }, (_, n) => Date.UTC(2024, n, 15));
    const eachMonth = (user: string) => itemsRecord(months.map((time) => call(user, { time })));
    for (let n = 0; n < MAX_DIMENSION_VALUES; n += 1) await record(eachMonth(`u${n}`));
    let rows = 0;
    const counting: World["database"] = {
      ...world.database,
      transaction: (work) =>
        world.database.transaction((tx) =>
          work({
            ...tx,
            async query(...args: readonly unknown[]) {
              const result: { readonly rows: readonly unknown[] } = await Reflect.apply(tx.query, tx, args);
              if (String(Reflect.get(Object(args[0]), "name")).startsWith("dimension-")) rows += result.rows.length;
              return result;
            },
          } as typeof tx),
        ),
    };
    const memory = createDimensionLimit(MAX_DIMENSION_VALUES, 10);
    expect(await record(eachMonth("u0"), memory, counting)).toMatchObject({ quarantined: 0 });
    expect(rows).toBe(10 * MAX_DIMENSION_VALUES + 20 + 20);
    expect(await record(eachMonth("new"), memory)).toMatchObject({ quarantined: 30 });
  });

  test("it is warned of once, not with every event", async () => {
    const lines: string[] = [];
    const logger = pino({ level: "warn" }, { write: (line: string) => void lines.push(line) });
    const service = await startService(world, { logger });
    try {
      for (let n = 0; n < 4; n += 1) await appendItems(world.log, 0, users(MAX_DIMENSION_VALUES + 3));
      await waitFor(async () => (await quarantined()).length === 12, { what: "the quarantined events" });
    } finally {
      await service.stop();
    }
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { tenantId: "acme", meter: "calls", periodStart: "2026-03-01T00:00:00.000Z", limit: MAX_DIMENSION_VALUES },
    ]);
  });

  /** Loses the connection before the commit of each transaction. */
  const failing = (database: World["database"]): World["database"] => ({
    ...database,
    transaction: (work) =>
      database.transaction(async (tx) => {
        await work(tx);
        throw new Error("cut");
      }),
  });
});
