import { expect, test } from "vitest";
import { readUsageRecorded } from "#schema/columns/recorded.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { MAX_ATTRIBUTE_BYTES } from "#schema/openapi/limits.js";
import { blocksOf } from "../store/ledger-block.js";
import { recordsOfBlocks } from "./recorded-records.js";

test("a record is far below the broker's limit, whatever names senders choose, and keeps the order", () => {
  // JSON writes six bytes for each of these characters, and no two events share a stream.
  const name = (n: number) => `${n}`.padEnd(MAX_ATTRIBUTE_BYTES, "\u0001");
  const entries = Array.from(
    { length: 2_000 },
    (_, n): LedgerEntry => ({
      ...{ kind: "event", seq: n + 1, recordedAt: 5, tenancyVersion: 1, tenantId: "acme" },
      ...{ source: name(n), type: name(n), id: `${n}`, time: n, receivedAt: n, data: "{}" },
    }),
  );
  const blocks = blocksOf(0, entries, true);
  expect(blocks.every(({ packed }) => packed !== null)).toBe(true);
  for (const inColumns of [true, false]) {
    const records = recordsOfBlocks(0, blocks, inColumns).map(({ value }) => value);
    expect(Math.max(...records.map(({ length }) => length))).toBeLessThan(600_000);
    expect(records.flatMap((record) => readUsageRecorded(record).entries)).toEqual(entries);
  }
});
