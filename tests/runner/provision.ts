import { Unavailable } from "../servers/cache.js";
import { findChromium } from "../servers/chromium.js";
import { KAFKA_VERSION } from "../servers/kafka.js";
import { findNginx } from "../servers/nginx.js";
import { startKafka, startPostgres, startRedis } from "../servers/private-servers.js";
import { findRedis } from "../servers/redis.js";

/** A server or program that tests find through an environment variable. */
interface Provision {
  readonly name: string;
  readonly variable: string;
  start(): Promise<{ readonly value: string; readonly version: string; readonly stop?: () => Promise<void> }>;
}

/** Each database that a test creates begins a checkpoint, after which whole pages would be logged, and is visited by vacuum. */
const NOT_DURABLE = { fsync: "off", full_page_writes: "off", autovacuum_naptime: "5min" };

const PROVISIONS: readonly Provision[] = [
  {
    name: "PostgreSQL",
    variable: "DATABASE_URL",
    async start() {
      const server = await startPostgres({ ...NOT_DURABLE, max_connections: "400", shared_buffers: "256MB" });
      return { value: server.url(), version: "from npm", stop: server.stop };
    },
  },
  {
    name: "Redis",
    variable: "REDIS_URL",
    async start() {
      const { version } = await findRedis();
      const server = await startRedis();
      return { value: server.url, version, stop: server.stop };
    },
  },
  {
    name: "Kafka",
    variable: "KAFKA_BROKERS",
    async start() {
      const server = await startKafka();
      return { value: server.brokers.join(","), version: KAFKA_VERSION, stop: server.stop };
    },
  },
  {
    name: "nginx",
    variable: "NGINX",
    async start() {
      const { command, version } = await findNginx();
      return { value: command, version };
    },
  },
  {
    name: "Chromium",
    variable: "CHROMIUM",
    async start() {
      const { command, version } = await findChromium();
      return { value: command, version };
    },
  },
];

export interface Provisioned {
  /** A line for each unavailable server; its tests are skipped. */
  readonly missing: readonly string[];
  stop(): Promise<void>;
}

/** Sets the variable of each server that is not set yet. `required`: a missing server is an error, shown in full. */
export async function provisionServers({ required }: { readonly required: boolean }): Promise<Provisioned> {
  const missing: string[] = [];
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => void (await Promise.allSettled(stops.map((end) => end())));

  async function provision({ name, variable, start }: Provision): Promise<void> {
    const given = process.env[variable];
    if (given) return console.log(`${name}: ${variable} is set, using that server`);
    try {
      const { value, version, stop: end } = await start();
      if (end !== undefined) stops.push(end);
      process.env[variable] = value;
      console.log(`${name} ${version} at ${value.replace(/\/\/.*@/, "//")}`);
    } catch (error) {
      if (!(error instanceof Unavailable) && !required) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      missing.push(`*** NO ${name.toUpperCase()}: ${reason}. Tests that need it are SKIPPED. ***`);
      console.error(missing.at(-1), required ? error : "");
    }
  }

  const results = await Promise.allSettled(PROVISIONS.map(provision));
  const failure = results.find((result) => result.status === "rejected");
  if (failure !== undefined) {
    await stop();
    throw failure.reason;
  }
  return { missing, stop };
}
