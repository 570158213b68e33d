import { execFile } from "node:child_process";
import path from "node:path";
import { parseArgs, promisify } from "node:util";
import { Redis } from "ioredis";
import { startPostgres, startRedis } from "../../tests/servers/private-servers.js";
import { findRedis } from "../../tests/servers/redis.js";
import { buildMeasured, load, type MeasuredServer, runMeasured, startServer } from "../support/processes.js";
import { medianOf, report, round } from "../support/report.js";
import type { InProcessResult } from "./in-process.js";

// See bench/README.md.

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "process,http,batch,fairness,rebuild,memory" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "4" },
    "profile-dir": { type: "string" },
  },
});
const only = values.only.split(",");
const seconds = Number(values.seconds);
const LIMIT = "1000000000";
const BATCH = 100;
const MEMORY_TENANTS = 20_000;

await buildMeasured();
const postgres = await startPostgres({ max_connections: "200" });
process.env.DATABASE_URL = postgres.url();
const redis = await startRedis();
const servers: MeasuredServer[] = [];
try {
  if (only.includes("process")) await measureInProcess();
  if (only.includes("http") || only.includes("batch") || only.includes("fairness")) await measureHttp();
  if (only.includes("rebuild")) await measureRebuild();
  if (only.includes("memory")) await measureMemory();
} finally {
  for (const server of servers) await server.stop();
  await redis.stop();
  await postgres.stop();
}

/** An empty EVALSHA, 50 connections, no pipeline: calls per second. */
async function emptyScript(): Promise<number> {
  const { command, env } = await findRedis();
  const sha = await withRedis((client) => client.script("LOAD", "return 1"));
  const benchmark = path.isAbsolute(command) ? path.join(path.dirname(command), "redis-benchmark") : "redis-benchmark";
  const port = new URL(redis.url).port;
  const args = ["-p", port, "-c", "50", "-P", "1", "-n", "300000", "-q", "--csv", "EVALSHA", String(sha), "0"];
  const { stdout } = await promisify(execFile)(benchmark, args, { env: { ...process.env, ...env } });
  return Number(/"([\d.]+)","[\d.]+","[\d.]+"/.exec(stdout.split("\n").at(-2) ?? "")?.[1]);
}

async function withRedis<T>(ask: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(redis.url);
  try {
    return await ask(client);
  } finally {
    client.disconnect();
  }
}

async function inProcess(of: string, tenants: number): Promise<InProcessResult> {
  const args = ["--redis-url", redis.url, "--of", of, "--tenants", String(tenants), "--seconds", String(seconds)];
  return JSON.parse(await runMeasured("quota/in-process", args));
}

async function measureInProcess(): Promise<void> {
  const ratios: Record<string, number[]> = {};
  for (let n = 0; n < Number(values.rounds); n += 1) {
    const reference = await emptyScript();
    const limiter = await inProcess("limiter", 1);
    const bare = await inProcess("evalsha", 1);
    const [one, thousand] = [await inProcess("gate", 1), await inProcess("gate", 1_000)];
    const denied = await inProcess("gate-denied", 1_000);
    report("  round", {
      emptyEvalsha: round(reference),
      bareIoredis: round(bare.perSecond),
      limiter: round(limiter.perSecond),
      limiterP99Ms: round(limiter.p99, 1),
      oneTenant: round(one.perSecond),
      oneTenantP99Ms: round(one.p99, 1),
      oneTenantCpuUs: round(one.cpuUs, 1),
      thousandTenants: round(thousand.perSecond),
      thousandP99Ms: round(thousand.p99, 1),
      denied: round(denied.perSecond),
    });
    const found = {
      "one tenant / empty EVALSHA": one.perSecond / reference,
      "one tenant / rate-limiter-flexible": one.perSecond / limiter.perSecond,
      "1,000 tenants / empty EVALSHA": thousand.perSecond / reference,
      "1,000 tenants / rate-limiter-flexible": thousand.perSecond / limiter.perSecond,
      "denied / admitted": denied.perSecond / thousand.perSecond,
      "p99 / rate-limiter-flexible's": one.p99 / limiter.p99,
    };
    for (const [name, ratio] of Object.entries(found)) ratios[name] = [...(ratios[name] ?? []), ratio];
  }
  const medians = Object.entries(ratios).map(([name, all]) => [name, round(medianOf(all), 2)]);
  report("decisions in process, 256 at once, medians", Object.fromEntries(medians));
}

