import { randomInt } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import { randomOf, shuffled } from "../support/random.js";
import { add, NO_TESTS, runVitest, type Tally } from "./vitest-run.js";

const SCENARIOS = "tests/chaos";
/** Attacks and fuzzing of a whole server: a scenario of its own. */
const HOSTILE = "tests/systems/hostile";
/** The fault matrix: some of its cells, as the seed chooses. */
const FAULTS = "tests/faults/matrix.test.ts";
const CELLS = "2";
/** Long stories on real servers: a scenario of its own. */
const QUOTA_MODEL = "workers/quota/model";
/** Ten times the runs of `npm test`. */
const PROPERTY_RUNS = "1000";
/** The same number as `npm test`: about a minute. */
const FEW_RUNS = "100";
/** Runs of so many minutes have time for long rounds of it. */
const LONG_MINUTES = 20;

export interface ChaosOptions {
  readonly runDir: string;
  /** No scenario starts after this; the last one may finish. */
  readonly minutes: number;
  readonly seed: string | undefined;
  /** Only scenarios whose path contains one of these; empty: all. */
  readonly filters: readonly string[];
  interrupted(): boolean;
}

interface Scenario {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Repeats the scenarios of `npm test` at full length, in an order determined by the seed, until the time is up. A failing
 * scenario prints the command that repeats it. A seed repeats order, loads and faults, but not the machine's scheduling.
 */
export async function runChaos({ runDir, minutes, seed: given, filters, interrupted }: ChaosOptions): Promise<Tally> {
  const seed = given === undefined ? randomInt(1, 2 ** 31) : Number(given);
  if (!Number.isSafeInteger(seed)) throw new RangeError(`--seed must be a whole number, not ${given}`);
  console.log(`chaos for ${minutes} minutes, seed ${seed}`);
  const end = Date.now() + minutes * 60_000;
  const random = randomOf(seed);
  const all = (await scenarios(minutes)).filter(
    ({ name }) => filters.length === 0 || filters.some((filter) => name.includes(filter)),
  );
  if (all.length === 0) throw new Error(`no scenario matches ${filters.join(", ")}`);

  let tally = NO_TESTS;
  const failed: string[] = [];
  const ran: string[] = [];
  while (Date.now() < end && !interrupted()) {
    for (const scenario of shuffled(all, random)) {
      const env = { ...scenario.env, METRLY_TEST_LONG: "on", METRLY_TEST_SEED: String(Math.floor(random() * 2 ** 31)) };
      if ((Date.now() >= end && ran.length > 0) || interrupted()) break;
      const started = Date.now();
      const result = await runVitest(runDir, scenario.args, env);
      tally = add(tally, result);
      ran.push(`${scenario.name} ${Math.round((Date.now() - started) / 1_000)} s`);
      const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
      if (result.failed > 0) failed.push(`${settings.join(" ")} npm test -- ${scenario.args.join(" ")}`);
    }
  }
  console.log(`ran ${ran.join(", ")}`);
  for (const command of failed) console.error(`FAILED, to repeat: ${command}`);
  console.log(`chaos, seed ${seed}`);
  return tally;
}

async function scenarios(minutes: number): Promise<readonly Scenario[]> {
  const files = (await readdir(path.join(packageRoot(), SCENARIOS))).filter((file) => file.endsWith(".test.ts")).sort();
  const someRuns = { METRLY_TEST_RUNS: minutes < LONG_MINUTES ? FEW_RUNS : PROPERTY_RUNS };
  return [
    ...files.map((file) => ({ name: `${SCENARIOS}/${file}`, args: [`${SCENARIOS}/${file}`], env: someRuns })),
    { name: "properties", args: await propertyTests(), env: { METRLY_TEST_RUNS: PROPERTY_RUNS } },
    { name: HOSTILE, args: [HOSTILE], env: { METRLY_TEST_RUNS: PROPERTY_RUNS } },
    { name: FAULTS, args: [FAULTS], env: { METRLY_FAULTS_TAKE: CELLS } },
    // A search for what nobody has seen yet: what it finds is not the fault of the change at hand.
    {
      name: QUOTA_MODEL,
      args: [QUOTA_MODEL],
      env: someRuns,
    },
  ];
}

/** The test files outside `tests/` that use fast-check. */
async function propertyTests(): Promise<readonly string[]> {
  const files = (await readdir(packageRoot(), { recursive: true })).filter(
    (file) =>
      file.endsWith(".test.ts") && !/(^|\/)(node_modules|dist|tests)\//.test(file) && !file.startsWith(QUOTA_MODEL),
  );
  const texts = await Promise.all(files.map((file) => readFile(path.join(packageRoot(), file), "utf8")));
  return files.filter((_, index) => texts[index]?.includes('"fast-check"'));
}
