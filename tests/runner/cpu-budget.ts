import { appendFileSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import { RUN_DIR_VARIABLE } from "../servers/run-dir.js";

const BUDGET_FILE = "tests/runner/cpu-budget.json";
/** Budget entries without a path: vitest itself (mostly compilation), and the shared PostgreSQL, Redis and Kafka. */
const VITEST = "vitest";
const SERVERS = "servers";
/** Linux counts CPU time in clock ticks of 1/100 s. */
const TICKS_PER_SECOND = 100;

/** CPU seconds budgeted for a whole `npm test`, by path of a test file or folder; the longest matching path counts. */
export function readBudget(): Readonly<Record<string, number>> {
  return JSON.parse(readFileSync(path.join(packageRoot(), BUDGET_FILE), "utf8"));
}

/** What this process had used when its previous file ended; a file of a process of its own has none. */
const BEFORE = Symbol.for("metrly.cpu-before");

/** Adds the CPU time of this process and its reaped children for this file. Only available on Linux. */
export function recordCpu(file: string): void {
  const runDir = process.env[RUN_DIR_VARIABLE];
  const used = cpuSecondsOf("self");
  if (runDir === undefined || used === undefined) return;
  const global = globalThis as { [BEFORE]?: CpuSeconds };
  const before = global[BEFORE] ?? { own: 0, children: 0 };
  global[BEFORE] = used;
  const line = {
    file: path.relative(packageRoot(), file),
    ...{ own: used.own - before.own, children: used.children - before.children },
  };
  appendFileSync(path.join(runDir, "cpu.jsonl"), `${JSON.stringify(line)}\n`);
}

interface CpuSeconds {
  readonly own: number;
  /** Of children that exited and were reaped. */
  readonly children: number;
}

function cpuSecondsOf(pid: string): CpuSeconds | undefined {
  if (process.platform !== "linux") return undefined;
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // Fields 14 to 17: utime, stime, cutime, cstime; the name before them may contain spaces. See proc_pid_stat(5).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const at = (field: number) => Number(fields[field - 3]) / TICKS_PER_SECOND;
  return { own: at(14) + at(15), children: at(16) + at(17) };
}

/** CPU seconds of all exited children of this process; 0 where unavailable. */
export const childrenSeconds = (): number => cpuSecondsOf("self")?.children ?? 0;

/**
 * Prints the usage of each suite, most expensive first, with a warning for each that exceeds its budget. Never fails. Call it
 * after the servers have exited; `vitestSeconds`: CPU of vitest and its workers.
 */
export async function reportCpu(runDir: string, vitestSeconds: number): Promise<void> {
  const text = await readFile(path.join(runDir, "cpu.jsonl"), "utf8").catch(() => "");
  if (text === "") return;
  const budget = readBudget();
  const used = new Map<string, number>();
  for (const line of text.trim().split("\n")) {
    const { file, own, children }: CpuSeconds & { readonly file: string } = JSON.parse(line);
    const suite = suiteOf(file, budget);
    used.set(suite, (used.get(suite) ?? 0) + own + children);
  }
  const files = sum([...used.values()]);
  used.set(VITEST, Math.max(0, vitestSeconds - files));
  used.set(SERVERS, Math.max(0, childrenSeconds() - vitestSeconds));
  const total = sum([...used.values()]);
  const suites = [...used].sort(([, a], [, b]) => b - a).filter(([, seconds]) => seconds >= 1);
  console.log(`CPU seconds, ${total.toFixed(0)} in all (budget of all suites: ${sum(Object.values(budget))}):`);
  for (const [suite, seconds] of suites) console.log(`  ${seconds.toFixed(0).padStart(5)}  ${suite}`);
  for (const [suite, seconds] of suites) {
    const allowed = budget[suite];
    if (allowed === undefined) console.warn(`WARNING: ${suite} has no CPU budget in ${BUDGET_FILE}`);
    else if (seconds > allowed)
      console.warn(
        `WARNING: ${suite} used ${seconds.toFixed(0)} CPU seconds, its budget is ${allowed} (${BUDGET_FILE})`,
      );
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

function suiteOf(file: string, budget: Readonly<Record<string, number>>): string {
  const matching = Object.keys(budget).filter((suite) => file === suite || file.startsWith(`${suite}/`));
  return matching.sort((a, b) => b.length - a.length)[0] ?? (file.split("/")[0] as string);
}
