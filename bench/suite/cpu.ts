import { readdir, readFile } from "node:fs/promises";

/** Linux counts in hundredths of a second (USER_HZ), whatever the kernel's own clock. */
const TICK_MS = 10;

/**
 * CPU time of these processes and all their descendants until now, ms, by the operating system. What a process had used counts for its
 * parent when it has ended. NaN where there is no /proc.
 */
export async function cpuMsOf(pids: readonly number[]): Promise<number> {
  if (process.platform !== "linux") return Number.NaN;
  const all = await processes();
  const childrenOf = (pid: number) => all.filter(({ parent }) => parent === pid);
  const waiting = all.filter(({ pid }) => pids.includes(pid));
  const seen = new Set<number>();
  let ticks = 0;
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (seen.has(next.pid)) continue;
    seen.add(next.pid);
    ticks += next.ticks;
    waiting.push(...childrenOf(next.pid));
  }
  return ticks * TICK_MS;
}

/** The same of all that this process has started and that still run: of a load generator neither before nor afterwards. */
export async function cpuMsOfChildren(): Promise<number> {
  if (process.platform !== "linux") return Number.NaN;
  return cpuMsOf((await processes()).filter(({ parent }) => parent === process.pid).map(({ pid }) => pid));
}

interface Stat {
  readonly pid: number;
  readonly parent: number;
  /** User and system time, with those of children that have ended. */
  readonly ticks: number;
}

async function processes(): Promise<Stat[]> {
  const names = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  return (await Promise.all(names.map(statOf))).filter((stat) => stat !== undefined);
}

/** See proc_pid_stat(5); the second field is a name that may contain anything. */
async function statOf(pid: string): Promise<Stat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const [, parent, ...rest] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const ticks = rest.slice(9, 13).reduce((sum, field) => sum + Number(field), 0);
  return { pid: Number(pid), parent: Number(parent), ticks };
}
