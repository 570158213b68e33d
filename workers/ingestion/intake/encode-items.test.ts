import fc from "fast-check";
import { expect, test } from "vitest";
import { partitionOf } from "#kernel/partition.js";
import { readUsageReceived } from "#schema/columns/received.js";
import { isColumns } from "#schema/columns/sealed.js";
import type { ReceivedItem } from "#schema/events/usage-received.v2.js";
import { runs } from "../../../tests/support/effort.js";
import { decodeRecord } from "../rules/decode-record.js";
import { encodeByPartition, encodeRecords, MAX_RECORD_BYTES } from "./encode-items.js";

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

test("every item is in a record of its partition, in the encoding of its request, and readable by the recorder", () => {
  const requests = fc.array(fc.tuple(fc.array(item, { maxLength: 6 }), fc.boolean()), { maxLength: 4 });
  fc.assert(
    fc.property(requests, (sent) => {
      const waiting = sent.map(([items, inColumns]) => encodeByPartition(items, 4, inColumns));
      for (let partition = 0; partition < 4; partition += 1) {
        const encoded = waiting.flatMap((byPartition) => byPartition.get(partition) ?? []);
        const records = encodeRecords(encoded, 7).map(({ value }) => value);
        for (const value of records)
          expect(decodeRecord(value, partition, 4)).toMatchObject({ kind: "items", tenancyVersion: 7 });
        const read = records.map((value) => {
          const record = readUsageReceived(value);
          return { inColumns: isColumns(value), items: record.kind === "items" ? record.items : [] };
        });
        for (const inColumns of [false, true]) {
          const wanted = sent
            .filter(([, of]) => of === inColumns)
            .flatMap(([items]) => items.filter(({ tenantId }) => partitionOf(tenantId, 4) === partition));
          const found = read.filter((one) => one.inColumns === inColumns).flatMap(({ items }) => items);
          const inOrder = inColumns
            ? wanted
            : [...wanted].sort((a, b) => Number(a.imported ?? false) - Number(b.imported ?? false));
          expect(found).toEqual(inOrder);
        }
      }
    }),
    { numRuns: runs(200) },
  );
});

test("a record is never larger than what was counted for its items, and stays below the broker's limit", () => {
  // Names that JSON writes with six bytes for each, and every event of another stream.
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
    const encoded = encodeByPartition(worst, 1, inColumns).get(0) ?? [];
    const records = encodeRecords(encoded, 2 ** 40);
    expect(records.length).toBeGreaterThan(1);
    const counted = encoded.reduce((sum, { bytes }) => sum + bytes, 0);
    const written = records.reduce((sum, { value }) => sum + value.length, 0);
    expect(written).toBeLessThan(counted + 500 * records.length);
    for (const { value } of records) expect(value.length).toBeLessThan(MAX_RECORD_BYTES + 1_000);
  }
});
