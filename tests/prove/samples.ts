import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import { runVitest } from "../runner/vitest-run.js";
import type { SoakResult } from "../soak/results.js";
import { LAST } from "../soak/results.js";
import { shuffled } from "../support/random.js";
import { PROMISES, type Promised, type SampleName } from "./promises.js";
import { soakChecks } from "./stored.js";
import type { Row } from "./table.js";

export interface Sampling {
  readonly runDir: string;
  readonly seed: number;
  readonly random: () => number;
  /** Nothing begins after that. */
  readonly untilMs: number;
  /** Of each seed of the simulation, with faults. */
  readonly steps: string;
  /** A known bug of tests/simulation/flaws.ts that the simulation has to find. */
  readonly flaw: string | undefined;
  interrupted(): boolean;
}

/** Tests in larger numbers than in `npm test`, whose number is 100. */
const RUNS = "300";
const CHUNK = 6;
const LIFE_MS = 20_000;
const CELL_MS = 100_000;
const SOAK_MINUTES = "2";
/** Of a failure: how many runs to spend on a smaller one. Its own command spends more. */
const TRIES = "0";

const of = (sample: SampleName): readonly Promised[] => PROMISES.filter(({ samples }) => samples.includes(sample));

/** Whether all tests of a file hold for long and take long: the scenarios, each with servers of its own. */
const isScenario = (file: string): boolean => file.startsWith("tests/chaos/");

/** The test files of a promise. */
export function filesOf({ proofs }: Promised): readonly string[] {
  return [...new Set(proofs.flatMap(({ path: at }) => (at === undefined ? [] : testsAt(at))))];
}

function testsAt(at: string): readonly string[] {
  if (at.endsWith(".test.ts")) return [at];
  const here = path.join(packageRoot(), at);
  // A suite that the tests of its folder run.
  const folder = statSync(here).isDirectory() ? at.replace(/\/$/, "") : path.posix.dirname(at);
  const names = readdirSync(path.join(packageRoot(), folder), { recursive: true, encoding: "utf8" });
  return names.filter((name) => name.endsWith(".test.ts")).map((name) => `${folder}/${name}`);
}

/** The named tests of all promises, some at a time, in random order. */
export async function sampleTests(sampling: Sampling): Promise<Row[]> {
  return rowsByFile(await runFiles(sampling, (file) => !isScenario(file), CHUNK), "its tests, larger", sampling);
}

/** The same of tests/chaos, one at a time. */
export async function sampleChaos(sampling: Sampling): Promise<Row[]> {
  return rowsByFile(await runFiles(sampling, isScenario, 1), "kills and faults", sampling);
}

interface FileRan {
  readonly passed: number;
  readonly failed: number;
  readonly seconds: number;
}

async function runFiles(
  { runDir, seed, random, untilMs, interrupted }: Sampling,
  isWanted: (file: string) => boolean,
  atOnce: number,
): Promise<ReadonlyMap<string, FileRan>> {
  const all = [...new Set(PROMISES.flatMap(filesOf))].filter(isWanted);
  const left = shuffled(all, random);
  const ran = new Map<string, FileRan>();
  while (left.length > 0 && Date.now() < untilMs && !interrupted()) {
    const files = left.splice(0, atOnce);
    const tally = await runVitest(runDir, files, { METRLY_TEST_SEED: String(seed), METRLY_TEST_RUNS: RUNS });
    const found = readReport(runDir);
    for (const [file, one] of found) ran.set(file, one);
    // Vitest also fails outside of tests, and then its report may name none.
    const failed = [...found.values()].reduce((sum, one) => sum + one.failed, 0);
    if (tally.failed > failed)
      for (const file of files) ran.set(file, { passed: 0, seconds: 0, ...ran.get(file), failed: 1 });
  }
  console.log(`${ran.size} of ${all.length} files ran`);
  return ran;
}

