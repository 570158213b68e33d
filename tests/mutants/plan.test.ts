import { expect, test } from "vitest";
import type { Bug } from "./bugs/bug.js";
import { triesOf } from "./plan.js";

const CHANGED = "workers/billing/rules/pricing.ts";
const BUG: Bug = {
  ...{ name: "bug", wrong: "", breaks: "" },
  reverses: { fix: "Mend it", ownTest: "workers/billing/own.test.ts" },
  edits: [{ file: CHANGED, find: "right", put: "wrong" }],
};
const BESIDE = "workers/billing/rules/pricing.test.ts";
const IN_ROOM = "workers/billing/totals/totals.test.ts";
const ALONE_IN_ROOM = "workers/billing/schema.test.ts";
const ELSEWHERE = "platform/client.test.ts";
const STORY = "tests/systems/whole-path/life.test.ts";
const NEVER = [
  "workers/billing/own.test.ts",
  "workers/billing/not-a-test.ts",
  "tests/systems/newcomer.test.ts",
  "tests/systems/compose/ports.test.ts",
  "tests/simulation/simulation.test.ts",
  "tests/mutants/hunt.test.ts",
  "scripts/check.test.ts",
];

test("what could catch a bug is tried from the cheapest to the dearest, and what is not about the product is not", () => {
  const importing = new Set([BESIDE, IN_ROOM, ELSEWHERE, "tests/simulation/main.ts", ...NEVER]);
  const all = [STORY, ELSEWHERE, ALONE_IN_ROOM, ...NEVER, IN_ROOM, BESIDE];
  const tries = triesOf(BUG, () => importing, all);
  expect(tries.map((one) => (one.kind === "tests" ? one.files : one.kind))).toEqual([
    [BESIDE],
    [IN_ROOM],
    "simulation",
    [ALONE_IN_ROOM],
    [ELSEWHERE],
    [STORY],
  ]);
});
