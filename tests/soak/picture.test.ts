import { expect, test } from "vitest";
import { drawSoak } from "./picture.js";
import type { Sample } from "./samples.js";

const sample = (n: number): Sample => ({
  atMs: n * 1_000,
  memoryMiB: { billing: 100 + n, kafka: 400 },
  answers: { ok: 50, refused: 0, failed: n === 1_500 ? 9 : 0 },
  lag: n === 700 ? undefined : { logToLedgerSeconds: 1, ledgerToTotals: n === 1_000 ? 5_000 : 10, ledgerToQuota: 3 },
});

test("the picture has each panel, role and fault, gaps where nothing was measured, and every peak", () => {
  const svg = drawSoak({
    title: "a soak <of> an hour",
    samples: Array.from({ length: 3_000 }, (_, n) => sample(n)),
    faults: [
      { name: "quota kill", fromMs: 60_000, toMs: 75_000 },
      { name: "edge cut", fromMs: 120_000, toMs: 121_000, missed: "no sign of it" },
    ],
  });
  expect(svg).toContain("<title>a soak &lt;of&gt; an hour</title>");
  for (const said of [
    "1: quota kill<",
    "2: edge cut (hit nothing)<",
    ">billing<",
    ">kafka<",
    ">5000<",
    "log to ledger",
  ])
    expect(svg).toContain(said);
  // A path that has to start twice has a gap.
  expect(svg.split("<path").some((path) => (path.match(/M/g) ?? []).length === 2)).toBe(true);
  expect(svg).not.toMatch(/NaN|undefined/);
});
