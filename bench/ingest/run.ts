import "../support/full-speed.js";
import { parseArgs } from "node:util";
import { Kafka, logLevel } from "kafkajs";
import { type PrivateKafka, type PrivateRedis, startKafka, startRedis } from "../../tests/servers/private-servers.js";
import { buildMeasured, load, type MeasuredServer, producerPerformance, startServer } from "../support/processes.js";
import { medianOf, report, round } from "../support/report.js";

// See bench/README.md.

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "batches,singles,fairness,overload" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "5" },
    "overload-seconds": { type: "string", default: "20" },
    "profile-dir": { type: "string" },
  },
});
const seconds = Number(values.seconds);
const PARTITIONS = 4;
const REFERENCE_TOPIC = "reference";
const BATCH = 100;

await buildMeasured();
const kafka = await startKafka();
const redis = await startRedis();
const servers: MeasuredServer[] = [];
try {
  await createReferenceTopic(kafka);
  const started = await startServers(kafka, redis);
  const only = values.only.split(",");
  if (only.includes("batches")) await measureBatches(started, kafka);
  if (only.includes("singles")) await measureSingles(started);
  if (only.includes("fairness")) await measureFairness(started.edge);
  if (only.includes("overload")) await measureOverload(started.edge);
} finally {
  for (const server of servers) await server.stop();
  await kafka.stop();
  await redis.stop();
}

type Started = Readonly<Record<"edge" | "naive" | "bare", MeasuredServer>>;

async function startServers({ brokers }: PrivateKafka, { url }: PrivateRedis): Promise<Started> {
  async function started(name: string, options: object, profileDir?: string): Promise<MeasuredServer> {
    const server = await startServer(name, { ...options }, profileDir);
    servers.push(server);
    return server;
  }
  return {
    edge: await started("ingest/server-edge", { brokers, partitions: PARTITIONS }, values["profile-dir"]),
    naive: await started("ingest/server-naive", { brokers, redisUrl: url, topic: REFERENCE_TOPIC }),
    bare: await started("ingest/server-bare", {}),
  };
}

async function createReferenceTopic({ brokers }: PrivateKafka): Promise<void> {
  const admin = new Kafka({ brokers: [...brokers], clientId: "bench", logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: REFERENCE_TOPIC, numPartitions: PARTITIONS }] });
  await admin.disconnect();
}

/** Rounds alternate between the compared systems, so that other load affects all of them. */
async function rounds<T>(measure: () => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let n = 0; n < Number(values.rounds); n += 1) results.push(await measure());
  return results;
}

async function measureBatches({ edge, naive }: Started, { brokers }: PrivateKafka): Promise<void> {
  const measured = await rounds(async () => {
    const reference = await producerPerformance(brokers, REFERENCE_TOPIC, seconds * 100_000);
    const before = await edge.usage();
    const ours = await load(edge, { connections: 32, events: BATCH, seconds });
    const after = await edge.usage();
    const theirs = await load(naive, { connections: 32, events: BATCH, seconds });
    const cpuUs = ((after.cpuMs - before.cpuMs) * 1_000) / (ours.eventsPerSecond * (seconds + 2));
    report("  round", {
      producerPerformance: round(reference),
      edge: round(ours.eventsPerSecond),
      naive: round(theirs.eventsPerSecond),
      edgeCpuUsPerEvent: round(cpuUs, 2),
      edgeP99Ms: round(ours.p99, 1),
    });
    return { toReference: ours.eventsPerSecond / reference, toNaive: ours.eventsPerSecond / theirs.eventsPerSecond };
  });
  report(`acknowledged, batches of ${BATCH}, medians`, {
    "of ProducerPerformance": round(medianOf(measured.map((one) => one.toReference)), 2),
    "times the naive service": round(medianOf(measured.map((one) => one.toNaive)), 1),
  });
}

async function measureSingles({ edge, naive, bare }: Started): Promise<void> {
  const measured = await rounds(async () => {
    const reference = await load(bare, { connections: 64, events: 1, seconds });
    const ours = await load(edge, { connections: 64, events: 1, seconds });
    const theirs = await load(naive, { connections: 64, events: 1, seconds });
    report("  round", {
      bare: round(reference.eventsPerSecond),
      edge: round(ours.eventsPerSecond),
      naive: round(theirs.eventsPerSecond),
      edgeP99Ms: round(ours.p99, 1),
    });
    return {
      toBare: ours.eventsPerSecond / reference.eventsPerSecond,
      toNaive: ours.eventsPerSecond / theirs.eventsPerSecond,
    };
  });
  const wide = await load(edge, { connections: 256, events: 1, seconds });
  report("acknowledged, one event per request, 64 connections, medians", {
    "of a bare node:http": round(medianOf(measured.map((one) => one.toBare)), 2),
    "times the naive service": round(medianOf(measured.map((one) => one.toNaive)), 1),
  });
  report("one event per request, 256 connections", {
    "p99 in medians": round(wide.p99 / wide.p50, 1),
    p50Ms: round(wide.p50, 1),
    p99Ms: round(wide.p99, 1),
    statuses: wide.statuses,
  });
}

/** One tenant sends beside another with as many connections; then beside one with 50 times as many. */
async function measureFairness(edge: MeasuredServer): Promise<void> {
  const calm = { connections: 1, events: 10, seconds };
  const flood = { port: edge.port, key: edge.keys?.flood ?? edge.key };
  const [atShare] = await Promise.all([load(edge, calm), load(flood, calm)]);
  const [beside] = await Promise.all([load(edge, calm), load(flood, { ...calm, connections: 50 })]);
  report("p99 of one tenant beside another with 50 times its connections", {
    "p99 in that beside an equal": round(beside.p99 / atShare.p99, 1),
    besideMs: round(beside.p99, 1),
    atShareMs: round(atShare.p99, 1),
  });
}

/** More connections with full batches than the edge can hold: it must refuse, and stay small. */
async function measureOverload(edge: MeasuredServer): Promise<void> {
  const flood = await load(edge, { connections: 512, events: 500, seconds: Number(values["overload-seconds"]) });
  const { peakRssMb, rssMb } = await edge.usage();
  report("overload, 512 connections with batches of 500", {
    peakRssMb: round(peakRssMb),
    rssMb: round(rssMb),
    statuses: flood.statuses,
    p99Ms: round(flood.p99),
  });
}
