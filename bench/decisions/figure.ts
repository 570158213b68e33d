import { startPostgres, startRedis } from "../../tests/servers/private-servers.js";
import { ENVOY_RATELIMIT, THROTTLECRAB, whenAvailable } from "../peers/install.js";
import type { InProcessResult } from "../quota/in-process.js";
import { cpuMsOfChildren } from "../suite/cpu.js";
import type { Arena, Contestant, Figure, Measured } from "../suite/figure.js";
import { versionOf } from "../suite/versions.js";
import { type LoadOptions, load, type MeasuredServer, runMeasured, startServer } from "../support/processes.js";
import { type RateLimiter, startEnvoyRatelimit, startThrottlecrab } from "./rate-limiters.js";

const CONNECTIONS = 64;
/** Nobody meets it. */
const LIMIT = 1_000_000_000;
const LIMITER = "rate-limiter-flexible";
const HTTP = `over HTTP, one tenant, ${CONNECTIONS} connections`;
const TENANTS = [1, 1_000] as const;

export const DECISIONS: Figure = {
  name: "decisions",
  title: "Quota decisions",
  text: `One decision against one hard limit per minute, which nobody meets. Over HTTP each system answers at its own interface (JSON); in process,
256 are asked at once through the library. Metrly, rate-limiter-flexible and envoyproxy/ratelimit keep counters in the same Redis, throttlecrab in its own memory:
it loses them when it ends, and two of it do not share a limit. Metrly's decision is more: an API key and a plan are looked up, the usage is reserved under
the client's idempotency key and expires, a repeated request gets the same answer. CPU is that of all these servers while only one is asked; in process
that of the process and of Redis. The bare server answers as many bytes and decides nothing.`,
  columns: [
    { key: "perSecond", title: "decisions/s", better: "more", digits: 0 },
    { key: "cpuUs", title: "CPU µs per decision", better: "less", digits: 1 },
    { key: "redisCpuUs", title: "of these in Redis", better: "less", digits: 1 },
    { key: "p99Ms", title: "p99, ms", better: "less", digits: 1 },
  ],
  base: LIMITER,
  minutes: 4,
  seconds: 2,
  async start() {
    const stops: (() => Promise<void>)[] = [];
    const stop = async () => {
      for (const stopOne of stops.splice(0).reverse()) await stopOne();
    };
    try {
      const postgres = await startPostgres({ max_connections: "200" });
      stops.push(() => postgres.stop());
      process.env.DATABASE_URL = postgres.url();
      const redis = await startRedis();
      stops.push(() => redis.stop());
      const started = async (name: string): Promise<MeasuredServer> => {
        const server = await startServer(name, { redisUrl: redis.url, limit: String(LIMIT) });
        stops.push(() => server.stop());
        return server;
      };
      const peer = async (name: string, version: string, start: () => Promise<RateLimiter>) => {
        const limiter = await start();
        stops.push(() => limiter.stop());
        return [overHttp(name, "peer", version, { port: limiter.port, key: "none" }, limiter.request)];
      };
      const peers = [
        await whenAvailable("throttlecrab-server", () =>
          peer("throttlecrab-server", THROTTLECRAB, () => startThrottlecrab(LIMIT)),
        ),
        await whenAvailable("envoyproxy/ratelimit", () =>
          peer("envoyproxy/ratelimit", ENVOY_RATELIMIT, () => startEnvoyRatelimit(LIMIT, redis.url)),
        ),
      ];
      const contestants = [
        overHttp(
          LIMITER,
          "peer",
          `${versionOf(LIMITER)}, fastify ${versionOf("fastify")}`,
          await started("quota/server-limiter"),
        ),
        overHttp("Metrly", "metrly", undefined, await started("quota/server-gate")),
        ...peers.flatMap((one) => one.contestants),
        overHttp("bare node:http", "reference", undefined, await started("quota/server-bare")),
        ...TENANTS.flatMap((tenants) => inProcess(tenants, redis.url)),
      ];
      return { contestants, missing: peers.flatMap((one) => one.missing), stop } satisfies Arena;
    } catch (error) {
      await stop();
      throw error;
    }
  },
};

function overHttp(
  name: string,
  kind: Contestant["kind"],
  version: string | undefined,
  server: { readonly port: number; readonly key: string },
  request?: LoadOptions["request"],
): Contestant {
  return {
    ...{ name, kind, workload: HTTP, ...(version !== undefined && { version }) },
    async measure(seconds) {
      const options = { connections: CONNECTIONS, events: 1, of: "decisions", request } as const;
      await load(server, { ...options, seconds: seconds / 4, warmup: 0 });
      const before = await cpuMsOfChildren();
      const sent = await load(server, { ...options, seconds, warmup: 0 });
      const cpuMs = (await cpuMsOfChildren()) - before;
      const refused = Object.keys(sent.statuses).filter((status) => status !== "200");
      if (refused.length > 0) throw new Error(`${name} answered ${JSON.stringify(sent.statuses)}`);
      return { perSecond: sent.eventsPerSecond, cpuUs: (cpuMs * 1_000) / sent.requests, p99Ms: sent.p99 };
    },
  };
}

function inProcess(tenants: number, redisUrl: string): Contestant[] {
  const workload = `in one process, ${tenants === 1 ? "one tenant" : `${tenants.toLocaleString("en")} tenants`}, 256 at once`;
  const measure = async (of: string, seconds: number): Promise<Measured> => {
    const flags = ["--redis-url", redisUrl, "--of", of, "--tenants", String(tenants), "--seconds", String(seconds)];
    const result: InProcessResult = JSON.parse(await runMeasured("quota/in-process", flags));
    const { perSecond, p99, cpuUs, redisCpuUs } = result;
    return { perSecond, cpuUs: cpuUs + redisCpuUs, redisCpuUs, p99Ms: p99 };
  };
  return [
    {
      ...{ name: LIMITER, workload, kind: "peer", version: versionOf(LIMITER) },
      measure: (seconds) => measure("limiter", seconds),
    },
    { ...{ name: "Metrly", workload, kind: "metrly" }, measure: (seconds) => measure("gate", seconds) },
  ];
}
