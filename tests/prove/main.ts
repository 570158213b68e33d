import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { hashOfSources, isOfSources, readResults as readCells } from "../faults/results.js";
import { BUGS } from "../mutants/bugs.js";
import { readResults as readHunts } from "../mutants/results.js";
import { readResults as readScores } from "../mutation-score/results.js";
import { type Provisioned, provisionServers } from "../runner/provision.js";
import { createRunDir, sweep, sweepDeadRuns } from "../runner/run-dir.js";
import { interruptVitest } from "../runner/vitest-run.js";
import { RUN_DIR_VARIABLE } from "../servers/run-dir.js";
import { readSoak } from "../soak/results.js";
import { randomOf } from "../support/random.js";
import { pageWith, writePage } from "./page.js";
import { PROMISES, SAMPLES, type SampleName } from "./promises.js";
import {
  interruptSample,
  type Sampling,
  sampleChaos,
  sampleFaults,
  sampleLives,
  sampleSimulation,
  sampleSoak,
  sampleTests,
} from "./samples.js";
import { bugRows, matrixRows, scoreRows, soakRows } from "./stored.js";
import { holds, type Row, tableOf } from "./table.js";

/** `npm run prove`: see README.md. */
const USAGE = `npm run prove -- [--minutes 20] [--seed N] [--only SAMPLE,…] [--steps N] [--flaw NAME] [--page]
  --minutes N  about so long; what has begun may end (20)
  --seed N     of all samples
  --only …     some of: ${SAMPLES.join(", ")}
  --steps N    with faults, of each seed of the simulation (1500)
  --flaw NAME  with a known bug of tests/simulation/flaws.ts, which must be found
  --page       write the promises into docs/correctness.md, and run nothing`;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "20" },
    seed: { type: "string" },
    only: { type: "string" },
    steps: { type: "string", default: "1500" },
    flaw: { type: "string" },
    page: { type: "boolean", default: false },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed ?? randomInt(1, 2 ** 30));
const only = values.only?.split(",");
const isSample = (name: string): name is SampleName => SAMPLES.some((one) => one === name);
if (!(minutes > 0) || !Number.isSafeInteger(seed) || only?.every(isSample) === false) throw new RangeError(USAGE);

/** Each with its share of the time that is left when it begins: what one does not need is for the next. */
const PLAN: readonly (readonly [SampleName, number, (sampling: Sampling) => Promise<Row[]>])[] = [
  ["simulation", 0.12, sampleSimulation],
  ["lives", 0.1, sampleLives],
  ["tests", 0.4, sampleTests],
  ["chaos", 0.35, sampleChaos],
  ["faults", 0.4, sampleFaults],
  ["soak", 1, sampleSoak],
  ["stored", 0, async () => storedRows()],
];

if (values.page) {
  writePage();
  process.exit();
}
let interrupted = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, () => {
    interrupted = true;
    interruptVitest();
    interruptSample();
  });
process.exitCode = await main();
process.exit();

async function main(): Promise<number> {
  const { is, should } = pageWith();
  if (is !== should) console.error("docs/correctness.md lists other proofs: npm run prove -- --page");
  await sweepDeadRuns();
  const runDir = await createRunDir({ small: false });
  process.env[RUN_DIR_VARIABLE] = runDir;
  const rows: Row[] = [];
  let servers: Provisioned | undefined;
  console.log(`proving for ${minutes} minutes, seed ${seed}`);
  try {
    servers = await provisionServers({ required: false });
    rows.push(...(await sampleAll(runDir)));
  } finally {
    await servers?.stop();
    await sweep(runDir);
  }
  console.log(`\n${tableOf(rows, PROMISES)}\n`);
  for (const line of servers.missing) console.error(line);
  const violations = rows.filter((row) => row.violations > 0 && !row.isStale);
  const untried = PROMISES.filter(({ id }) => !rows.some((row) => row.promise === id && row.cases > 0 && !row.isStale));
  if (only === undefined && untried.length > 0)
    console.log(`not tried on these sources: ${untried.map(({ title }) => title).join("; ")}`);
  console.log(
    violations.length === 0
      ? `every promise held where it was tried, seed ${seed}`
      : `BROKEN in ${violations.length} lines, seed ${seed}`,
  );
  if (interrupted) return 130;
  return holds(rows) ? 0 : 1;
}

async function sampleAll(runDir: string): Promise<Row[]> {
  const endMs = Date.now() + minutes * 60_000;
  const random = randomOf(seed);
  const rows: Row[] = [];
  for (const [name, share, sample] of PLAN.filter(([one]) => only?.includes(one) ?? true)) {
    if (interrupted) break;
    const untilMs = Date.now() + Math.max(0, endMs - Date.now()) * (only?.length === 1 ? 1 : share);
    const sampling = {
      runDir,
      seed,
      random,
      untilMs,
      steps: values.steps,
      flaw: values.flaw,
      interrupted: () => interrupted,
    };
    console.log(`\n--- ${name} ---`);
    rows.push(...(await sample(sampling)));
  }
  return rows;
}

/** Results of runs that take hours. */
async function storedRows(): Promise<Row[]> {
  const sources = hashOfSources();
  return [
    ...matrixRows(readCells(), sources),
    ...soakRows(readSoak(), sources),
    ...bugRows(BUGS, await readHunts(), isOfSources),
    ...scoreRows(await readScores(), isOfSources),
  ];
}
