import { mkdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import {
  type KafkaPlace,
  type PrivateKafka,
  type PrivatePostgres,
  type PrivateRedis,
  startKafka,
  startPostgres,
  startRedis,
} from "../../servers/private-servers.js";
import { serverDir } from "../../servers/run-dir.js";
import { freePort } from "../../servers/servers.js";
import { build } from "../../support/build.js";
import { type ComposeService, exampleEnvironment, readCompose } from "./compose-file.js";
import { type Container, startContainer } from "./container.js";
import { createOwnDatabase } from "./database.js";
import { type Edge, startEdge } from "./edge.js";
import { onThisMachine, readImage } from "./image.js";
import { runOnce } from "./once.js";
import { inStartOrder, inStopOrder } from "./order.js";
import {
  commandOf,
  environmentOf,
  envOf,
  inFoldersHere,
  isRole,
  placeRoles,
  replicaName,
  replicasOf,
  roleAddress,
  volumeDir,
  volumesOf,
  type World,
} from "./world.js";

export interface ComposeOptions {
  /** Settings as in `.env`, overriding .env.example. */
  readonly env?: Readonly<Record<string, string>>;
  /** Replicas per role, as in `docker compose up --scale`; one by default. */
  readonly replicas?: number;
  /** What stands between the processes; by default nothing. */
  readonly network?: Network;
  /** Flags of Node for all roles. */
  readonly roleFlags?: (role: string) => string;
}

/** Decides how the processes reach each other. */
export interface Network {
  readonly kafkaPlace: KafkaPlace;
  kafkaStarted(kafka: PrivateKafka): void;
  postgresStarted(postgres: PrivatePostgres): void;
  /** `service:port` -> host:port, for one process. */
  addressesOf(from: string, addresses: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, string>>;
}

export interface RunningCompose {
  /** The edge. */
  readonly url: string;
  adminToken(): Promise<string>;
  /** The gateway's volume: its keys and the admin's token. */
  readonly gatewayDir: string;
  /** By name: `billing`, and `billing-2` for a second replica. */
  readonly processes: ReadonlyMap<string, Container>;
  readonly kafka: PrivateKafka;
  readonly redis: PrivateRedis;
  /** One server for all services' databases. */
  readonly postgres: PrivatePostgres;
  /** SIGTERM to every role, in the order of `docker compose stop`; 0, or the first exit code that is not. */
  terminate(): Promise<number | null>;
  /** Starts the stopped roles, in the order of `up`; resolves when all are healthy. */
  restart(): Promise<void>;
  /** Stops everything and deletes its data. */
  stop(): Promise<void>;
}

/**
 * `docker compose up` without Docker: the compose file's own services, commands, environment, health checks and order, as
 * processes with real Kafka, Redis, PostgreSQL and nginx. Only host names, ports and folders are this machine's.
 */
export async function startCompose(options: ComposeOptions = {}): Promise<RunningCompose> {
  await build();
  const system = await createSystem(options);
  async function stop(): Promise<void> {
    for (const close of system.closers.splice(0).reverse()) await close();
    await rm(system.dir, { recursive: true, force: true, maxRetries: 5 });
  }
  try {
    for (const name of volumesOf(system.compose)) await mkdir(volumeDir(system, name), { recursive: true });
    await placeRoles(system, options.replicas ?? 1);
    await inStartOrder(system.compose, (name, service) => start(system, name, service));
    return await describe(system, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The world with its processes. */
interface System extends World {
  readonly options: ComposeOptions;
  readonly containers: Map<string, Container>;
  kafka?: PrivateKafka;
  redis?: PrivateRedis;
  edge?: Edge;
  /** One server for all services; the compose file's own script separates its roles. */
  postgres?: Promise<PrivatePostgres>;
}

async function createSystem(options: ComposeOptions): Promise<System> {
  return {
    options,
    compose: await readCompose({ ...(await exampleEnvironment()), ...options.env }),
    image: await readImage(),
    dir: await serverDir("compose"),
    closers: [],
    addresses: new Map(),
    ports: new Map(),
    containers: new Map(),
  };
}

async function start(system: System, name: string, service: ComposeService): Promise<void> {
  if (isRole(service)) return startRole(system, name, service);
  if (service.build !== undefined) return runOnce(system, name, service);
  const startServer = SERVERS[service.image.split(":")[0] ?? ""];
  if (startServer === undefined) throw new Error(`${name}: nobody here knows how to run ${service.image}`);
  await startServer(system, name, service);
}

/** How third-party images of the compose file are run here. */
const SERVERS: Readonly<Record<string, (system: System, name: string, service: ComposeService) => Promise<void>>> = {
  async "apache/kafka"(system, name, service) {
    const settings = Object.entries(environmentOf(service))
      .filter(([variable]) => variable.startsWith("KAFKA_") && variable !== "KAFKA_HEAP_OPTS")
      .map(([variable, value]) => [
        variable.slice("KAFKA_".length).toLowerCase().replaceAll("_", "."),
        inFoldersHere(system, service, value),
      ]);
    const kafka = await startKafka(Object.fromEntries(settings), system.options.network?.kafkaPlace);
    system.options.network?.kafkaStarted(kafka);
    system.closers.push(() => kafka.stop());
    system.kafka = kafka;
    system.addresses.set(`${name}:9092`, kafka.brokers[0] ?? "");
  },
  async redis(system, name, service) {
    const flags = service.command?.slice(1).map((word) => inFoldersHere(system, service, word));
    const redis = await startRedis({ flags: flags ?? [] });
    system.closers.push(() => redis.stop());
    system.redis = redis;
    system.addresses.set(`${name}:6379`, new URL(redis.url).host);
  },
  async postgres(system, name, service) {
    // Sequential: on one server they change the same databases' rights.
    system.postgres = (system.postgres ?? startSharedPostgres(system)).then(async (server) => {
      await createOwnDatabase(server.url(), envOf(system, service));
      return server;
    });
    system.addresses.set(`${name}:5432`, new URL((await system.postgres).url()).host);
  },
  async nginx(system, _, service) {
    const edge = await startEdge(service.command ?? [], await upstreamsOf(system));
    system.closers.push(() => edge.stop());
    system.edge = edge;
  },
};

async function startSharedPostgres(system: System): Promise<PrivatePostgres> {
  const server = await startPostgres({ max_connections: "500", fsync: "off" });
  system.options.network?.postgresStarted(server);
  system.closers.push(() => server.stop());
  return server;
}

/** The addresses of each role's replicas, or of the network in front of them. */
async function upstreamsOf(system: System): Promise<ReadonlyMap<string, readonly string[]>> {
  const roles = [...system.ports.keys()];
  const through = await system.options.network?.addressesOf("edge", roleAddresses(system));
  return new Map(
    roles.map((role) => {
      const address = through?.get(roleAddress(role));
      return [role, address === undefined ? replicasOf(system, role) : [address]] as const;
    }),
  );
}

function roleAddresses(system: System): ReadonlyMap<string, string> {
  const names = new Set([...system.ports.keys()].map(roleAddress));
  return new Map([...system.addresses].filter(([name]) => names.has(name)));
}

async function startRole(system: System, name: string, service: ComposeService): Promise<void> {
  const [kind, command, ...args] = service.healthcheck?.test ?? [];
  const { network, roleFlags } = system.options;
  const addresses = (await network?.addressesOf(name, system.addresses)) ?? system.addresses;
  const env = envOf({ ...system, addresses }, service);
  const nodeOptions = [env.NODE_OPTIONS, roleFlags?.(name)].filter(Boolean).join(" ");
  if (kind !== "CMD" || command === undefined) throw new Error(`${name}: no health check by CMD`);
  const started = (system.ports.get(name) ?? []).map(async (port, n) => {
    const container = await startContainer({
      name: replicaName(name, n),
      command: commandOf(system, service),
      env: {
        ...{ ...env, NODE_OPTIONS: nodeOptions },
        ...{ METRLY_PORT: String(port), METRLY_METRICS_PORT: String(await freePort()) },
      },
      healthcheck: [onThisMachine(command), ...args],
      readyUrl: `http://127.0.0.1:${port}/readyz`,
      restarts: service.restart === "unless-stopped",
      dir: path.join(system.dir, "containers"),
    });
    system.closers.push(() => container.stop());
    system.containers.set(container.name, container);
    await container.restart();
  });
  await Promise.all(started);
}

async function describe(system: System, stop: () => Promise<void>): Promise<RunningCompose> {
  const { kafka, redis, edge, containers, compose } = system;
  const postgres = await system.postgres;
  if (kafka === undefined || redis === undefined || edge === undefined || postgres === undefined)
    throw new Error("the compose file lacks Kafka, Redis, PostgreSQL or nginx");
  const containersOf = (name: string) =>
    (system.ports.get(name) ?? []).flatMap((_, n) => containers.get(replicaName(name, n)) ?? []);
  return {
    url: edge.url,
    processes: containers,
    kafka,
    redis,
    postgres,
    stop,
    gatewayDir: volumeDir(system, "gateway"),
    adminToken: async () => (await readFile(path.join(volumeDir(system, "gateway"), "admin-token"), "utf8")).trim(),
    async terminate() {
      const codes: (number | null)[] = [];
      await inStopOrder(compose, async (name) => {
        codes.push(...(await Promise.all(containersOf(name).map((container) => container.kill("SIGTERM")))));
      });
      return codes.find((code) => code !== 0) ?? 0;
    },
    async restart() {
      await inStartOrder(compose, async (name) => {
        await Promise.all(containersOf(name).map((container) => container.restart()));
      });
    },
  };
}
