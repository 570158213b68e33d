import pino from "pino";
import { Registry } from "prom-client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { USAGE_RECEIVED } from "#schema/topics.js";
import { hasPostgres, waitFor } from "../../../tests/servers/servers.js";
import { readCursor } from "../store/recording.js";
import {
  appendItems,
  appendRecord,
  meterState,
  openWorld,
  receivedItem,
  startService,
  type World,
} from "../world.testing.js";
import { startAccountingWatch } from "./watch.js";

describe.skipIf(!hasPostgres)("the watch over the accounts", () => {
  let world: World;
  let service: Awaited<ReturnType<typeof startService>>;
  const registry = new Registry();
  let watch: ReturnType<typeof startAccountingWatch>;
  beforeEach(async () => {
    registry.clear();
    world = await openWorld();
    world.apply(meterState("tokens", "llm.call", { aggregation: "SUM", valueProperty: "tokens" }));
    service = await startService(world);
    watch = startAccountingWatch({
      ...{ database: world.database, log: world.log, clock: world.clock, registry },
      ...{ logger: pino({ level: "silent" }), everyMs: 20, assigned: () => [0] },
    });
  });
  afterEach(async () => {
    await watch.stop();
    await service.stop();
    await world.close();
  });

  async function mismatch(): Promise<number | undefined> {
    const metric = await registry.getSingleMetric("metrly_accounting_mismatch")?.get();
    return metric?.values.find(({ labels }) => labels.partition === 0)?.value;
  }

  async function recordSome(): Promise<void> {
    const bad = receivedItem({ id: "bad", type: "llm.call", data: '{"tokens":"many"}' });
    await appendItems(world.log, 0, [
      receivedItem({ id: "a" }),
      receivedItem({ id: "a" }),
      bad,
      receivedItem({ id: "b" }),
    ]);
    await appendRecord(world.log, 0, { kind: "tick", at: Date.now() });
    await world.log.append(USAGE_RECEIVED, 0, [{ value: Buffer.from("poison") }]);
    const { next } = await world.log.bounds(USAGE_RECEIVED, 0);
    await waitFor(async () => (await readCursor(world.database.pool, 0)).next >= next, { what: "all recorded" });
  }

  test("everything adds up while duplicates, bad values, controls and poison arrive and are resolved", async () => {
    for (let round = 0; round < 3; round += 1) await recordSome();
    const key = { tenantId: "acme", source: "test", id: "bad", reason: "fine", actor: "root" };
    await appendRecord(world.log, 0, { kind: "void", ...key, id: "a" });
    await appendRecord(world.log, 0, { kind: "resolve", ...key, accept: false });
    await recordSome();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await mismatch()).toBe(0);
    expect(watch.problem()).toBeUndefined();
    const poison = await registry.getSingleMetric("metrly_ingestion_poison_records")?.get();
    await waitFor(() => (poison?.values[0]?.value ?? 0) > 0, { what: "poison to be counted" });
  });

  for (const [what, sql] of [
    [
      "an event that is missing in the ledger",
      `ALTER TABLE ledger_block DISABLE TRIGGER USER;
       UPDATE ledger_block SET event_count = event_count - 1 WHERE last_seq = (SELECT max(last_seq) FROM ledger_block WHERE event_count > 0)`,
    ],
    ["an item that became nothing", "UPDATE recorder_cursor SET items = items + 1"],
    ["a duplicate that was not counted", "UPDATE usage_duplicate SET count = count - 1"],
    [
      "a tenant's account that lacks one",
      "UPDATE usage_account SET accepted = accepted - 1, duplicates = duplicates - 1",
    ],
  ] as const)
    test(`${what} is seen, and readiness says so`, async () => {
      await recordSome();
      await waitFor(async () => (await mismatch()) === 0, { what: "a first look" });
      await watch.stop();
      await world.database.pool.query(sql.replaceAll("ledger_block", monthsTable()));
      registry.clear();
      watch = startAccountingWatch({
        ...{ database: world.database, log: world.log, clock: world.clock, registry },
        ...{ logger: pino({ level: "silent" }), everyMs: 20, assigned: () => [0] },
      });
      await waitFor(() => watch.problem() !== undefined, { what: "the mismatch to be seen" });
      expect(await mismatch()).toBe(1);
    });
});

/** The table of this month, whose guard the superuser of a test can lift. */
const monthsTable = (): string => `ledger_${new Date().toISOString().slice(0, 7).replace("-", "_")}`;
