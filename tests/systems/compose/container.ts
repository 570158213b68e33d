import { type ChildProcess, execFile, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { waitFor } from "../../servers/servers.js";

const run = promisify(execFile);

export interface ContainerSpec {
  /** Docker's name: `billing`, and `billing-2` for a second replica. */
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  /** The complete environment, without this process's. */
  readonly env: Readonly<Record<string, string>>;
  /** The compose file's `healthcheck.test`, run as a process like Docker does. */
  readonly healthcheck: readonly [string, ...string[]];
  /** Until this answers with success, the health check is not tried: each try costs a process. */
  readonly readyUrl: string;
  /** Whether it is restarted after it exits (`restart: unless-stopped`). */
  readonly restarts: boolean;
  /** Its working directory and log. */
  readonly dir: string;
}

/** A container as its operator sees it: a supervised process with a health status. */
export interface Container {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  /** Of the process that runs, or ran last. */
  pid(): number;
  /**
   * Sends the signal; unless it only pauses or resumes, waits for the exit and returns the exit code. After SIGTERM it stays
   * down, as after `docker stop`; after any other signal it is restarted.
   */
  kill(signal: NodeJS.Signals): Promise<number | null>;
  /** Starts it when it is down; resolves when it is healthy. `own`: from now on in addition to its environment. */
  restart(own?: Readonly<Record<string, string>>): Promise<void>;
  /** The number of automatic restarts. */
  restartCount(): number;
  output(): Promise<string>;
  /** The files it left in its working directory; a container's is read-only. */
  litter(): Promise<readonly string[]>;
  /** SIGTERM, then SIGKILL if necessary. */
  stop(): Promise<void>;
}

const HEALTHY_DEADLINE_MS = 240_000;
const STOP_GRACE_MS = 15_000;
/** Docker's back-off: doubled each time, reset after ten seconds of uptime. */
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 60_000;
const RAN_WELL_MS = 10_000;

/** Starts the process; it is not healthy yet when this resolves. */
export async function startContainer(spec: ContainerSpec): Promise<Container> {
  const cwd = path.join(spec.dir, spec.name);
  const log = path.join(spec.dir, `${spec.name}.log`);
  await mkdir(cwd, { recursive: true });
  let wanted = true;
  let restarts = 0;
  let backoffMs = FIRST_BACKOFF_MS;
  let env = spec.env;
  let again: NodeJS.Timeout | undefined;
  let child = launch();

  function launch(): ChildProcess {
    const [command, ...args] = spec.command;
    const output = openSync(log, "a");
    const startedAt = Date.now();
    const started = spawn(command, args, { cwd, env, stdio: ["ignore", output, output] });
    closeSync(output);
    started.once("exit", () => {
      if (!wanted || !spec.restarts) return;
      if (Date.now() - startedAt > RAN_WELL_MS) backoffMs = FIRST_BACKOFF_MS;
      again = setTimeout(() => {
        restarts++;
        child = launch();
      }, backoffMs);
      backoffMs = Math.min(MAX_BACKOFF_MS, backoffMs * 2);
    });
    return started;
  }

  async function end(signal: NodeJS.Signals): Promise<number | null> {
    const ended = child;
    if (isGone(ended)) return ended.exitCode;
    const code = new Promise<number | null>((resolve) => ended.once("exit", (exitCode) => resolve(exitCode)));
    ended.kill(signal);
    return code;
  }

  const output = () => readFile(log, "utf8");
  return {
    name: spec.name,
    env: spec.env,
    pid: () => child.pid ?? 0,
    output,
    restartCount: () => restarts,
    litter: () => readdir(cwd),
    async kill(signal) {
      if (signal === "SIGSTOP" || signal === "SIGCONT") {
        child.kill(signal);
        return null;
      }
      if (signal === "SIGTERM") wanted = false;
      return end(signal);
    },
    async restart(own) {
      if (own !== undefined) env = { ...spec.env, ...own };
      wanted = true;
      clearTimeout(again);
      if (isGone(child)) child = launch();
      await untilHealthy(spec, output);
    },
    async stop() {
      wanted = false;
      clearTimeout(again);
      // A paused process does not handle SIGTERM.
      child.kill("SIGCONT");
      const killer = setTimeout(() => child.kill("SIGKILL"), STOP_GRACE_MS);
      await end("SIGTERM");
      clearTimeout(killer);
    },
  };
}

async function untilHealthy(spec: ContainerSpec, output: () => Promise<string>): Promise<void> {
  const [command, ...args] = spec.healthcheck;
  async function isHealthy(): Promise<boolean> {
    if (!(await fetch(spec.readyUrl)).ok) return false;
    await run(command, args, { env: spec.env });
    return true;
  }
  await waitFor(isHealthy, { what: `${spec.name} to be healthy`, deadlineMs: HEALTHY_DEADLINE_MS, pauseMs: 100 }).catch(
    async (error: Error) => {
      throw new Error(`${error.message}; it printed:\n${(await output()).slice(-5_000)}`, { cause: error });
    },
  );
}

function isGone(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
