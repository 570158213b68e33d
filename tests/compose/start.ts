import { mkdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import {
  type PrivateKafka,
  type PrivateRedis,
  startKafka,
  startPostgres,
  startRedis,
} from "../servers/private-servers.js";
import { serverDir } from "../servers/server-process.js";
import { freePort } from "../servers/servers.js";
import { build } from "../support/metrly.js";
import { type Compose, type ComposeService, exampleEnvironment, readCompose } from "./compose-file.js";
import { type Container, runOnce, startContainer } from "./container.js";
import { createOwnDatabase } from "./database.js";
import { type Edge, startEdge } from "./edge.js";
import { type Image, onThisMachine, readImage } from "./image.js";
import { inStartOrder, inStopOrder } from "./order.js";
import { type RoundRobin, startRoundRobin } from "./round-robin.js";

export interface ComposeOptions {
  /** What a person would write into `.env` over .env.example. */
  readonly env?: Readonly<Record<string, string>>;
  /** How many of each role, as `docker compose up --scale`; one by default. */
  readonly replicas?: number;
}

export interface RunningCompose {
  /** The edge. */
  readonly url: string;
  adminToken(): Promise<string>;
  /** By name: `billing`, and `billing-2` for a second one. */
  readonly processes: ReadonlyMap<string, Container>;
  readonly kafka: PrivateKafka;
  readonly redis: PrivateRedis;
  /** SIGTERM to every role, in the order of `docker compose stop`; 0, or the first exit code that is not. */
  terminate(): Promise<number | null>;
  /** Starts the roles that are down, in the order of `up`; resolves when all are healthy. */
  restart(): Promise<void>;
  /** Ends everything and deletes what it kept. */
  stop(): Promise<void>;
}

/**
 * `docker compose up` without Docker: the compose file's own services, their commands, environment, health checks and order,
 * as processes beside real Kafka, Redis, PostgreSQL and nginx. Only host names, ports and folders are this machine's.
 */
export async function startCompose(options: ComposeOptions = {}): Promise<RunningCompose> {
  build();
  const dir = await serverDir("compose");
  const world = createWorld(
    await readCompose({ ...(await exampleEnvironment()), ...options.env }),
    await readImage(),
    dir,
  );
  async function stop(): Promise<void> {
    for (const close of world.closers.splice(0).reverse()) await close();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
  try {
    for (const name of volumesOf(world.compose)) await mkdir(path.join(dir, "volumes", name), { recursive: true });
    await placeRoles(world, options.replicas ?? 1);
    await inStartOrder(world.compose, (name, service) => start(world, name, service));
    return describe(world, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

interface World {
  readonly compose: Compose;
  readonly image: Image;
  readonly dir: string;
  readonly closers: (() => Promise<void>)[];
  /** `service:port` in the compose file -> host:port on this machine. */
  readonly addresses: Map<string, string>;
  /** The ports of each replica of a role. */
  readonly ports: Map<string, readonly number[]>;
  readonly containers: Map<string, Container>;
  kafka?: PrivateKafka;
  redis?: PrivateRedis;
  edge?: Edge;
  /** One server for all services; its roles are kept apart by the same script as the compose file's servers. */
  postgres?: Promise<string>;
}

function createWorld(compose: Compose, image: Image, dir: string): World {
  return { compose, image, dir, closers: [], addresses: new Map(), ports: new Map(), containers: new Map() };
}

const ROLE_PORT = 4000;

/** Chooses where each role will listen, before anybody needs to know. */
async function placeRoles(world: World, replicas: number): Promise<void> {
  for (const [name, service] of Object.entries(world.compose.services)) {
    if (!isRole(service)) continue;
    const ports: number[] = [];
    while (ports.length < replicas) ports.push(await freePort());
    world.ports.set(name, ports);
    const addresses = ports.map((port) => `127.0.0.1:${port}`);
    const shared: RoundRobin | undefined = replicas > 1 ? await startRoundRobin(addresses) : undefined;
    if (shared !== undefined) world.closers.push(() => shared.close());
    world.addresses.set(`${name}:${ROLE_PORT}`, shared?.address ?? addresses[0] ?? "");
  }
}

const isRole = (service: ComposeService): boolean => service.build !== undefined && service.healthcheck !== undefined;

async function start(world: World, name: string, service: ComposeService): Promise<void> {
  if (isRole(service)) return startRole(world, name, service);
  if (service.build !== undefined)
    return runOnce({ name, command: commandOf(world, service), env: envOf(world, service) });
  const [image] = service.image.split(":");
  switch (image) {
    case "apache/kafka": {
      const kafka = await startKafka();
      world.kafka = kafka;
      world.closers.push(() => kafka.stop());
      world.addresses.set(`${name}:9092`, kafka.brokers[0] ?? "");
      return;
    }
    case "redis": {
      const redis = await startRedis({ appendOnly: true });
      world.redis = redis;
      world.closers.push(() => redis.stop());
      world.addresses.set(`${name}:6379`, new URL(redis.url).host);
      return;
    }
    case "postgres": {
      world.postgres ??= startSharedPostgres(world);
      // One after the other: on one server they change the same databases' rights.
      world.postgres = world.postgres.then(async (url) => {
        await createOwnDatabase(url, environmentOf(service));
        return url;
      });
      const url = await world.postgres;
      world.addresses.set(`${name}:5432`, new URL(url).host);
      return;
    }
    case "nginx": {
      const replicas = [...world.ports].map(
        ([role, ports]) => [role, ports.map((port) => `127.0.0.1:${port}`)] as const,
      );
      const edge = await startEdge(service.command ?? [], new Map(replicas));
      world.edge = edge;
      world.closers.push(() => edge.stop());
      return;
    }
    default:
      throw new Error(`${name}: nobody here knows how to run ${service.image}`);
  }
}

async function startSharedPostgres(world: World): Promise<string> {
  const server = await startPostgres({ max_connections: "500" });
  world.closers.push(() => server.stop());
  return server.url();
}

async function startRole(world: World, name: string, service: ComposeService): Promise<void> {
  const [command, ...args] = service.healthcheck?.test.slice(1) ?? [];
  if (service.healthcheck?.test[0] !== "CMD" || command === undefined)
    throw new Error(`${name}: no health check by CMD`);
  const started = (world.ports.get(name) ?? []).map(async (port, n) => {
    const container = await startContainer({
      name: n === 0 ? name : `${name}-${n + 1}`,
      command: commandOf(world, service),
      env: { ...envOf(world, service), METRLY_PORT: String(port), METRLY_METRICS_PORT: String(await freePort()) },
      healthcheck: [onThisMachine(command), ...args],
      restarts: service.restart === "unless-stopped",
      dir: world.dir,
    });
    world.closers.push(() => container.stop());
    world.containers.set(container.name, container);
    await container.restart();
  });
  await Promise.all(started);
}

function commandOf(world: World, service: ComposeService): readonly [string, ...string[]] {
  const words = [...(service.entrypoint ?? world.image.entrypoint), ...(service.command ?? [])];
  const [command, ...args] = words.map((word) => inFoldersHere(world, service, onThisMachine(word)));
  if (command === undefined) throw new Error("a service without a command");
  return [command, ...args];
}

/** The container's whole environment, with this machine's addresses and folders. */
function envOf(world: World, service: ComposeService): Record<string, string> {
  const env = { ...world.image.env, ...environmentOf(service), METRLY_HOST: "127.0.0.1", PATH: process.env.PATH ?? "" };
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => [name, inFoldersHere(world, service, withAddresses(world, value))]),
  );
}

function withAddresses({ addresses }: World, text: string): string {
  let mapped = text;
  for (const [from, to] of addresses) mapped = mapped.replace(new RegExp(`(?<![\\w-])${from}(?!\\d)`, "g"), to);
  return mapped;
}

function volumesOf({ services }: Compose): readonly string[] {
  const volumes = Object.values(services).flatMap(({ volumes }) => volumes ?? []);
  return volumes.map((volume) => volume.split(":")[0] ?? "").filter((name) => !name.startsWith("."));
}

/** `gateway:/var/lib/metrly/data` becomes a folder of this run, also inside a script. */
function inFoldersHere({ dir }: World, service: ComposeService, text: string): string {
  let mapped = text;
  for (const volume of service.volumes ?? []) {
    const [name = "", at = ""] = volume.split(":");
    if (!name.startsWith(".")) mapped = mapped.replaceAll(at, path.join(dir, "volumes", name));
  }
  return mapped;
}

function environmentOf(service: ComposeService): Record<string, string> {
  return Object.fromEntries(Object.entries(service.environment ?? {}).map(([name, value]) => [name, String(value)]));
}

function describe(world: World, stop: () => Promise<void>): RunningCompose {
  const { kafka, redis, edge, containers, compose, dir } = world;
  if (kafka === undefined || redis === undefined || edge === undefined)
    throw new Error("the compose file lacks Kafka, Redis or nginx");
  const containersOf = (name: string) =>
    (world.ports.get(name) ?? []).flatMap((_, n) => containers.get(n === 0 ? name : `${name}-${n + 1}`) ?? []);
  return {
    url: edge.url,
    processes: containers,
    kafka,
    redis,
    stop,
    adminToken: async () => (await readFile(path.join(dir, "volumes", "gateway", "admin-token"), "utf8")).trim(),
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
