import { parseArgs } from "node:util";
import { RUN_DIR_VARIABLE } from "../servers/run-dir.js";
import { runChaos } from "./chaos.js";
import { childrenSeconds, reportCpu } from "./cpu-budget.js";
import { type FaultsOptions, runFaults } from "./faults.js";
import { type Provisioned, provisionServers } from "./provision.js";
import { createRunDir, sweep, sweepDeadRuns } from "./run-dir.js";
import { changedTestFiles, interruptVitest, NO_TESTS, runVitest, type Tally } from "./vitest-run.js";

// `npm test`, `npm run test:chaos` and `npm run faults` after installation: servers, vitest, one closing line, full cleanup.
const isCi = process.env.CI === "true";
/** Tests of artifacts without imports: the built commands, SQL, Lua, the compose file. They run with any change. */
const SMOKE = ["tests/systems/whole-path/story.test.ts", "tests/systems/compose/compose.test.ts"];

let interrupted = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, () => {
    interrupted = true;
    interruptVitest();
  });

process.exitCode = await main();

async function main(): Promise<number> {
  const { changed, chaos, minutes, seed, rest, faults } = parseArguments(process.argv.slice(2));
  await sweepDeadRuns();
  const runDir = await createRunDir({ small: !chaos && faults === undefined });
  process.env[RUN_DIR_VARIABLE] = runDir;
  let tally: Tally = { ...NO_TESTS, failed: 1 };
  let provisioned: Provisioned | undefined;
  let vitestSeconds = 0;
  try {
    const servers = await provisionServers({ required: isCi });
    provisioned = servers;
    if (servers.missing.length > 0 && isCi) console.error("CI tests against every server: a missing one is a failure.");
    else if (!interrupted) {
      const before = childrenSeconds();
      tally = await runTests();
      vitestSeconds = childrenSeconds() - before;
    }
  } catch (error) {
    console.error(error);
  } finally {
    await provisioned?.stop();
    if (!chaos && faults === undefined) await reportCpu(runDir, vitestSeconds).catch(console.error);
    await sweep(runDir);
  }
  for (const line of provisioned?.missing ?? []) console.error(line);
  // At the end, where a log that was cut still has them.
  for (const test of tally.failures) console.error(`FAILED: ${test}`);
  console.log(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`);
  if (interrupted) return 130;
  return tally.failed > 0 ? 1 : 0;

  async function runTests(): Promise<Tally> {
    if (faults !== undefined) return runFaults({ runDir, seed, ...faults });
    if (chaos) return runChaos({ runDir, minutes, seed, filters: rest, interrupted: () => interrupted });
    // With --changed, the first argument is the revision to compare with: `npm test -- --changed main`.
    const files = changed ? [...(await changedTestFiles(rest[0])), ...SMOKE] : rest;
    const env = seed === undefined ? {} : { METRLY_TEST_SEED: seed };
    return runVitest(runDir, files, env);
  }
}

interface Arguments {
  readonly changed: boolean;
  readonly chaos: boolean;
  readonly minutes: number;
  readonly seed: string | undefined;
  /** Paths, and options of vitest such as `-t`. */
  readonly rest: readonly string[];
  readonly faults: Pick<FaultsOptions, "component" | "fault" | "times" | "missing" | "long"> | undefined;
}

function parseArguments(args: readonly string[]): Arguments {
  const options = {
    changed: { type: "boolean" },
    chaos: { type: "boolean" },
    minutes: { type: "string" },
    seed: { type: "string" },
    faults: { type: "boolean" },
    component: { type: "string" },
    fault: { type: "string" },
    times: { type: "string" },
    missing: { type: "boolean" },
    long: { type: "boolean" },
  } as const;
  const { values, tokens } = parseArgs({
    args: [...args],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const rest = tokens.flatMap((token) => {
    if (token.kind === "positional") return token.value;
    if (token.kind !== "option" || token.name in options) return [];
    return token.inlineValue ? `${token.rawName}=${token.value}` : token.rawName;
  });
  const minutes = Number(values.minutes ?? 20);
  if (!(minutes > 0)) throw new RangeError(`--minutes must be a positive number, not ${values.minutes}`);
  const textOf = (value: unknown) => (typeof value === "string" ? value : undefined);
  const [component, fault] = [textOf(values.component), textOf(values.fault)];
  const [missing, long] = [values.missing === true, values.long === true];
  const faults = { component, fault, times: textOf(values.times) ?? "3", missing, long };
  return {
    ...{ changed: values.changed === true, chaos: values.chaos === true, minutes, rest },
    ...{ seed: textOf(values.seed), faults: values.faults === true ? faults : undefined },
  };
}
