import { type ChildProcess, execFile, fork } from "node:child_process";
import { once } from "node:events";
import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { getPriority, setPriority } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { build as esbuild } from "esbuild";
import { packageRoot } from "#platform/process/package-root.js";
import { findKafka } from "../../tests/servers/kafka.js";
import { build } from "../../tests/support/build.js";
import type { LoadResult } from "./load.js";
import { EVENT_BYTES, type TemplateOptions } from "./requests.js";

const run = promisify(execFile);
/** Below the package, so that its dependencies are found. */
const BUILD_DIR = path.join(packageRoot(), ".cache", "bench");

/** Measured code runs as in the product: compiled, without a loader. */
export async function buildMeasured(): Promise<void> {
  await build();
  const root = packageRoot();
  const files = await Promise.all(
    SOURCES.map(async (folder) => {
      const entries = await readdir(path.join(root, folder), { recursive: true, withFileTypes: true });
      return entries.filter(isSource).map(({ parentPath, name }) => path.join(parentPath, name));
    }),
  );
  await esbuild({
    ...{ entryPoints: files.flat(), outdir: BUILD_DIR, outbase: root, format: "esm", platform: "node" },
    ...{ target: "node20.19", keepNames: true, sourcemap: true },
  });
}

/** The rooms that measured code is of. */
const SOURCES = ["kernel", "schema", "platform", "gateway", "workers", "cli", "prisma", "tests", "bench"];

function isSource({ name }: Dirent): boolean {
  return name.endsWith(".ts") && !/\.(test|d)\.ts$/.test(name);
}

/** Lets the `#` imports of compiled files find compiled ones: see package.json. */
const MEASURED = "--conditions=measured";

const built = (name: string): string => path.join(BUILD_DIR, "bench", `${name}.js`);

/** The first message of a measured server. */
export interface Listening {
  readonly port: number;
  readonly key: string;
  /** Of several tenants, if there are. */
  readonly keys?: Readonly<Record<string, string>>;
}

export interface Usage {
  readonly cpuMs: number;
  readonly rssMb: number;
  readonly peakRssMb: number;
}

/** A server of a benchmark in a separate process; call `buildMeasured` first. */
export interface MeasuredServer extends Listening {
  readonly pid: number;
  /** Sends it a message. */
  tell(message: string): void;
  /** Sends it a message, and resolves with its next one of this kind. */
  ask<T>(message: string, kind: string): Promise<T>;
  usage(): Promise<Usage>;
  stop(): Promise<void>;
}

/** `More`: what its first message has beyond the usual. `profileDir`: writes a CPU profile there when it is stopped. */
export async function startServer<More extends object = object>(
  /** Below `bench/`, without its extension. */
  name: string,
  options: Readonly<Record<string, unknown>>,
  profileDir?: string,
): Promise<MeasuredServer & More> {
  return startProgram<More>(built(name), options, [MEASURED, ...profilerOf(profileDir)]);
}

/** Any program that speaks the protocol of `measured.ts`, by its path. */
export async function startProgram<More extends object = object>(
  file: string,
  options: Readonly<Record<string, unknown>>,
  execArgv: readonly string[] = [],
): Promise<MeasuredServer & More> {
  const child = fork(file, [JSON.stringify(options)], { execArgv: [...execArgv] });
  const listening = await message<Listening & More>(child, "listening");
  async function ask<T>(what: string, kind: string): Promise<T> {
    child.send(what);
    return message<T>(child, kind);
  }
  return {
    ...listening,
    ask,
    pid: child.pid ?? 0,
    tell: (message) => void child.send(message),
    usage: () => ask<Usage>("usage", "usage"),
    async stop() {
      if (child.exitCode !== null) return;
      const ended = once(child, "exit");
      child.send("stop");
      await ended;
    },
  };
}

const profilerOf = (dir: string | undefined): string[] =>
  dir === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${dir}`];

/** Messages are `{ kind, … }`; an early exit is an error. */
function message<T>(child: ChildProcess, kind: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const listen = (received: { readonly kind: string } & T) => {
      if (received.kind !== kind) return;
      child.off("message", listen);
      child.off("exit", ended);
      resolve(received);
    };
    const ended = (code: number | null) => reject(new Error(`a measured server ended with ${code}`));
    child.on("message", listen);
    child.once("exit", ended);
  });
}

export interface RunOptions {
  readonly profileDir?: string | undefined;
}

/** Runs a program of a benchmark and returns its output; call `buildMeasured` first. */
export async function runMeasured(name: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { stdout } = await run(process.execPath, [MEASURED, ...profilerOf(options.profileDir), built(name), ...args]);
  return stdout;
}

/** A process that stands for other machines: the processor goes to the servers and this process first. */
export function lowerPriority(pid: number): void {
  setPriority(pid, Math.min(19, getPriority() + 10));
}

export interface LoadOptions {
  readonly connections: number;
  readonly events: number;
  readonly seconds: number;
  readonly warmup?: number;
  readonly repeatPercent?: number;
  readonly rate?: number;
  /** Usage events are the default. */
  readonly of?: TemplateOptions["of"];
  readonly request?: TemplateOptions["request"];
}

export async function load(server: Listening, options: LoadOptions): Promise<LoadResult> {
  return JSON.parse(await runMeasured("support/load", loadFlags(server, options)));
}

/** Load from other machines, until it is ended; resolves when each connection has had an answer. */
export async function startLoad(server: Listening, options: Omit<LoadOptions, "seconds" | "warmup">) {
  const flags = loadFlags(server, { ...options, seconds: Number.POSITIVE_INFINITY, warmup: 0 });
  const child = fork(built("support/load"), flags, { execArgv: [MEASURED] });
  if (child.pid !== undefined) lowerPriority(child.pid);
  await message(child, "begun");
  return {
    end(): Promise<LoadResult> {
      const ended = message<LoadResult>(child, "ended");
      child.send("end");
      return ended;
    },
  };
}

function loadFlags(server: Listening, options: LoadOptions): string[] {
  const args = {
    port: server.port,
    key: server.key,
    connections: options.connections,
    events: options.events,
    seconds: options.seconds,
    warmup: options.warmup ?? 2,
    "repeat-percent": options.repeatPercent ?? 0,
    rate: options.rate ?? 0,
    of: options.of ?? "events",
    request: JSON.stringify(options.request ?? null),
  };
  return Object.entries(args).map(([name, value]) => `--${name}=${value}`);
}

/** Records per second of Kafka's own producer benchmark: acks=all, its defaults, records as long as our events. */
export async function producerPerformance(brokers: readonly string[], topic: string, records: number): Promise<number> {
  const { stdout } = await run("java", [
    ...["-cp", await findKafka(), "org.apache.kafka.tools.ProducerPerformance"],
    ...["--topic", topic, "--num-records", String(records), "--record-size", String(EVENT_BYTES)],
    ...["--throughput", "-1", "--producer-props", `bootstrap.servers=${brokers.join(",")}`, "acks=all"],
  ]);
  const line = stdout.trim().split("\n").at(-1) ?? "";
  return Number(/([\d.]+) records\/sec/.exec(line)?.[1]);
}
