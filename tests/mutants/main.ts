import { readdir } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { packageRoot } from "#platform/process/package-root.js";
import { aboutSources } from "../faults/results.js";
import { provisionServers } from "../runner/provision.js";
import { createRunDir, sweep, sweepDeadRuns } from "../runner/run-dir.js";
import { RUN_DIR_VARIABLE } from "../servers/run-dir.js";
import { type Copy, copyOfCheckout } from "../support/checkout-copy.js";
import type { Bug } from "./bugs/bug.js";
import { BUGS } from "./bugs.js";
import { hunt } from "./hunt.js";
import { readImporters } from "./import-graph.js";
import { triesOf } from "./plan.js";
import {
  hashOfEdits,
  isCaught,
  isOfBug,
  outcomeOf,
  pageWith,
  type Result,
  readResults,
  writePage,
  writeResults,
} from "./results.js";

/** `npm run mutants`: hunts the seeded bugs, and says what caught each. */

const USAGE = `npm run mutants -- [FILTER...] [--jobs N] [--all] [--cpu SECONDS] [--missing]
  FILTER         only bugs whose name contains one of these
  --jobs N       how many at once (1)
  --all          go on after the first catcher, and list all
  --cpu SECONDS  processor time for each bug (400)
  --missing      only bugs without a result`;

const { values, positionals } = parseArgs({
  options: {
    jobs: { type: "string", default: "1" },
    all: { type: "boolean", default: false },
    cpu: { type: "string", default: "400" },
    missing: { type: "boolean", default: false },
  },
  allowPositionals: true,
});
const [jobs, cpuSeconds] = [values.jobs, values.cpu].map(Number);
if (!(jobs !== undefined && jobs >= 1 && cpuSeconds !== undefined && cpuSeconds > 0)) throw new RangeError(USAGE);

let interrupted = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, () => {
    interrupted = true;
  });

const root = packageRoot();
// Of the sources that are copied now: when a bug was hunted, there may be others here.
const { commit } = aboutSources();
const known = await readResults();
const wanted = BUGS.filter(
  (bug) =>
    (positionals.length === 0 || positionals.some((filter) => bug.name.includes(filter))) &&
    !(values.missing && known[bug.name] !== undefined && isOfBug(bug, known[bug.name])),
);
if (wanted.length === 0) throw new RangeError(`no bug matches\n${USAGE}`);

await sweepDeadRuns();
const runDir = await createRunDir({ small: true });
process.env[RUN_DIR_VARIABLE] = runDir;
const servers = await provisionServers({ required: true });
try {
  // The tests of a missing server would be skipped, and what they catch would seem to survive.
  for (const variable of ["DATABASE_URL", "REDIS_URL", "KAFKA_BROKERS"])
    if (!process.env[variable]) throw new Error(`${variable} is not set, and that server could not be started`);
  const importersOf = await readImporters(root);
  const tests = (
    await Promise.all(["kernel", "schema", "platform", "gateway", "workers", "cli", "tests"].map(testsIn))
  ).flat();
  const passes = new Map<string, boolean>();
  const left = [...wanted];
  const work = async (): Promise<void> => {
    const copy = await copyOfCheckout(runDir);
    for (let bug = left.shift(); bug !== undefined && !interrupted; bug = left.shift()) {
      const result = await resultOf(bug, copy, importersOf, tests, passes);
      if (interrupted) return;
      console.log(`${bug.name}: ${outcomeOf(result)} (${result.cpuSeconds} s)`);
      await save(bug, result);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
} finally {
  await servers.stop();
  await sweep(runDir);
}
const survived = wanted.filter(({ name }) => {
  const result = known[name];
  return result !== undefined && isCaught(result) !== true;
});
for (const { name } of survived) console.error(`NOT CAUGHT: ${name}`);
process.exitCode = interrupted ? 130 : survived.length > 0 ? 1 : 0;

async function testsIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(path.join(root, folder), { recursive: true });
  return names.filter((name) => name.endsWith(".test.ts")).map((name) => path.join(folder, name));
}

async function resultOf(
  bug: Bug,
  copy: Copy,
  importersOf: (file: string) => ReadonlySet<string>,
  tests: readonly string[],
  passes: Map<string, boolean>,
): Promise<Result> {
  const found = await hunt(bug, {
    copy,
    folder: path.join(runDir, bug.name),
    tries: triesOf(bug, importersOf, tests),
    all: values.all,
    cpuSeconds: cpuSeconds ?? 0,
    passes,
    tell: (text) => console.log(text),
    interrupted: () => interrupted,
  });
  return { ...found, edits: hashOfEdits(bug), commit, date: new Date().toISOString().slice(0, 10) };
}

async function save(bug: Bug, result: Result): Promise<void> {
  Object.assign(known, { [bug.name]: result });
  await writeResults(known);
  await writePage((await pageWith(BUGS, known)).should);
}
