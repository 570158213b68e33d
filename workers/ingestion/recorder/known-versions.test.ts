import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import { encodeItem, receivedText } from "#schema/events/usage-received.v2.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import { hasPostgres, waitFor } from "../../../tests/servers/servers.js";
import { readLedger } from "../store/ledger.js";
import { meterState, openWorld, receivedItem, rowsOf, startService, type World } from "../world.testing.js";

describe.skipIf(!hasPostgres)("the recorder before tenancy versions that its copy does not have", () => {
  let world: World;
  let service: Awaited<ReturnType<typeof startService>> | undefined;
  let logged: string[];
  beforeEach(async () => {
    world = await openWorld();
    logged = [];
  });
  afterEach(async () => {
    await service?.stop();
    await world.close();
  });

  const append = (...values: readonly string[]) =>
    world.log.append(
      USAGE_RECEIVED,
      0,
      values.map((value) => ({ value: Buffer.from(value) })),
    );
  const items = (id: string, version: number) => receivedText([encodeItem(receivedItem({ id }))], version);
  const recorded = async () => (await readLedger(world.database, { partition: 0, from: 1, limit: 100 })).entries;
  const recordedIs = (...ids: readonly string[]) =>
    waitFor(
      async () =>
        (await recorded()).flatMap((entry) => (entry.kind === "event" ? [entry.id] : [])).join() === ids.join(),
      { what: `${ids} to be recorded` },
    );
  async function start(caughtUp: () => Promise<void>): Promise<void> {
    world.tenancy.caughtUp = caughtUp;
    const logger = pino({ level: "error" }, { write: (line: string) => void logged.push(line) });
    service = await startService(world, { logger });
  }

  test("it catches up with the log of tenancy first, and stamps what it records with the version", async () => {
    await append(items("a", 0), items("b", 900_001), items("c", 900_002));
    await start(async () => world.apply(meterState("late", "x", { version: 900_002 })));
    await recordedIs("a", "b", "c");
    for (const { tenancyVersion } of await recorded()) expect(tenancyVersion).toBe(900_002);
    expect(await rowsOf(world.database, "SELECT * FROM poison_record")).toEqual([]);
  });

  test("a version beyond the log's end is poison, with its bytes and an alarm, and holds nobody else", async () => {
    const future = 9e15;
    const lookup = { tenantId: "acme", source: "test", id: "a", reason: "r", actor: "a", tenancyVersion: future };
    const poison = [
      items("never", future),
      JSON.stringify({ kind: "void", ...lookup }),
      JSON.stringify({ kind: "backfill", meterKey: "m", tenancyVersion: future }),
      JSON.stringify({ kind: "close", tenantId: "acme", periodStart: 0, actor: "a", tenancyVersion: future }),
    ];
    await append(items("a", 0), ...poison, items("b", 0));
    await start(async () => undefined);
    await recordedIs("a", "b");
    const kinds = (await recorded()).map(({ kind }) => kind).filter((kind) => kind !== "tick");
    expect(kinds).toEqual(["event", "event"]);
    const rows = await rowsOf(
      world.database,
      "SELECT convert_from(value, 'UTF8') AS value, error FROM poison_record ORDER BY log_offset",
    );
    const error = "tenancy has no version 9000000000000000: its last is 0";
    expect(rows).toEqual(poison.map((value) => ({ value, error })));
    const alarms = await waitFor(
      async () => {
        const lines = logged.filter((line) => line.includes("kept in poison_record"));
        return lines.length >= poison.length ? lines : undefined;
      },
      { what: "the alarms" },
    );
    expect(alarms.map((line) => JSON.parse(line).reason)).toEqual(poison.map(() => error));
  });

  test("while the log of tenancy cannot be read, such a record is neither recorded nor poison", async () => {
    let isUp = false;
    let refused = 0;
    await append(items("a", 0), items("b", 900_001));
    await start(async () => {
      if (isUp) return world.apply(meterState("late", "x", { version: 900_001 }));
      refused += 1;
      throw new MetrlyError("UNAVAILABLE", "The event log cannot be read");
    });
    await waitFor(() => refused > 1, { what: "the recorder to try again" });
    expect((await recorded()).filter(({ kind }) => kind === "event")).toEqual([]);
    expect(await rowsOf(world.database, "SELECT * FROM poison_record")).toEqual([]);
    isUp = true;
    await recordedIs("a", "b");
    expect(await rowsOf(world.database, "SELECT * FROM poison_record")).toEqual([]);
  });
});
