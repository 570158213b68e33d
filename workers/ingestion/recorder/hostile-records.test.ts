import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import { receivedColumns } from "#schema/columns/received.js";
import { seal } from "#schema/columns/sealed.js";
import { usageReceivedV1 } from "#schema/events/usage-received.v1.js";
import { encodeItem, type ReceivedItem, receivedText } from "#schema/events/usage-received.v2.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import { hasPostgres, waitFor } from "../../../tests/servers/servers.js";
import { runs } from "../../../tests/support/effort.js";
import { anyText } from "../../../tests/systems/hostile/arbitraries.js";
import { nearlyBytes, nearlyValuesOf } from "../../../tests/systems/hostile/contract-values.js";
import { TIMES } from "../../../tests/systems/hostile/inputs.js";
import { decodeRecord } from "../rules/decode-record.js";
import { readCursor } from "../store/recording.js";
import { appendItems, keyed, openWorld, receivedItem, rowsOf, startService, type World } from "../world.testing.js";
import { withKnownVersions } from "./known-versions.js";

const time = fc.oneof(
  fc.integer({ min: 0, max: 2_000_000_000_000 }),
  fc.constantFrom(...TIMES.map((text) => Date.parse(text)).filter(Number.isFinite), -1, 8.64e15, -8.64e15, 1e300),
);
const item = fc
  .record({
    tenantId: fc.oneof(fc.constantFrom("acme", "globex"), anyText),
    source: anyText,
    id: fc.oneof(fc.constantFrom("a", "b"), anyText),
    type: fc.oneof(fc.constantFrom("api.request"), anyText),
    data: fc.oneof(fc.json(), fc.constantFrom("{}", "{", '{"a":"\\ud800"}', '{"a":"\\u0000"}', '{"__proto__":1}')),
    time,
    receivedAt: time,
  })
  .map((one) => receivedItem(one));
const packed = fc
  .tuple(fc.array(item, { minLength: 1, maxLength: 4 }), fc.constantFrom(0, 0, 0, 1, 9e15))
  .map(([items, version]) => receivedText(items.map(encodeItem), version));
const plain = nearlyValuesOf(usageReceivedV1.schema).map((value) => JSON.stringify(value) ?? "");
/** In columns, now and then with the right checksum of wrong bytes. */
const columns = fc
  .tuple(
    fc.array(item, { minLength: 1, maxLength: 4 }),
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
    fc.boolean(),
  )
  .map(([items, edits, isSealed]) => {
    const bytes = columnsOf(items) ?? Buffer.from([2]);
    for (const [at, value] of edits) bytes[at % bytes.length] = value;
    return isSealed && bytes.length > 8 ? seal(bytes) : bytes;
  });

/** Undefined: no edge could write them. */
function columnsOf(items: readonly ReceivedItem[]): Buffer | undefined {
  try {
    return receivedColumns(items.map(keyed), 0);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

const record = fc.oneof(nearlyBytes(fc.oneof(packed, plain)), columns).filter((bytes) => {
  try {
    decodeRecord(bytes, 0, 1);
    return true;
  } catch (error) {
    // It would hold the partition, which newer-records.test.ts shows.
    if (error instanceof UpgradeRequired) return false;
    throw error;
  }
});

describe.skipIf(!hasPostgres)("a recorder whose log holds anything", () => {
  let world: World;
  let service: { stop(): Promise<void> };
  beforeAll(async () => {
    world = await openWorld();
    service = await startService(world);
  });
  afterAll(async () => {
    await service?.stop();
    await world?.close();
  });

  test("records what is well-formed, keeps the rest with its bytes, and stops for none of it", async () => {
    let poison = 0;
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 40 }), async (records) => {
        round += 1;
        const received = records.map((value) => ({
          offset: 0,
          timestamp: 0,
          value,
          decoded: decodeRecord(value, 0, 1),
        }));
        const known = await withKnownVersions(received, world.tenancy);
        poison += known.filter(({ decoded }) => decoded.kind === "poison").length;
        await world.log.append(
          USAGE_RECEIVED,
          0,
          records.map((value) => ({ value })),
        );
        const id = `sentinel ${round}`;
        await appendItems(world.log, 0, [receivedItem({ id, tenantId: "sentinel" })]);
        const { next } = await world.log.bounds(USAGE_RECEIVED, 0);
        await waitFor(async () => (await readCursor(world.database.pool, 0)).next >= next, {
          what: `the recorder to pass ${records.map((one) => JSON.stringify(one.toString("latin1"))).join("\n")}`,
        });
        const [kept] = await rowsOf(world.database, "SELECT count(*)::int AS count FROM poison_record");
        expect(kept).toEqual({ count: poison });
      }),
      { numRuns: runs(8), endOnFailure: true },
    );
    const sentinels = await rowsOf(
      world.database,
      "SELECT sum(recorded)::int AS recorded FROM usage_account WHERE tenant_id = 'sentinel'",
    );
    expect(sentinels).toEqual([{ recorded: round }]);
    const unbalanced = await rowsOf(
      world.database,
      `SELECT tenant_id FROM usage_account GROUP BY tenant_id
       HAVING sum(accepted) <> sum(recorded) + sum(duplicates) + sum(quarantined)`,
    );
    expect(unbalanced).toEqual([]);
  });
});
