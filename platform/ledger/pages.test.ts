import { expect, test } from "vitest";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import type { LedgerClient, LedgerQuery } from "./client.js";
import { type LedgerRange, ledgerPages } from "./pages.js";

const tick = (seq: number): LedgerEntry => ({ kind: "tick", seq, recordedAt: 1, tenancyVersion: 0, at: 1 });

/** Ticks 1..head in pages of three; remembers what was asked. */
function ledgerOf(head: number) {
  const asked: LedgerQuery[] = [];
  const ledger: LedgerClient = {
    async read(query) {
      asked.push(query);
      const last = Math.min(head, query.from + 2);
      const entries = Array.from({ length: Math.max(0, last - query.from + 1) }, (_, i) => tick(query.from + i));
      return { entries, nextSeq: last + 1, headSeq: head };
    },
  };
  return { ledger, asked };
}

async function read(ledger: LedgerClient, range: LedgerRange): Promise<number[]> {
  const seqs: number[] = [];
  for await (const { entries } of ledgerPages(ledger, range)) seqs.push(...entries.map(({ seq }) => seq));
  return seqs;
}

test.each([false, true])("a range is read from its first to its last entry (ahead: %s)", async (readsAhead) => {
  const { ledger, asked } = ledgerOf(100);
  expect(await read(ledger, { partition: 2, from: 4, to: 11, readsAhead })).toEqual([4, 5, 6, 7, 8, 9, 10, 11]);
  expect(asked.map(({ from }) => from)).toEqual([4, 7, 10]);
  expect(await read(ledger, { partition: 2, from: 5, to: 4, readsAhead })).toEqual([]);
});

test("each page is asked for the ticks that matter by then", async () => {
  const { ledger, asked } = ledgerOf(9);
  let matters = 0;
  await read(ledger, { partition: 0, tenantId: "acme", from: 1, to: 9, ticksFrom: () => ++matters });
  expect(asked.map(({ ticksFrom }) => ticksFrom)).toEqual([1, 2, 3]);
});

test.each([false, true])("a missing entry of the ledger is an error, not an end (ahead: %s)", async (readsAhead) => {
  const { ledger } = ledgerOf(5);
  await expect(read(ledger, { partition: 1, from: 1, to: 8, readsAhead })).rejects.toThrow(
    "partition 1 does not hold 6",
  );
});
