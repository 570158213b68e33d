import { type ChildProcess, execFile, fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { promisify } from "node:util";
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
  const tsc = path.join(packageRoot(), "node_modules/typescript/bin/tsc");
  await run(process.execPath, [tsc, "-p", "tsconfig.json", "--outDir", BUILD_DIR], { cwd: packageRoot() });
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
  /** Sends it a message. */
  tell(message: string): void;
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
  const child = fork(built(name), [JSON.stringify(options)], { execArgv: [MEASURED, ...profilerOf(profileDir)] });
  const listening = await message<Listening & More>(child, "listening");
  return {
    ...listening,
    tell: (message) => void child.send(message),
    async usage() {
      child.send("usage");
      return message<Usage>(child, "usage");
    },
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

/** Runs a program of a benchmark and returns its output; call `buildMeasured` first. */
export async function runMeasured(name: string, args: readonly string[], profileDir?: string): Promise<string> {
  const { stdout } = await run(process.execPath, [MEASURED, ...profilerOf(profileDir), built(name), ...args]);
  return stdout;
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
}

export async function load(server: Listening, options: LoadOptions): Promise<LoadResult> {
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
  };
  const flags = Object.entries(args).map(([name, value]) => `--${name}=${value}`);
  return JSON.parse(await runMeasured("support/load", flags));
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
