import { spawn } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import type { TesterReport } from "./report.js";
import { ROOM_VARIABLE } from "./rooms.js";

const CACHE = ".cache/mutation-score";
const STRYKER = `${CACHE}/node_modules/@stryker-mutator/core/bin/stryker.js`;
const RUNNER = "tests/mutation-score/runner.mjs";
/** Property tests try the same cases for each mutant, and at the next run. */
const SEED = "1";
/** Beyond what the tests of a mutant take without it. An endless loop is seen by its turns: who meets this was not judged. */
const TIMEOUT_MS = 600_000;
/** The tests of a room without a change: as patient. */
const DRY_RUN_MINUTES = 60;

export interface TesterOptions {
  /** Mutants at once. */
  readonly jobs: number;
  /** Only the files of the room whose names begin so; empty: all. */
  readonly files: string;
  /** Forget the results of earlier runs. */
  readonly fresh: boolean;
}

/**
 * Changes the code of a room in one place after the other, and runs those of its tests that reach the place. What neither the code
 * nor its tests changed keeps its result of the last run of the whole room. Throws when the tests fail without a change.
 */
export async function testMutants(room: string, options: TesterOptions): Promise<TesterReport> {
  const root = packageRoot();
  const name = room.replaceAll("/", "-");
  const config = `${CACHE}/${name}.config.json`;
  const report = `${CACHE}/${name}.report.json`;
  await mkdir(path.join(root, CACHE), { recursive: true });
  await rm(path.join(root, report), { force: true });
  await writeFile(path.join(root, config), JSON.stringify(configOf(room, name, report, options)));
  await run(root, [STRYKER, "run", config], { ...process.env, [ROOM_VARIABLE]: room, METRLY_TEST_SEED: SEED });
  return JSON.parse(await readFile(path.join(root, report), "utf8"));
}

function configOf(room: string, name: string, report: string, { jobs, files, fresh }: TesterOptions) {
  return {
    mutate: [`${room}/${files}*.ts`, "!**/*.{test,testing}.ts"],
    plugins: ["@stryker-mutator/vitest-runner", path.join(packageRoot(), RUNNER)],
    testRunner: "trials",
    vitest: { configFile: "tests/mutation-score/vitest.config.ts" },
    coverageAnalysis: "perTest",
    concurrency: jobs,
    timeoutMS: TIMEOUT_MS,
    dryRunTimeoutMinutes: DRY_RUN_MINUTES,
    reporters: ["json", "progress-append-only"],
    jsonReporter: { fileName: report },
    incremental: files === "",
    incrementalFile: `${CACHE}/${name}.known.json`,
    force: fresh,
    // A copy of the checkout, without what no rule needs.
    tempDirName: `${CACHE}/${name}.copy`,
    ignorePatterns: ["/.cache", "/.ci", "/bench", "/cli", "/deploy", "/dist", "/gateway", "/prisma", "/sdk"],
    // None: to read one, the tester would need an interface that TypeScript 7 has no more.
    tsconfigFile: "none.json",
    disableTypeChecks: false,
    allowConsoleColors: false,
  };
}

/** Ends with this process: the signals of a terminal reach both. */
async function run(cwd: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const child = spawn(process.execPath, args, { cwd, env, stdio: "inherit" });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  if (code !== 0) throw new Error(`the mutation tester ended with ${code}`);
}
