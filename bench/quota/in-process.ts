import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { RateLimiterRedis } from "rate-limiter-flexible";
import { Decimal } from "#kernel/decimal.js";
import { openGate } from "../../workers/quota/gate/gate.testing.js";
import { openWorld } from "../../workers/quota/world.testing.js";

// Decisions in one process against real Redis; prints one line of JSON.
const { values } = parseArgs({
  options: {
    "redis-url": { type: "string", default: "" },
    /** gate, gate-denied, gate-memory, rebuild, limiter, evalsha; once: only one decision per tenant */
    of: { type: "string", default: "gate" },
    tenants: { type: "string", default: "1" },
    concurrent: { type: "string", default: "256" },
    seconds: { type: "string", default: "4" },
  },
});
const url = values["redis-url"];
const tenants = Number(values.tenants);
const WARMUP_MS = 1_500;

export interface InProcessResult {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** CPU time per decision, of this process and of Redis. */
  readonly cpuUs: number;
  readonly redisCpuUs: number;
  /** Time until each tenant has its first answer, and again after Redis has lost everything, ms. */
  readonly firstMs: number;
  readonly rebuiltMs: number;
}

interface Decider {
  decide(n: number): Promise<unknown>;
  stop(): Promise<void>;
}

async function gate(limit: string, counters: readonly string[] = [url]): Promise<Decider> {
  const world = await openWorld({ redisUrl: url });
  world.meter("calls");
  world.plan("bench", [{ limit, window: "MINUTE" }]);
  for (let n = 0; n < tenants; n += 1) world.tenant(`t${n}`, "bench");
  const { database, tenancy, namespace: prefix } = world;
  const opened = await openGate({ database, tenancy, redisUrls: counters, prefix, onError: console.error });
  const one = new Decimal(1);
  return {
    decide: (n) =>
      opened.gate.consume({
        tenantId: `t${Math.abs(n * 7_919) % tenants}`,
        usage: [{ meter: "calls", amount: one }],
        idempotencyKey: `k${n}`,
        ttlMs: 300_000,
      }),
    async stop() {
      await opened.stop();
      await world.close();
    },
  };
}

function limiter(): Decider {
  const redis = new Redis(url);
  const flexible = new RateLimiterRedis({ storeClient: redis, points: 1_000_000_000, duration: 60 });
  return { decide: (n) => flexible.consume(`t${Math.abs(n * 7_919) % tenants}`), stop: async () => redis.disconnect() };
}

async function evalsha(): Promise<Decider> {
  const redis = new Redis(url);
  const sha = String(await redis.script("LOAD", "return 1"));
  return { decide: () => redis.evalsha(sha, 0), stop: async () => redis.disconnect() };
}

function decider(): Promise<Decider> | Decider {
  if (values.of === "limiter") return limiter();
  if (values.of === "evalsha") return evalsha();
  if (values.of === "gate-memory") return gate("1000000000", []);
  return gate(values.of === "gate-denied" ? "1" : "1000000000");
}

const measured = await decider();
/** One request per tenant. */
async function pass(): Promise<number> {
  const began = performance.now();
  let n = 0;
  const askers = Array.from({ length: Math.min(tenants, 1_000) }, async () => {
    for (n += 1; n <= tenants; n += 1) await measured.decide(-n);
  });
  await Promise.all(askers);
  return performance.now() - began;
}

async function passAfterLoss(): Promise<number> {
  const redis = new Redis(url);
  await redis.flushall();
  redis.disconnect();
  return pass();
}

/** CPU time of Redis until now, in microseconds. */
async function redisCpu(): Promise<number> {
  const redis = new Redis(url);
  const info = await redis.info("cpu");
  redis.disconnect();
  const seconds = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, "m").exec(info)?.[1]);
  return 1e6 * (seconds("used_cpu_user") + seconds("used_cpu_sys"));
}

const firstMs = await pass();
const rebuiltMs = values.of === "rebuild" ? await passAfterLoss() : Number.NaN;
const latencies: number[] = [];
let next = 0;
let isOver = false;
const workers = Array.from({ length: Number(values.concurrent) }, async () => {
  while (!isOver && values.of !== "once") {
    const began = performance.now();
    next += 1;
    await measured.decide(next);
    latencies.push(performance.now() - began);
    // Counters in the process answer within a turn of the event loop, which its timers wait for.
    if (values.of === "gate-memory" && next % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
});
await new Promise((resolve) => setTimeout(resolve, WARMUP_MS));
const redisBefore = await redisCpu();
latencies.length = 0;
const [began, cpuBefore] = [performance.now(), process.cpuUsage()];
await new Promise((resolve) => setTimeout(resolve, Number(values.seconds) * 1_000));
const seconds = (performance.now() - began) / 1_000;
const cpu = process.cpuUsage(cpuBefore);
const measuredLatencies = latencies.slice();
const redisUs = (await redisCpu()) - redisBefore;
const sorted = Float64Array.from(measuredLatencies).sort();
isOver = true;
await Promise.all(workers);
const result: InProcessResult = {
  perSecond: sorted.length / seconds,
  p50: sorted[Math.floor(sorted.length * 0.5)] ?? Number.NaN,
  p99: sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN,
  cpuUs: (cpu.user + cpu.system) / sorted.length,
  redisCpuUs: redisUs / sorted.length,
  firstMs,
  rebuiltMs,
};
console.log(JSON.stringify(result));
await measured.stop();
process.exit(0);
