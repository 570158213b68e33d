import { expect, test } from "vitest";
import { recordedColumns } from "#schema/columns/recorded.js";
import { storedEntryOf } from "#schema/events/ledger-block.v1.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { ledgerBlocks, parseLedgerBlocks } from "./blocks.js";

const stamp = { recordedAt: 5, tenancyVersion: 7 };
const event = (seq: number): LedgerEntry => ({
  ...{ kind: "event", seq, ...stamp, tenantId: "acme", source: "s", id: `é${seq}`, type: "t" },
  ...{ time: 1, receivedAt: 2, data: "{}" },
});
const texts: LedgerEntry[] = [event(1), { kind: "tick", seq: 2, ...stamp, at: 3 }];
const columns = [event(3), event(4)];
const page = ledgerBlocks({
  ...{ nextSeq: 5, headSeq: 9 },
  blocks: [
    { stamp: { firstSeq: 1, ...stamp }, entries: JSON.stringify(texts.map(storedEntryOf)) },
    { columns: recordedColumns(0, columns) },
  ],
});

test("a page of blocks of both encodings gives back their entries", () => {
  expect(parseLedgerBlocks(page)).toEqual({ nextSeq: 5, headSeq: 9, entries: [...texts, ...columns] });
  expect(parseLedgerBlocks(ledgerBlocks({ nextSeq: 1, headSeq: 0, blocks: [] }))).toEqual({
    ...{ nextSeq: 1, headSeq: 0, entries: [] },
  });
});

test("every other body is an error, however short", () => {
  for (let length = 0; length < page.length; length += 1)
    expect(() => parseLedgerBlocks(page.subarray(0, length))).toThrow();
  expect(() => parseLedgerBlocks(Buffer.concat([page, Buffer.from("x")]))).toThrow(TypeError);
  for (let at = 0; at < page.length; at += 1) {
    const changed = Buffer.from(page);
    changed[at] = (changed[at] ?? 0) ^ 0x40;
    // A letter of a text may be another one.
    try {
      parseLedgerBlocks(changed);
    } catch (error) {
      expect(error).toBeInstanceOf(Error);
    }
  }
});
