import { existsSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import { copyOfCheckout } from "../support/checkout-copy.js";
import { type Bug, ownTestOf } from "./bugs/bug.js";
import { BUGS } from "./bugs.js";
import { pageWith, readResults } from "./results.js";

/** A part of `npm run check`: every seeded bug still fits the product and compiles, its own test is there, and the page has the last results. */

const problems: string[] = [];
const names = BUGS.map(({ name }) => name);
for (const name of new Set(names.filter((one, index) => names.indexOf(one) !== index)))
  problems.push(`two bugs are ${name}`);
for (const bug of BUGS) {
  const own = ownTestOf(bug);
  if (own !== undefined && !existsSync(path.join(packageRoot(), own)))
    problems.push(`${bug.name}: the test that was written for it is no longer ${own}`);
}
const results = await readResults();
for (const [name, { caughtBy }] of Object.entries(results)) {
  if (!names.includes(name)) problems.push(`results.json has no bug ${name}`);
  for (const test of caughtBy.filter((one) => one.endsWith(".ts")))
    if (!existsSync(path.join(packageRoot(), test)))
      problems.push(`${name} was caught by ${test}, which is gone: hunt it again`);
}
const { is, should } = await pageWith(BUGS, results);
if (is !== should)
  problems.push("docs/correctness.md has other results than tests/mutants/results.json: run npm run mutants");

const copy = await copyOfCheckout();
try {
  let left = BUGS;
  while (left.length > 0) left = await compileSome(left);
} finally {
  await copy.remove();
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;

/** Compiles as many bugs together as change different places; returns the others. */
async function compileSome(bugs: readonly Bug[]): Promise<readonly Bug[]> {
  const originals = new Map<string, string>();
  for (const { file } of bugs.flatMap(({ edits }) => edits)) originals.set(file, await copy.read(file));
  const later: Bug[] = [];
  for (const bug of bugs) {
    if (await fits(bug, originals)) for (const edit of bug.edits) await copy.edit(edit);
    else if (bug.edits.every(({ file, find }) => originals.get(file)?.split(find).length === 2)) later.push(bug);
    else problems.push(`${bug.name} no longer fits: a text that it replaces must be there exactly once`);
  }
  const output = await copy.run(
    "node_modules/typescript/bin/tsc",
    "-p",
    "tsconfig.json",
    "--noEmit",
    "--pretty",
    "false",
  );
  if (output.trim() !== "") problems.push(`with the bugs, this does not compile:\n${output}`);
  for (const [file, text] of originals) await copy.write(file, text);
  return later;
}

/** Whether no bug that is there already has changed its place. */
async function fits({ edits }: Bug, originals: ReadonlyMap<string, string>): Promise<boolean> {
  for (const { file, find } of edits) {
    if (originals.get(file)?.split(find).length !== 2) return false;
    if ((await copy.read(file)).split(find).length !== 2) return false;
  }
  return true;
}
