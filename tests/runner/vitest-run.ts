import { type ChildProcess, spawn } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import path from "node:path";

export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** File and name of each test that failed, with the error and its line; of a file that failed outside its tests, its name. */
  readonly failures: readonly string[];
}

const LONGEST_REASON = 200;

export const NO_TESTS: Tally = { passed: 0, failed: 0, skipped: 0, failures: [] };

export function add(a: Tally, b: Tally): Tally {
  return {
    ...{ passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped },
    failures: [...a.failures, ...b.failures],
  };
}

let running: ChildProcess | undefined;

/** Stops a running vitest; its tests stop what they started. */
export function interruptVitest(): void {
  running?.kill("SIGTERM");
}

/** Runs vitest with these arguments and environment, and counts its tests. A run without a test counts as one failure. */
export async function runVitest(
  runDir: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Tally> {
  const report = path.join(runDir, "report.json");
  await rm(report, { force: true });
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const child = spawn(process.execPath, ["node_modules/vitest/vitest.mjs", "run", ...reporters, ...args], {
    stdio: "inherit",
    env: { ...process.env, TMPDIR: runDir, ...env },
  });
  running = child;
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  running = undefined;
  const tally = countReport(await readFile(report, "utf8").catch(() => "{}"));
  const ranNothing = tally.passed + tally.failed === 0;
  if (ranNothing) console.error("No test ran.");
  // Vitest also fails outside tests: an unhandled rejection, a file that does not load.
  return tally.failed === 0 && (code !== 0 || ranNothing) ? { ...tally, failed: 1 } : tally;
}

/** The test files that import files changed since `ref`, or not committed yet. */
export async function changedTestFiles(ref: string | undefined): Promise<readonly string[]> {
  const changed = ref === undefined ? "--changed" : `--changed=${ref}`;
  const child = spawn(process.execPath, ["node_modules/vitest/vitest.mjs", "list", changed, "--filesOnly", "--json"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let out = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString("utf8");
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  if (code !== 0) throw new Error(`vitest could not list what changed: ${out}`);
  const files: readonly { readonly file: string }[] = JSON.parse(out === "" ? "[]" : out);
  return files.map(({ file }) => path.relative(process.cwd(), file));
}

interface Report {
  readonly testResults?: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

function countReport(text: string): Tally {
  const report: Report = JSON.parse(text);
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const failures: string[] = [];
  for (const file of report.testResults ?? []) {
    const name = path.relative(process.cwd(), file.name);
    if (file.status === "failed" && !file.assertionResults.some(({ status }) => status === "failed")) {
      counts.failed++;
      failures.push(name);
    }
    for (const { status, fullName, failureMessages } of file.assertionResults) {
      if (status === "passed" || status === "failed") counts[status]++;
      else counts.skipped++;
      if (status === "failed") failures.push(`${name} > ${fullName}${reasonOf(failureMessages?.[0] ?? "", name)}`);
    }
  }
  return { ...counts, failures };
}

/** The first line of an error, and the first line of the test's file that its stack names. */
function reasonOf(message: string, file: string): string {
  const [first = ""] = message.split("\n");
  const line = message.split(`${file}:`)[1]?.match(/^\d+/)?.[0];
  return ` (${line === undefined ? "" : `line ${line}: `}${first.slice(0, LONGEST_REASON)})`;
}
