import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { RUN_DIR_VARIABLE } from "./run-dir.js";
import { waitFor } from "./servers.js";

export interface ServerSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Working directory, and where `log` is. */
  readonly dir: string;
  /** The output that indicates readiness. */
  readonly readyLine: RegExp;
  readonly deadlineMs?: number;
}

export interface ServerProcess {
  /** Of the process that runs, or ran last. */
  pid(): number;
  /** Sends the signal; waits for the exit, unless the signal only pauses or resumes the server. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Restarts it with the same arguments and files, after a `kill`. `own`: in addition to its environment. */
  restart(own?: Readonly<Record<string, string>>): Promise<void>;
  /** Terminates it in any state. */
  stop(): Promise<void>;
}

/** Starts a server and waits until it is ready; throws with the end of its output when it is not. */
export async function startServerProcess(spec: ServerSpec): Promise<ServerProcess> {
  let child = await launch(spec);
  return {
    pid: () => child.pid ?? 0,
    async kill(signal) {
      child.kill(signal);
      if (signal === "SIGSTOP") await standsStill(spec, child);
      else if (signal !== "SIGCONT") await goneAfter(signal, spec, child);
    },
    async restart(own = {}) {
      await gone(spec, child);
      child = await launch({ ...spec, env: { ...spec.env, ...own } });
    },
    async stop() {
      // A paused process does not handle SIGTERM.
      child.kill("SIGCONT");
      child.kill("SIGTERM");
      await gone(spec, child).catch(async () => {
        child.kill("SIGKILL");
        await gone(spec, child);
      });
      await rm(spec.dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}

async function launch(spec: ServerSpec): Promise<ChildProcess> {
  const log = path.join(spec.dir, "log");
  await writeFile(log, "");
  const output = openSync(log, "a");
  const child = spawn(spec.command, spec.args, {
    cwd: spec.dir,
    env: { ...process.env, ...spec.env },
    stdio: ["ignore", output, output],
    // Under the runner, Ctrl-C must let the tests end first; without it, Ctrl-C alone stops the server.
    detached: process.env[RUN_DIR_VARIABLE] !== undefined,
  });
  closeSync(output);
  let failure: string | undefined;
  child.once("error", (error) => {
    failure = error.message;
  });
  const isReady = async () => {
    const text = await readFile(log, "utf8");
    const isDead = failure !== undefined || child.exitCode !== null || child.signalCode !== null;
    return isDead ? "dead" : spec.readyLine.test(text) && "ready";
  };
  const state = await waitFor(isReady, { what: `${spec.name} to start`, deadlineMs: spec.deadlineMs ?? 240_000 }).catch(
    () => "late",
  );
  if (state === "ready") return child;
  child.kill("SIGKILL");
  const said = (await readFile(log, "utf8")).split("\n").slice(-15).join("\n");
  throw new Error(`${spec.name} did not start (${failure ?? state}):\n${said}`);
}

/** A thread on another core runs for a moment after the signal. */
async function standsStill(spec: ServerSpec, child: ChildProcess): Promise<void> {
  if (process.platform !== "linux") return;
  const tasks = `/proc/${child.pid}/task`;
  const isStopped = async (task: string) => {
    const stat = await readFile(path.join(tasks, task, "stat"), "utf8").catch(() => ") T");
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T");
  };
  await waitFor(async () => (await Promise.all((await readdir(tasks)).map(isStopped))).every(Boolean), {
    what: `${spec.name} to stand still`,
  });
}

/** Repeats the signal: Redis refuses to end while it writes its first append-only file, and forgets that it was told to. */
async function goneAfter(signal: NodeJS.Signals, spec: ServerSpec, child: ChildProcess): Promise<void> {
  const again = setInterval(() => child.kill(signal), 1_000);
  await gone(spec, child).finally(() => clearInterval(again));
}

async function gone(spec: ServerSpec, child: ChildProcess): Promise<void> {
  await waitFor(() => child.pid === undefined || child.exitCode !== null || child.signalCode !== null, {
    what: `${spec.name} to end`,
  });
}
