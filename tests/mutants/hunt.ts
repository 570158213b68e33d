import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { killIn, sweep } from "../runner/run-dir.js";
import { RUN_DIR_VARIABLE } from "../servers/run-dir.js";
import type { Copy } from "../support/checkout-copy.js";
import { type Bug, ownTestOf } from "./bugs/bug.js";
import { type Ended, runLimited } from "./limited-process.js";
import type { Try } from "./plan.js";

/** What came of a bug. */
export interface Hunt {
  /** The test files or seeds that failed with the bug and pass without it: the first one, or all. */
  readonly caughtBy: readonly string[];
  /** Whether the test that was written for it catches it; undefined: it was not asked. */
  readonly ownTestCatches?: boolean;
  /** Why the search for others than its own test ended early; undefined: it was caught, or everything was tried. */
  readonly gaveUp?: string;
  readonly cpuSeconds: number;
}

export interface HuntOptions {
  /** Of the checkout: changed for the bug, and afterwards as before. Processes in it are ended. */
  readonly copy: Copy;
  /** A folder for what this bug's processes keep; deleted at the end, with the processes in it. */
  readonly folder: string;
  readonly tries: readonly Try[];
  /** Whether to go on after the first catcher. */
  readonly all: boolean;
  readonly cpuSeconds: number;
  /** Test files that passed without a bug when they last ran here, or failed: those that failed catch nothing. */
  readonly passes: Map<string, boolean>;
  /** Told of each failing test, so that somebody can judge whether it fails for the right reason. */
  readonly tell: (text: string) => void;
  interrupted(): boolean;
}

/** A test file that failed, or could not be loaded. */
interface Failure {
  readonly file: string;
  /** Test and first line of the error. */
  readonly reasons: readonly string[];
}

/** A test that waits for what the bug prevents ends then, ms. */
const TEST_TIMEOUT_MS = 180_000;
const SIMULATION = ["--import", "tsx", "tests/simulation/main.ts"];
const SEEDS = ["--seeds", "8", "--tries", "0"];

