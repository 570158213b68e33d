import { afterEach, describe, expect, test } from "vitest";
import { receivedColumns } from "#schema/columns/received.js";
import { encodeItem, type ReceivedItem, receivedText } from "#schema/events/usage-received.v2.js";
import { hasPostgres } from "../../../tests/servers/servers.js";
import { createDimensionLimit } from "../dimensions/dimension-limit.js";
import { decodeRecord } from "../rules/decode-record.js";
import { planSteps } from "../rules/plan-steps.js";
import { ensureLedgerMonths, readLedger } from "../store/ledger.js";
import { openCursor } from "../store/recording.js";
import {
  keyed,
  MAX_DIMENSION_VALUES,
  meterState,
  openWorld,
  receivedItem,
  rowsOf,
  type World,
} from "../world.testing.js";
import { recordStep } from "./recording.js";

const NOW = Date.UTC(2026, 10, 30);
const item = (id: string, data = '{"tokens":"12","region":"eu"}'): ReceivedItem =>
  receivedItem({ id, data, time: NOW - 5, receivedAt: NOW, type: "llm.call" });
const some = (from: number, count: number, data?: string) =>
  Array.from({ length: count }, (_, n) => item(`é"${from + n}`, data));

/** First sent; sent again, and with other content; all of it once more, by whichever edge. */
const SENT: readonly (readonly ReceivedItem[])[] = [
  [...some(0, 20), { ...item("imported"), imported: true }, item("unreadable", '{"tokens":"many"}')],
  [
    ...some(10, 20),
    ...some(0, 3, '{"tokens":"13"}'),
    ...some(0, 2, '{"tokens":"13"}'),
    item("unreadable", '{"tokens":"1"}'),
  ],
  [...some(0, 30), ...some(0, 3, '{"tokens":"13"}'), item("imported"), item("unreadable", '{"tokens":"many"}')],
];

describe.skipIf(!hasPostgres)("the encodings of usage", () => {
  const worlds: World[] = [];
  afterEach(async () => {
    for (const world of worlds.splice(0)) await world.close();
  });

  /** What is recorded when the nth record is in columns if the nth letter says so, and the nth block if the nth letter after that does. */
  async function recordedWith(records: string, blocks: string): Promise<unknown> {
    const world = await openWorld();
    worlds.push(world);
    world.apply({
      ...meterState("tokens", "llm.call", { aggregation: "SUM", valueProperty: "tokens", dimensions: ["region"] }),
      ...{ version: 1, createdInVersion: 1 },
    });
    await ensureLedgerMonths(world.database, NOW);
    await openCursor(world.database, 0);
    for (const [offset, items] of SENT.entries()) {
      const values =
        records[offset] === "c"
          ? [receivedColumns(items.map(keyed), 0)]
          : [false, true].flatMap((imported) => {
              const own = items.filter((one) => (one.imported === true) === imported);
              return own.length === 0 ? [] : [Buffer.from(receivedText(own.map(encodeItem), 0, imported))];
            });
      // Each by a process of its own, which knows nothing of what the one before recorded.
      const dimensions = createDimensionLimit(MAX_DIMENSION_VALUES);
      const dependencies = {
        ...world,
        clock: { now: () => NOW },
        dimensions,
        writesColumns: () => blocks[offset] === "c",
      };
      const at = await rowsOf(world.database, "SELECT next::int FROM recorder_cursor");
      const received = values.map((value, n) => ({
        ...{ offset: Number(at[0]?.next) + n, timestamp: NOW, value },
        decoded: decodeRecord(value, 0, 1),
      }));
      for (const step of planSteps(received))
        expect(await recordStep(dependencies, 0, step)).toMatchObject({ kind: "recorded" });
    }
    const { entries } = await readLedger(world.database, { partition: 0, from: 1, limit: 1_000 });
    const all = (table: string, columns = "*") =>
      rowsOf(world.database, `SELECT ${columns} FROM ${table} ORDER BY 1, 2, 3`);
    const packed = await rowsOf(world.database, "SELECT count(packed)::int AS packed FROM ledger_block");
    return {
      ...{ packed: packed[0]?.packed, entries, view: await all("ledger"), keys: await all("usage_key") },
      ...{ duplicates: await all("usage_duplicate"), accounts: await all("usage_account") },
      quarantined: await all("quarantined_event", "key, fingerprint, reason, recorded_seq::int, data, imported"),
    };
  }

  test("the same events give the same ledger, keys, duplicates, conflicts and accounts, whichever edges and recorders they pass", async () => {
    const text = await recordedWith("ttt", "ttt");
    expect(text).toMatchObject({ packed: 0, accounts: [{ accepted: 83, recorded: 31 }] });
    for (const [records, blocks, packed] of [
      ["ccc", "ccc", 2],
      ["tct", "ctc", 1],
      ["ctc", "tct", 1],
    ] as const)
      expect(await recordedWith(records, blocks)).toEqual({ ...(text as object), packed });
  });
});
