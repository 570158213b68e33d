import { spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";

export interface Ended {
  /** Null: it was ended here, for its processor time or because of an interruption. */
  readonly code: number | null;
  readonly output: string;
  /** Processor time of it and what it started, s; what it left behind is not counted. */
  readonly cpuSeconds: number;
}

export interface Limits {
  readonly cpuSeconds: number;
  readonly interrupted: () => boolean;
}

const LOOK_EVERY_MS = 500;
/** Linux counts in clock ticks of 1/100 s. */
const TICKS_PER_SECOND = 100;
const MAX_OUTPUT = 1 << 20;

/** Runs a Node program in a process group of its own, and ends the group with it. The limit is of processor time: a busy machine is slow. */
export async function runLimited(
  args: readonly string[],
  { cwd, env }: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
  limits: Limits,
): Promise<Ended> {
  const child = spawn(process.execPath, args, { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      output = (output + chunk.toString("utf8")).slice(-MAX_OUTPUT);
    });
  let code: number | null | undefined;
  child.once("exit", (status) => {
    code = status;
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${args[0]} could not be started`);
  let cpuSeconds = 0;
  while (code === undefined) {
    await wait(LOOK_EVERY_MS);
    cpuSeconds = Math.max(cpuSeconds, await cpuOfGroup(pid));
    if (cpuSeconds > limits.cpuSeconds || limits.interrupted()) endGroup(pid);
  }
  endGroup(pid);
  return { code, output, cpuSeconds };
}

/** It may have ended. */
function endGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nothing is left of it.
  }
}

/** Of the processes of a group, and of what they started and have seen end. */
async function cpuOfGroup(group: number): Promise<number> {
  let ticks = 0;
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    // After the name, which may contain spaces: state, ppid, pgrp; fields 14 to 17 are the times. See proc_pid_stat(5).
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (Number(fields[2]) !== group) continue;
    for (const field of [14, 15, 16, 17]) ticks += Number(fields[field - 3]);
  }
  return ticks / TICKS_PER_SECOND;
}