/** Looks for what catches a bug. */
export async function hunt(bug: Bug, options: HuntOptions): Promise<Hunt> {
  const { copy, folder, tries, all, passes, tell, interrupted } = options;
  await mkdir(folder, { recursive: true });
  const originals = new Map<string, string>();
  for (const { file } of bug.edits) originals.set(file, await copy.read(file));
  const restore = async (): Promise<void> => {
    for (const [file, text] of originals) await copy.write(file, text);
  };
  try {
    let cpuSeconds = 0;
    let limit = options.cpuSeconds;
    let cleanRuns = 0;

    async function run(args: readonly string[], name: string) {
      const runDir = path.join(folder, name);
      await mkdir(runDir, { recursive: true });
      const env = { ...process.env, TMPDIR: runDir, [RUN_DIR_VARIABLE]: runDir };
      const left = { cpuSeconds: limit - cpuSeconds, interrupted };
      const ended = await runLimited(args, { cwd: copy.folder, env }, left);
      cpuSeconds += ended.cpuSeconds;
      return ended;
    }

    /** Undefined: it had no time to end. */
    async function failing(files: readonly string[], name: string): Promise<readonly Failure[] | undefined> {
      const report = path.join(folder, `${name}.json`);
      const output = ["--reporter=json", `--outputFile=${report}`];
      const timeouts = [`--testTimeout=${TEST_TIMEOUT_MS}`, `--hookTimeout=${TEST_TIMEOUT_MS}`];
      const bail = all ? [] : ["--bail=1"];
      const { code } = await run(
        ["node_modules/vitest/vitest.mjs", "run", ...bail, ...output, ...timeouts, ...files],
        name,
      );
      if (code === null) return undefined;
      if (code === 0) return [];
      const failed = failedIn(await readFile(report, "utf8").catch(() => "{}"), copy.folder);
      if (failed.length > 0) return failed;
      // An error outside of tests: it does not say of which file.
      if (files.length === 1) return files.map((file) => ({ file, reasons: ["an error outside of its tests"] }));
      for (const [index, file] of files.entries()) {
        const alone = await failing([file], `${name}-${index}`);
        if (alone?.length !== 0) return alone;
      }
      return [];
    }

    /**
     * Whether this passes without the bug, now: the machine may have become too busy for it since another bug was hunted. What that
     * costs is no part of the hunt.
     */
    async function isSound(what: string, passing: (name: string) => Promise<boolean>): Promise<boolean> {
      if (passes.get(what) === false) return false;
      await restore();
      const spent = cpuSeconds;
      cpuSeconds = 0;
      cleanRuns += 1;
      passes.set(what, await passing(`clean-${cleanRuns}`));
      cpuSeconds = spent;
      for (const edit of bug.edits) await copy.edit(edit);
      return passes.get(what) === true;
    }

    /** Whether a file fails because of the bug: once more with it, after it has passed without it. */
    async function isCatch({ file }: Failure): Promise<boolean> {
      if (!(await isSound(file, async (name) => (await failing([file], name))?.length === 0))) return false;
      return ((await failing([file], "again"))?.length ?? 0) > 0;
    }

    const simulated = (name: string) => run([...SIMULATION, ...SEEDS], name);

    async function caughtIn(one: Try, name: string): Promise<readonly string[]> {
      if (one.kind === "simulation") {
        const found = await simulated(name);
        if (!isWrong(found)) return [];
        const { output } = found;
        tell(`  the simulation: ${/^.*WRONG.*$/m.exec(output)?.[0] ?? firstLine(output.trim().split("\n").at(-1))}`);
        if (!(await isSound("the simulation", async (clean) => (await simulated(clean)).code === 0))) return [];
        const again = await simulated("again");
        const seed = wrongSeedOf(found);
        if (!isWrong(again) || wrongSeedOf(again) !== seed) return [];
        return [seed === undefined ? "the simulation" : `seed ${seed}`];
      }
      const caught: string[] = [];
      for (const failure of (await failing(one.files, name)) ?? []) {
        for (const reason of failure.reasons) tell(`  ${failure.file}: ${reason}`);
        if (await isCatch(failure)) caught.push(failure.file);
      }
      return caught;
    }

    for (const edit of bug.edits) await copy.edit(edit);
    const caughtBy: string[] = [];
    let gaveUp: string | undefined;
    for (const [index, one] of tries.entries()) {
      if ((caughtBy.length > 0 && !all) || gaveUp !== undefined) break;
      caughtBy.push(...(await caughtIn(one, `try-${index}`)));
      if (interrupted()) gaveUp = "interrupted";
      else if (cpuSeconds >= options.cpuSeconds) gaveUp = `after ${Math.round(cpuSeconds)} s of processor time`;
    }
    const own = ownTestOf(bug);
    const asksOwn = own !== undefined && (all || caughtBy.length === 0) && !interrupted();
    limit = cpuSeconds + options.cpuSeconds;
    const ownTestCatches = asksOwn ? (await caughtIn({ kind: "tests", files: [own] }, "own")).length > 0 : undefined;
    return {
      caughtBy,
      ...(ownTestCatches !== undefined && { ownTestCatches }),
      ...(gaveUp !== undefined && caughtBy.length === 0 && { gaveUp }),
      cpuSeconds: Math.round(cpuSeconds),
    };
  } finally {
    await killIn(copy.folder);
    await sweep(folder);
    await restore();
  }
}

interface Report {
  readonly testResults?: readonly {
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    readonly assertionResults?: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

function failedIn(text: string, root: string): readonly Failure[] {
  const { testResults = [] }: Report = JSON.parse(text);
  return testResults
    .filter(({ status }) => status === "failed")
    .map(({ name, message = "", assertionResults = [] }) => {
      const failed = assertionResults.filter(({ status }) => status === "failed");
      const reasons = failed.map(({ fullName, failureMessages }) => `${fullName}: ${firstLine(failureMessages?.[0])}`);
      return { file: path.relative(root, name), reasons: reasons.length > 0 ? reasons : [firstLine(message)] };
    });
}

/** Null: it had no time to end. */
const isWrong = ({ code }: Pick<Ended, "code">): boolean => code !== 0 && code !== null;
const wrongSeedOf = ({ output }: Pick<Ended, "output">): string | undefined => /^seed (\d+): WRONG/m.exec(output)?.[1];
const firstLine = (text = ""): string => text.split("\n")[0] ?? "";
