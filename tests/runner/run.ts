import { mkdir, readdir, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { isRunning } from "#platform/embedded-postgres/cluster.js";
import { RUN_DIR_VARIABLE } from "../servers/server-process.js";
import { runChaos } from "./chaos.js";
import { childrenSeconds, reportCpu } from "./cpu-budget.js";
import { type Provisioned, provisionServers } from "./provision.js";
import { changedTestFiles, interruptVitest, runVitest, type Tally } from "./vitest-run.js";

// `npm test` and `npm run test:chaos` after installation: servers, vitest, one closing line, full cleanup.
const RUN_PREFIX = "metrly-test-run-";
const runDir = path.join(tmpdir(), `${RUN_PREFIX}${process.pid}`);
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
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      changed: { type: "boolean", default: false },
      chaos: { type: "boolean", default: false },
      minutes: { type: "string", default: "20" },
      seed: { type: "string" },
    },
  });
  await sweepDeadRuns();
  await mkdir(runDir, { recursive: true, mode: 0o755 });
  process.env[RUN_DIR_VARIABLE] = runDir;
  let tally: Tally = { passed: 0, failed: 1, skipped: 0 };
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
    if (!values.chaos) await reportCpu(runDir, vitestSeconds).catch(console.error);
    await sweep(runDir);
  }
  for (const line of provisioned?.missing ?? []) console.error(line);
  console.log(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`);
  if (interrupted) return 130;
  return tally.failed > 0 ? 1 : 0;

  async function runTests(): Promise<Tally> {
    if (values.chaos) {
      const minutes = Number(values.minutes);
      if (!(minutes > 0)) throw new RangeError(`--minutes must be a positive number, not ${values.minutes}`);
      return runChaos({ runDir, minutes, seed: values.seed, filters: positionals, interrupted: () => interrupted });
    }
    // With --changed, the one positional argument is the ref to compare with: `npm test -- --changed main`.
    const files = values.changed ? [...(await changedTestFiles(positionals[0])), ...SMOKE] : positionals;
    const env = values.seed === undefined ? {} : { METRLY_TEST_SEED: values.seed };
    return runVitest(runDir, files, env);
  }
}

/** Kills processes in folders of a run and deletes these: servers of crashed tests, or of a killed runner. */
async function sweep(dir: string): Promise<void> {
  if (process.platform === "linux") {
    for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
      const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => "");
      if (cwd.startsWith(`${dir}${path.sep}`)) process.kill(Number(pid), "SIGKILL");
    }
  }
  await rm(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}

async function sweepDeadRuns(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = name.startsWith(RUN_PREFIX) ? Number(name.slice(RUN_PREFIX.length)) : undefined;
    if (pid === undefined || isRunning(pid)) continue;
    await sweep(path.join(tmpdir(), name));
  }
}
