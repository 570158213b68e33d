import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import { type Copy, copyOfCheckout } from "../../support/checkout-copy.js";
import { ADDITIONS, type Addition } from "./additions.js";
import { failingGuards, placesOfTypes, unmarkedContracts } from "./places.js";

const TIMEOUT_MS = 300_000;
let copy: Copy;
beforeAll(async () => {
  copy = await copyOfCheckout();
}, TIMEOUT_MS);
afterAll(() => copy.remove());

/** Of all additions: each place concerns one set only, so they can be made together. */
const all = (of: (addition: Addition) => readonly string[]): string[] => ADDITIONS.flatMap(of).sort();

test(
  "a new member makes compiler, tests and checks name every place that must follow",
  async () => {
    for (const { edits } of ADDITIONS) for (const edit of edits) await copy.edit(edit);
    expect.soft(await placesOfTypes(copy)).toEqual(all(({ places }) => places));
    for (const { next } of ADDITIONS) for (const edit of next?.edits ?? []) await copy.edit(edit);
    expect.soft(await placesOfTypes(copy)).toEqual(all(({ places, next }) => next?.places ?? places));
    expect.soft(await failingGuards(copy)).toEqual(all(({ guards }) => guards));
    expect.soft(await unmarkedContracts(copy)).toEqual(all(({ marks }) => marks));
  },
  TIMEOUT_MS,
);

test.each(ADDITIONS)("CONTRIBUTING says what to edit for $wish", ({ wish, places, next, guards }) => {
  const rows = readFileSync(path.join(packageRoot(), "CONTRIBUTING.md"), "utf8").split("\n");
  const row = rows.find((line) => line.startsWith(`| ${wish}`)) ?? "";
  for (const place of [...places, ...(next?.places ?? [])])
    expect(row).toContain(path.basename(place.split(" ")[0] ?? ""));
  for (const file of guards.flatMap((guard) => /^(?:docs|prisma)\/\S+/.exec(guard) ?? [])) expect(row).toContain(file);
});
