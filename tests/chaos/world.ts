import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createHistory, wallClock } from "../oracle/history.js";
import type { AcknowledgedEvent } from "../oracle/oracle.js";
import {
  type KafkaPlace,
  type PrivateKafka,
  type PrivatePostgres,
  startKafka,
  startPostgres,
} from "../servers/private-servers.js";
import { freePort } from "../servers/servers.js";
import { expectDerived } from "../support/cli.js";
import { testSeed } from "../support/effort.js";
import { type MetrlyProcess, startMetrly } from "../support/metrly.js";
import {
  expectAccounted,
  expectInvoices,
  expectTotals,
  type ProofOptions,
  setUp,
  type Target,
} from "../systems/whole-path/proof.js";
import { type KafkaProxy, startKafkaProxy } from "./kafka-proxy.js";
import { type PostgresProxy, startPostgresProxy } from "./postgres-proxy.js";

/** The servers of one file of fault tests, each behind a proxy, and one Metrly. */
export interface FaultWorld {
  readonly metrly: MetrlyProcess;
  readonly target: Target;
  readonly key: string;
  readonly kafka: PrivateKafka;
  readonly kafkaProxy: KafkaProxy;
  readonly postgres: PrivatePostgres;
  readonly postgresProxy: PostgresProxy;
  /** How an additional process reaches the same servers. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Each test of a file takes its tenants from `tenants`. Needs Kafka and PostgreSQL, and Redis as a shared server. */
export async function startFaultWorld(tenants: readonly string[], place: KafkaPlace = {}): Promise<FaultWorld> {
  const closers: (() => Promise<void>)[] = [];
  async function stop(): Promise<void> {
    for (const close of closers.splice(0).reverse()) await close();
  }
  try {
    const port = await freePort();
    const kafka = await startKafka(undefined, { ...place, advertisedPort: port });
    closers.push(() => kafka.stop());
    const kafkaProxy = await startKafkaProxy(port, () => kafka.port);
    closers.push(() => kafkaProxy.stop());
    const postgres = await startPostgres({ max_connections: "200", fsync: "off" });
    closers.push(() => postgres.stop());
    const postgresProxy = await startPostgresProxy(() => Number(new URL(postgres.url()).port));
    closers.push(() => postgresProxy.stop());
    const databaseUrl = new URL(postgres.url());
    databaseUrl.port = String(postgresProxy.port);
    const env = {
      METRLY_KAFKA_BROKERS: kafka.brokers.join(","),
      METRLY_DATABASE_URL: databaseUrl.toString(),
      METRLY_NAMESPACE: `f${randomBytes(5).toString("hex")}`,
      METRLY_INTERNAL_SECRET: "a secret that only these tests share",
    };
    const metrly = await startMetrly("servers", env);
    closers.push(() => metrly.dispose());
    const target = { url: metrly.url, admin: await metrly.adminToken(), history: createHistory(wallClock) };
    const key = await setUp(target, { events: 0, tenants, seed: 0 });
    return { metrly, target, key, kafka, kafkaProxy, postgres, postgresProxy, env, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A load for one test. */
export function loadOf(tenants: readonly string[], events: number): ProofOptions {
  return { tenants, events, seed: testSeed() };
}

/** Acknowledged = accounted, no duplicates, every total and invoice equals the oracle's, without intervention. */
export async function expectNothingLost(
  { target, metrly, env }: Pick<FaultWorld, "target" | "metrly" | "env">,
  load: ProofOptions,
  events: readonly AcknowledgedEvent[],
): Promise<void> {
  await expectAccounted(target, load, events);
  await expectTotals(target, load, events);
  await expectInvoices(target, load, events);
  await expectDerived(metrly, { METRLY_INTERNAL_SECRET: env.METRLY_INTERNAL_SECRET ?? "" });
}

/** Resident memory of a process, MiB; undefined where there is no /proc. */
export async function residentMiB(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return kib === undefined ? undefined : Number(kib) / 1024;
}
