import fc from "fast-check";
import { expect, test } from "vitest";
import { partitionOf } from "#kernel/partition.js";
import { readUsageReceived } from "#schema/columns/received.js";
import { isColumns } from "#schema/columns/sealed.js";
import type { ReceivedItem } from "#schema/events/usage-received.v2.js";
import { runs } from "../../../tests/support/effort.js";
import { decodeRecord } from "../rules/decode-record.js";
import { keyed } from "../world.testing.js";
import { encodeRecords, MAX_RECORD_BYTES, sizeByPartition } from "./encode-items.js";

const name = fc.constantFrom("acme", "globex", "initech", "é", '"', "\u0001".repeat(80));
const item: fc.Arbitrary<ReceivedItem> = fc
  .record({
    tenantId: name,
    source: name,
    type: name,
    id: fc.uuid(),
    time: fc.nat(),
    receivedAt: fc.nat(),
    data: fc.json(),
  })
  .chain((one) => fc.boolean().map((imported) => (imported ? { ...one, imported: true as const } : one)));

test("every item is in a record of its partition, readable by the recorder", () => {
  const some = fc.oneof(fc.array(item, { maxLength: 8 }), fc.array(item, { minLength: 60, maxLength: 80 }));
  fc.assert(
    fc.property(some, fc.boolean(), (items, inColumns) => {
      const byPartition = sizeByPartition(items.map(keyed), 4);
      for (let partition = 0; partition < 4; partition += 1) {
        const own = items.filter(({ tenantId }) => partitionOf(tenantId, 4) === partition);
        const records = encodeRecords(byPartition.get(partition) ?? [], 7, inColumns).map(({ value }) => value);
        for (const value of records)
          expect(decodeRecord(value, partition, 4)).toMatchObject({ kind: "items", tenancyVersion: 7 });
        const read = records.flatMap((value) => {
          const record = readUsageReceived(value);
          return record.kind === "items" ? record.items : [];
        });
        const isInColumns = inColumns && own.length >= 16;
        expect(records.map(isColumns)).toEqual(records.map(() => isInColumns));
        const rank = (one: ReceivedItem): number => (one.imported && !isInColumns ? 1 : 0);
        expect(read).toEqual([...own].sort((a, b) => rank(a) - rank(b)));
      }
    }),
    { numRuns: runs(100) },
  );
});

test("a record is never larger than what was counted for its items, and stays below the broker's limit", () => {
  // Names that JSON writes with six bytes for each character, and every event of another stream.
  const worst = Array.from(
    { length: 6_000 },
    (_, n): ReceivedItem => ({
      ...{
        tenantId: `t${n % 7}`,
        source: "\u0001".repeat(n % 50) + n,
        type: "\u0002".repeat(20),
        id: `${n}`,
        data: "{}",
      },
      ...{ time: n % 2 === 0 ? 8.64e15 : -8.64e15, receivedAt: n * 2 ** 33 },
    }),
  );
  for (const inColumns of [false, true]) {
    const sized = sizeByPartition(worst.map(keyed), 1).get(0) ?? [];
    const records = encodeRecords(sized, 2 ** 40, inColumns);
    expect(records.length).toBeGreaterThan(1);
    const counted = sized.reduce((sum, { bytes }) => sum + bytes, 0);
    const written = records.reduce((sum, { value }) => sum + value.length, 0);
    expect(written).toBeLessThan(counted + 500 * records.length);
    for (const { value } of records) expect(value.length).toBeLessThan(MAX_RECORD_BYTES + 1_000);
  }
});