async function started(name: string, options: object, profileDir?: string): Promise<MeasuredServer> {
  const server = await startServer(name, { redisUrl: redis.url, limit: LIMIT, ...options }, profileDir);
  servers.push(server);
  return server;
}

async function measureHttp(): Promise<void> {
  const gate = await started("quota/server-gate", {}, values["profile-dir"]);
  if (only.includes("http")) await measureSingles(gate);
  if (only.includes("batch")) await measureBatches(gate);
  if (only.includes("fairness")) await measureFairness(gate);
}

async function measureSingles(gate: MeasuredServer): Promise<void> {
  const bare = await started("quota/server-bare", {});
  const limiter = await started("quota/server-limiter", {});
  const measured: { toBare: number; toLimiter: number }[] = [];
  for (let n = 0; n < Number(values.rounds); n += 1) {
    const options = { connections: 64, events: 1, seconds, of: "decisions" } as const;
    const reference = await load(bare, options);
    const ours = await load(gate, options);
    const theirs = await load(limiter, options);
    report("  round", {
      bare: round(reference.eventsPerSecond),
      gate: round(ours.eventsPerSecond),
      limiter: round(theirs.eventsPerSecond),
      gateP99Ms: round(ours.p99, 1),
      statuses: ours.statuses,
    });
    measured.push({
      toBare: ours.eventsPerSecond / reference.eventsPerSecond,
      toLimiter: ours.eventsPerSecond / theirs.eventsPerSecond,
    });
  }
  report("over HTTP, one decision per request, 64 connections, medians", {
    "of a bare node:http": round(medianOf(measured.map((one) => one.toBare)), 2),
    "times Fastify + rate-limiter-flexible": round(medianOf(measured.map((one) => one.toLimiter)), 1),
  });
}

async function measureBatches(gate: MeasuredServer): Promise<void> {
  const measured: number[] = [];
  for (let n = 0; n < Number(values.rounds); n += 1) {
    const reference = await emptyScript();
    const ours = await load(gate, { connections: 16, events: BATCH, seconds, of: "decisions" });
    report("  round", { emptyEvalsha: round(reference), decisions: round(ours.eventsPerSecond) });
    measured.push(ours.eventsPerSecond / reference);
  }
  report(`over HTTP, batches of ${BATCH}, medians`, { "decisions / empty EVALSHA": round(medianOf(measured), 2) });
}

/** One tenant sends at a steady rate; then a second one, over its limit, at 50 times that. */
async function measureFairness(gate: MeasuredServer): Promise<void> {
  const flooded = await started("quota/server-gate", { limit: "1" });
  const calm = { connections: 4, events: 1, seconds, rate: 100, of: "decisions" } as const;
  const alone = await load(gate, calm);
  const [beside, flood] = await Promise.all([
    load(gate, calm),
    load(flooded, { connections: 32, events: 1, seconds, rate: 5_000, of: "decisions" }),
  ]);
  report("p99 of one tenant beside another that is denied at 50 times its rate, on the same Redis", {
    "p99 in that alone": round(beside.p99 / alone.p99, 1),
    aloneMs: round(alone.p99, 2),
    besideMs: round(beside.p99, 2),
    floodPerSecond: round(flood.eventsPerSecond),
  });
}

/** Time until 10,000 tenants have an answer after Redis has lost everything: no ratio, since there is no reference. */
async function measureRebuild(): Promise<void> {
  const { firstMs, rebuiltMs } = await inProcess("rebuild", 10_000);
  report("10,000 tenants, one answer each", { firstMs: round(firstMs), afterLossMs: round(rebuiltMs) });
}

/** As if all reservations had expired. */
async function forgetReservations(client: Redis): Promise<void> {
  for await (const keys of client.scanStream({ match: "*:[rxy]", count: 1_000 })) {
    if (Array.isArray(keys) && keys.length > 0) await client.unlink(...keys);
  }
}

/** Redis memory per tenant with one request and one limit. */
async function measureMemory(): Promise<void> {
  const used = async (): Promise<number> =>
    Number(/used_memory:(\d+)/.exec(await withRedis((client) => client.info("memory")))?.[1]);
  await withRedis((client) => client.flushall());
  const before = await used();
  await inProcess("once", MEMORY_TENANTS);
  const open = await used();
  await withRedis((client) => forgetReservations(client));
  const resting = await used();
  report(`memory in Redis, ${MEMORY_TENANTS.toLocaleString("en")} tenants with one limit, bytes per tenant`, {
    resting: round((resting - before) / MEMORY_TENANTS),
    withOneReservation: round((open - before) / MEMORY_TENANTS),
  });
}
