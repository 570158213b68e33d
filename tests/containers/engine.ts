import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { packageRoot } from "#platform/process/package-root.js";
import { freePort } from "../servers/servers.js";

const run = promisify(execFile);
const LONGEST_OUTPUT = 64 << 20;

/** The repository's compose file on a real engine, as a project of its own. */
export interface Project {
  readonly url: string;
  /** Runs `docker compose` with these arguments; returns what it printed. Throws when it fails. */
  compose(...args: string[]): Promise<string>;
  /** Runs a command in a service's container; returns its standard output. */
  exec(service: string, ...command: string[]): Promise<string>;
  docker(...args: string[]): Promise<string>;
  /** Deletes its containers, networks and volumes; the image stays. */
  remove(): Promise<void>;
}

export async function openProject(env: Readonly<Record<string, string>> = {}): Promise<Project> {
  const port = await freePort();
  const name = `metrly-test-${process.pid}`;
  const options = {
    cwd: packageRoot(),
    env: { ...process.env, ...env, METRLY_PORT: String(port) },
    maxBuffer: LONGEST_OUTPUT,
  };
  async function docker(...args: string[]): Promise<string> {
    const { stdout, stderr } = await run("docker", args, options);
    return stdout + stderr;
  }
  // Without values of the checkout's own .env.
  const compose = (...args: string[]) =>
    docker("compose", "--project-name", name, "--env-file", "/dev/null", "--progress", "plain", ...args);
  return {
    url: `http://127.0.0.1:${port}`,
    compose,
    docker,
    exec: (service, ...command) => compose("exec", "-T", service, ...command),
    remove: async () => void (await compose("down", "--volumes", "--timeout", "20")),
  };
}
