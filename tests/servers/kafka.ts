import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { copyFile, cp, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { packageRoot } from "#platform/process/package-root.js";
import { cached, Unavailable } from "./cache.js";
import { startServerProcess } from "./server-process.js";
import { freePort } from "./servers.js";

const run = promisify(execFile);

export const KAFKA_VERSION = "4.3.0";
const POM = path.join(packageRoot(), "tests/servers/kafka-pom.xml");
const HEAP = "-Xmx512m";
/** A broker of `npm test` lives too short for the optimizing compiler and the concurrent collector to pay off. */
const CHEAP_JVM: readonly string[] = [HEAP, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];
const CLASSES = "classes.jsa";
/** The line of a broker that takes requests. */
export const KAFKA_READY: RegExp = /Kafka Server started/;

/** The class path of a Kafka broker from Maven Central; needs java and, the first time, mvn. */
export async function findKafka(): Promise<string> {
  await run("java", ["-version"]).catch((cause: unknown) => {
    throw new Unavailable("no java in PATH", { cause });
  });
  try {
    const dir = await cached(`kafka-${KAFKA_VERSION}`, async (draft) => {
      // In a separate folder, because Maven writes beside the pom.
      await copyFile(POM, path.join(draft, "pom.xml"));
      const target = ["-DincludeScope=runtime", `-DoutputDirectory=${path.join(draft, "lib")}`];
      await run("mvn", ["-q", "-B", "-f", path.join(draft, "pom.xml"), "dependency:copy-dependencies", ...target]);
    });
    return path.join(dir, "lib", "*");
  } catch (cause) {
    const said =
      cause instanceof Error && "stdout" in cause ? /^\[ERROR\] (.*)$/m.exec(String(cause.stdout))?.[1] : undefined;
    throw new Unavailable(`Kafka ${KAFKA_VERSION} cannot be downloaded with mvn (${said ?? String(cause)})`, { cause });
  }
}

export type KafkaSettings = Readonly<Record<string, string>>;

/** Settings of a single broker without replication. */
const ALONE: KafkaSettings = {
  "offsets.topic.replication.factor": "1",
  "offsets.topic.num.partitions": "4",
  "transaction.state.log.replication.factor": "1",
  "transaction.state.log.min.isr": "1",
  "share.coordinator.state.topic.replication.factor": "1",
  "share.coordinator.state.topic.min.isr": "1",
  "group.initial.rebalance.delay.ms": "0",
  "auto.create.topics.enable": "false",
};

/**
 * Writes the configuration of one broker that is its own controller and formats its storage. `settings`: everything except the
 * data folder, and addresses: listeners on 9092 (for clients), 9093 (controller) and 9094 get ports here.
 */
export async function formatKafka(
  classPath: string,
  dir: string,
  ports: KafkaPorts,
  settings: KafkaSettings = ALONE,
): Promise<string> {
  const file = path.join(dir, "server.properties");
  await writeFile(file, properties({ ...settings, ...placeOf(dir, ports, settings) }));
  await cp(kafkaDataDir(await prepared(classPath)), kafkaDataDir(dir), { recursive: true });
  return file;
}

/** How a broker's JVM is started: under chaos and in benchmarks as an operator does. */
export async function jvmFlags(classPath: string): Promise<readonly string[]> {
  const flags = process.env.METRLY_TEST_LONG === "on" ? [HEAP] : CHEAP_JVM;
  return [...flags, `-XX:SharedArchiveFile=${path.join(await prepared(classPath), CLASSES)}`];
}

/**
 * A folder with a formatted storage, which depends on nothing but the version and the node's id, and with the classes that a
 * broker loads, parsed. A JVM that cannot read them ignores them.
 */
function prepared(classPath: string): Promise<string> {
  return cached(`kafka-${KAFKA_VERSION}-broker`, async (draft) => {
    const file = path.join(draft, "server.properties");
    await writeFile(file, properties({ ...ALONE, ...placeOf(draft, { broker: 9092, controller: 9093 }, ALONE) }));
    const clusterId = randomBytes(16).toString("base64url");
    const tool = ["kafka.tools.StorageTool", "format", "-t", clusterId, "-c", file];
    await run("java", [...CHEAP_JVM, "-cp", classPath, ...tool]);
    await archiveClasses(classPath, draft);
  });
}

/** Runs a broker once, on a copy of the storage: as it ends, it writes the classes that it has loaded. */
async function archiveClasses(classPath: string, draft: string): Promise<void> {
  const dir = path.join(draft, "once");
  await cp(kafkaDataDir(draft), kafkaDataDir(dir), { recursive: true });
  const file = path.join(dir, "server.properties");
  const ports = { broker: await freePort(), controller: await freePort() };
  await writeFile(file, properties({ ...ALONE, ...placeOf(dir, ports, ALONE) }));
  const flags = [...CHEAP_JVM, `-XX:ArchiveClassesAtExit=${path.join(draft, CLASSES)}`];
  const broker = await startServerProcess({
    name: "Kafka",
    command: "java",
    args: [...flags, "-cp", classPath, "kafka.Kafka", file],
    dir,
    readyLine: KAFKA_READY,
  });
  await broker.stop();
}

export interface KafkaPorts {
  readonly broker: number;
  readonly controller: number;
  /** For a listener inside the broker's machine, if `settings` have one. */
  readonly local?: number;
  /** The address advertised to clients, when a proxy is in front of the broker. */
  readonly advertised?: number;
}

const PLAIN: KafkaSettings = {
  listeners: "PLAINTEXT://:9092,CONTROLLER://:9093",
  "advertised.listeners": "PLAINTEXT://:9092",
  "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
};

function placeOf(dir: string, ports: KafkaPorts, settings: KafkaSettings): KafkaSettings {
  const { broker, controller, local = 0, advertised = broker } = ports;
  const { listeners = "", "advertised.listeners": addresses = "" } =
    settings.listeners === undefined ? PLAIN : settings;
  const here = (text: string, client: number) =>
    text.replaceAll(/\/\/[^:,]*:(909[234])\b/g, (_, port: string) => {
      const mapped = port === "9092" ? client : port === "9093" ? controller : local;
      return `//127.0.0.1:${mapped}`;
    });
  return {
    ...(settings.listeners === undefined && PLAIN),
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.quorum.voters": `1@127.0.0.1:${controller}`,
    listeners: here(listeners, broker),
    "advertised.listeners": here(addresses, advertised),
    "controller.listener.names": "CONTROLLER",
    "log.dirs": kafkaDataDir(dir),
  };
}

/** The log folder of a broker with its files in `dir`. */
export const kafkaDataDir = (dir: string): string => path.join(dir, "data");

function properties(settings: KafkaSettings): string {
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  return lines.join("");
}
