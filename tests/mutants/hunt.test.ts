import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import type { Copy } from "../support/checkout-copy.js";
import type { Bug } from "./bugs/bug.js";
import { type Hunt, hunt } from "./hunt.js";
import type { Try } from "./plan.js";

// In place of vitest and of the simulation stand programs that fail as this says: by the text of the product, or by the number of the run.
const FAILS = `import { existsSync, readFileSync, writeFileSync } from "node:fs";
const run = existsSync("runs") ? Number(readFileSync("runs", "utf8")) + 1 : 1;
writeFileSync("runs", String(run));
export const fails = new Function("bug", "run", readFileSync("when", "utf8"))(
  readFileSync("product.ts", "utf8").includes("wrong"), run);`;
const VITEST = `import { writeFileSync } from "node:fs";
import { fails } from "../../fails.mjs";
const out = process.argv.find((one) => one.startsWith("--outputFile=")).slice("--outputFile=".length);
const status = fails ? "failed" : "passed";
writeFileSync(out, JSON.stringify({ testResults: [{ name: process.cwd() + "/a.test.ts", status, assertionResults: [] }] }));
process.exitCode = fails ? 1 : 0;`;
const SIMULATION = `import { fails } from "../../fails.mjs";
if (fails) console.log(fails);
process.exitCode = fails ? 1 : 0;`;

const BUG: Bug = {
  ...{ name: "bug", wrong: "", breaks: "" },
  edits: [{ file: "product.ts", find: "right", put: "wrong" }],
};
const BY_TEST: Try = { kind: "tests", files: ["a.test.ts"] };
const BY_SEED: Try = { kind: "simulation" };

let folder: string;
let passes: Map<string, boolean>;
let copy: Copy;

beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "hunt-"));
  passes = new Map();
  const text = new Map([["product.ts", "right"]]);
  const write = async (file: string, content: string): Promise<void> => {
    text.set(file, content);
    await writeFile(path.join(folder, file), content);
  };
  const read = async (file: string): Promise<string> => text.get(file) ?? "";
  const edit: Copy["edit"] = async ({ file, find, put }) => write(file, (await read(file)).replace(find, put));
  copy = { folder, read, write, edit, run: async () => "", remove: async () => undefined };
  await write("product.ts", "right");
  await writeFile(path.join(folder, "fails.mjs"), FAILS);
  await mkdir(path.join(folder, "node_modules/vitest"), { recursive: true });
  await writeFile(path.join(folder, "node_modules/vitest/vitest.mjs"), VITEST);
  await symlink(path.join(packageRoot(), "node_modules/tsx"), path.join(folder, "node_modules/tsx"));
  await mkdir(path.join(folder, "tests/simulation"), { recursive: true });
  await writeFile(path.join(folder, "tests/simulation/main.ts"), SIMULATION);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function huntBy(one: Try, when: string): Promise<Hunt> {
  await writeFile(path.join(folder, "when"), `return ${when};`);
  await rm(path.join(folder, "runs"), { force: true });
  return hunt(BUG, {
    ...{ copy, folder: path.join(folder, "bug"), tries: [one], all: false, cpuSeconds: 1_000, passes },
    ...{ tell: () => undefined, interrupted: () => false },
  });
}

test("what fails with the bug alone catches it", async () => {
  expect((await huntBy(BY_TEST, "bug")).caughtBy).toEqual(["a.test.ts"]);
  expect((await huntBy(BY_SEED, "bug && 'seed 7: WRONG'")).caughtBy).toEqual(["seed 7"]);
});

test("what fails once only catches nothing", async () => {
  expect((await huntBy(BY_TEST, "run === 1")).caughtBy).toEqual([]);
  expect((await huntBy(BY_SEED, "run === 1 && 'no server'")).caughtBy).toEqual([]);
  expect((await huntBy(BY_SEED, "bug && 'seed ' + run + ': WRONG'")).caughtBy).toEqual([]);
});

test("what has passed without a bug before, and fails without it now, catches nothing", async () => {
  await huntBy(BY_TEST, "bug");
  await huntBy(BY_SEED, "bug && 'seed 7: WRONG'");
  expect([...passes.values()]).toEqual([true, true]);
  expect((await huntBy(BY_TEST, "true")).caughtBy).toEqual([]);
  expect((await huntBy(BY_SEED, "'seed 7: WRONG'")).caughtBy).toEqual([]);
});
