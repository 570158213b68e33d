import { BroadcastChannel } from "node:worker_threads";
import { inject, type RunnerTask, type RunnerTestFile, TestRunner, vi } from "vitest";
import { startTests } from "vitest/internal/browser";

declare module "vitest" {
  interface ProvidedContext {
    mode: string;
    globalNamespace: string;
  }
}

/** One mutant, to be tried by the tests that reach it. */
interface Trial {
  readonly mutant: string;
  /** By file; names undefined: all of the file. */
  readonly tests: readonly { readonly file: string; readonly names?: readonly string[] }[];
  /** Turns through the mutant that show an endless loop. */
  readonly hitLimit?: number;
}

interface Verdict {
  /** The first test that failed; undefined: the mutant survived. */
  readonly failure: { readonly file: string; readonly name: string; readonly message: string } | undefined;
  /** Tests that ran. */
  readonly count: number;
  readonly hitCount: number;
}

/** What the instrumented code reads: which mutant is active, and how often it was passed. */
interface Switch {
  activeMutant: string | undefined;
  hitCount: number | undefined;
  hitLimit: number | undefined;
}

/** Whether the code that is loaded ran with an active mutant when it was. */
let isLoadedMutated = false;

/**
 * The runner of vitest in the tester's worker. In its mode "trials" it runs no tests of its own accord, but tries mutants as they
 * arrive, until the worker is ended. A worker of its own for each mutant would cost many times as much. The tests are loaded anew
 * for each one, and the code for one that is active while it is loaded: pure rules keep nothing between calls.
 */
export default class TrialsRunner extends TestRunner {
  async onBeforeCollect(): Promise<void> {
    if (inject("mode") !== "trials") return;
    const channel = new BroadcastChannel("mutants");
    channel.postMessage("ready");
    for (;;) channel.postMessage(await attempt(await nextOf(channel), this));
  }
}

function nextOf(channel: BroadcastChannel): Promise<Trial> {
  return new Promise((resolve) => {
    channel.onmessage = (event) => resolve((event as { data: Trial }).data);
  });
}

async function attempt({ mutant, tests, hitLimit }: Trial, runner: TestRunner): Promise<Verdict> {
  const active = activation();
  Object.assign(active, { activeMutant: mutant, hitCount: 0, hitLimit });
  const isStatic = tests.some(({ names }) => names === undefined);
  if (isStatic || isLoadedMutated) vi.resetModules();
  isLoadedMutated = isStatic;
  let count = 0;
  let failure: Verdict["failure"];
  for (const { file, names } of tests) {
    const [ran] = await startTests([file], quietRunner(runner, names));
    if (ran === undefined) throw new Error(`${file} did not run`);
    count += testsOf(ran).filter(({ result }) => result?.duration !== undefined).length;
    failure = failureOf(ran);
    if (failure !== undefined) break;
  }
  active.activeMutant = undefined;
  return { failure, count, hitCount: active.hitCount ?? 0 };
}

function activation(): Switch {
  const globals = globalThis as unknown as Record<string, Switch>;
  const name = inject("globalNamespace");
  globals[name] ??= { activeMutant: undefined, hitCount: undefined, hitLimit: undefined };
  return globals[name];
}

/** A runner that tells vitest nothing, runs tests of these names, and none after the first that fails. */
function quietRunner(runner: TestRunner, names: readonly string[] | undefined): TestRunner {
  const quiet: TestRunner = Object.create(runner);
  const setupFiles = runner.config.setupFiles.filter((file) => !file.includes("stryker-setup"));
  return Object.assign(quiet, {
    config: { ...runner.config, setupFiles },
    onBeforeCollect() {},
    // As a set-up file: evaluated each time.
    importFile: (file: string) => TestRunner.prototype.importFile.call(quiet, file, "setup"),
    onCollectStart(file: RunnerTestFile) {
      TestRunner.prototype.onCollectStart.call(quiet, file);
    },
    onCollected() {},
    onTaskUpdate() {},
    onCleanupWorkerContext() {},
    async onBeforeRunTask(task: RunnerTask) {
      await TestRunner.prototype.onBeforeRunTask.call(quiet, task);
      if (names?.includes(fullNameOf(task)) === false) task.mode = "skip";
    },
    onAfterRunTask(task: RunnerTask) {
      TestRunner.prototype.onAfterRunTask.call(quiet, task);
      if (task.result?.state === "fail") Object.assign(quiet, { cancelRun: true });
    },
  });
}

type Suite = Pick<RunnerTestFile, "tasks">;
const testsOf = ({ tasks }: Suite): RunnerTask[] =>
  tasks.flatMap((task) => (task.type === "suite" ? testsOf(task) : [task]));

/** A file that cannot be loaded fails, too. */
function failureOf(file: RunnerTestFile): Verdict["failure"] {
  const tests = testsOf(file);
  const failed = [...tests, file].find(({ result }) => result?.state === "fail");
  if (failed === undefined) return undefined;
  return {
    file: file.filepath,
    name: fullNameOf(failed === file ? (tests[0] ?? file) : failed),
    message: failed.result?.errors?.[0]?.message ?? "",
  };
}

/** As the tester names tests. */
const fullNameOf = ({ suite, name }: RunnerTask): string => `${suite ? `${fullNameOf(suite)} ` : ""}${name}`.trim();