interface Report {
  readonly testResults?: readonly {
    readonly name: string;
    readonly status: string;
    readonly startTime: number;
    readonly endTime: number;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

function readReport(runDir: string): ReadonlyMap<string, FileRan> {
  const file = path.join(runDir, "report.json");
  // A run that was interrupted leaves none.
  const report: Report = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
  return new Map(
    (report.testResults ?? []).map(({ name, status, startTime, endTime, assertionResults }) => {
      const count = (wanted: string) => assertionResults.filter((result) => result.status === wanted).length;
      const failed = Math.max(count("failed"), status === "failed" ? 1 : 0);
      const one = { passed: count("passed"), failed, seconds: (endTime - startTime) / 1_000 };
      return [path.relative(packageRoot(), name), one];
    }),
  );
}

/** A row for each promise of whose tests some have run. */
function rowsByFile(ran: ReadonlyMap<string, FileRan>, tried: string, { seed }: Sampling): Row[] {
  return PROMISES.flatMap((promised) => {
    const mine = filesOf(promised).filter((file) => ran.has(file));
    if (mine.length === 0) return [];
    const sum = (part: keyof FileRan) => mine.reduce((all, file) => all + (ran.get(file)?.[part] ?? 0), 0);
    const wrong = mine.filter((file) => (ran.get(file)?.failed ?? 0) > 0);
    const settings = `METRLY_TEST_SEED=${seed} METRLY_TEST_RUNS=${RUNS} npm test -- `;
    return [
      {
        ...{ promise: promised.id, tried: `${tried} (${mine.length} files)` },
        ...{ cases: sum("passed") + sum("failed"), violations: sum("failed"), seconds: sum("seconds") },
        again:
          settings +
          (wrong.length > 0 ? wrong : mine).slice(0, 3).join(" ") +
          (mine.length > 3 && wrong.length === 0 ? " …" : ""),
      },
    ];
  });
}

/** Seeds, until the time is over. */
export async function sampleSimulation({ seed, untilMs, steps, flaw }: Sampling): Promise<Row[]> {
  const startedAt = performance.now();
  const minutes = Math.max(1 / 60, (untilMs - Date.now()) / 60_000);
  const bug = flaw === undefined ? [] : ["--flaw", flaw];
  const args = ["--seed", String(seed), "--seeds", "1000000", "--steps", steps, "--tries", TRIES, ...bug];
  const { code, lines } = await run("tests/simulation/launch.ts", [...args, "--minutes", String(minutes)]);
  const wrong = lines.flatMap((line) => /^seed (\d+): WRONG/.exec(line)?.[1] ?? []);
  const right = lines.filter((line) => /^seed \d+: right/.test(line)).length;
  const violations = Math.max(wrong.length, code === 0 ? 0 : 1);
  const again = `npm run simulate -- --seed ${wrong[0] ?? seed} --steps ${steps}${wrong[0] === undefined ? ` --seeds ${right}` : ""} ${bug.join(" ")}`;
  return of("simulation").map(({ id }) => ({
    ...{ promise: id, tried: `simulation, seeds from ${seed}`, cases: right + wrong.length, violations },
    ...{ seconds: (performance.now() - startedAt) / 1_000, again: again.trim() },
  }));
}

/** Months of random clients, judged by the oracle. */
export async function sampleLives({ runDir, seed, untilMs }: Sampling): Promise<Row[]> {
  const startedAt = performance.now();
  const lives = Math.max(1, Math.round((untilMs - Date.now()) / LIFE_MS));
  const file = "tests/systems/whole-path/test-clock.test.ts";
  // A hundred is one life.
  const env = { METRLY_TEST_SEED: String(seed), METRLY_TEST_RUNS: String(lives * 100) };
  const tally = await runVitest(runDir, [file, "-t", "random clients"], env);
  return of("lives").map(({ id }) => ({
    ...{ promise: id, tried: "months of random clients, judged", cases: lives, violations: tally.failed },
    seconds: (performance.now() - startedAt) / 1_000,
    again: `METRLY_TEST_SEED=${seed} METRLY_TEST_RUNS=${lives * 100} npm test -- ${file}`,
  }));
}

/** Some cells of the fault matrix. They are not stored: they are no whole. */
export async function sampleFaults({ runDir, seed, untilMs }: Sampling): Promise<Row[]> {
  const startedAt = performance.now();
  const cells = String(Math.max(1, Math.round((untilMs - Date.now()) / CELL_MS)));
  const env = { METRLY_TEST_SEED: String(seed), METRLY_FAULTS_TAKE: cells };
  const { passed, failed } = await runVitest(runDir, ["tests/faults/matrix.test.ts"], env);
  return of("faults").map(({ id }) => ({
    ...{ promise: id, tried: "cells of the fault matrix", cases: passed + failed, violations: failed },
    seconds: (performance.now() - startedAt) / 1_000,
    again: `METRLY_TEST_SEED=${seed} METRLY_FAULTS_TAKE=${cells} npm test -- tests/faults/matrix.test.ts`,
  }));
}

export async function sampleSoak({ seed }: Sampling): Promise<Row[]> {
  const startedAt = performance.now();
  const args = ["--minutes", SOAK_MINUTES, "--seed", String(seed)];
  const { code } = await run("tests/soak/main.ts", args, { METRLY_TEST_LONG: "on" });
  const seconds = (performance.now() - startedAt) / 1_000;
  const again = `npm run soak -- ${args.join(" ")}`;
  const tried = `soak of ${SOAK_MINUTES} minutes`;
  const result = code === 0 || code === 1 ? readLast(startedAt) : undefined;
  if (result === undefined)
    return of("soak").map(({ id }) => ({ promise: id, tried, cases: 0, violations: 1, seconds, again }));
  return soakChecks(result, tried).map((row) => ({ ...row, seconds }));
}

/** What this run of the soak has left, if it came to a judgement. */
function readLast(startedAt: number): SoakResult | undefined {
  const file = path.join(LAST, "result.json");
  const isNew = statSync(file, { throwIfNoEntry: false });
  if (isNew === undefined || isNew.mtimeMs < performance.timeOrigin + startedAt) return undefined;
  return JSON.parse(readFileSync(file, "utf8")) as SoakResult;
}

let running: ChildProcess | undefined;

/** Stops what `run` has started. */
export function interruptSample(): void {
  running?.kill("SIGTERM");
}

/** Runs a program of the tests; what it prints is shown, too. */
async function run(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number | null; readonly lines: readonly string[] }> {
  const child = spawn(process.execPath, ["--import", "tsx", file, ...args], {
    ...{ cwd: packageRoot(), env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "inherit"] },
  });
  running = child;
  let out = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    out += chunk.toString("utf8");
    process.stdout.write(chunk);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  running = undefined;
  return { code, lines: out.split("\n") };
}
