import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { partitionOf } from "#kernel/partition.js";
import { type Database, openDatabase, withDatabase } from "#platform/database/database.js";
import type { EventLog, LogConsumer } from "#platform/event-log/event-log.js";
import { connectKafkaLog } from "#platform/event-log/kafka/log.js";
import { namespacedLog } from "#platform/event-log/namespaced-log.js";
import { TOPICS } from "#schema/topics.js";
import { readLedger } from "../../../workers/ingestion/store/ledger.js";
import {
  appendItems,
  openWorld,
  receivedItem,
  startService,
  type World,
} from "../../../workers/ingestion/world.testing.js";
import {
  createTestDatabase,
  hasKafka,
  hasPostgres,
  kafkaBrokers,
  type TestDatabase,
  waitFor,
} from "../../servers/servers.js";
import { isFrozen } from "../../support/freezing.js";
import { migrationOf } from "../../support/migration.js";
import { compiledProgram } from "../../support/program.js";
import { type ForeignServer, startForeign } from "../language/foreign-server.js";
import { EFFECT_TABLES, limits, startEffects } from "./effects.js";
import type { Order } from "./victim.js";

const VICTIM = fileURLToPath(new URL("./victim.ts", import.meta.url));
const PARTITIONS = [0, 1, 2, 3];

function tenantOn(partition: number): string {
  for (let n = 0; ; n += 1) if (partitionOf(`t${n}`, PARTITIONS.length) === partition) return `t${n}`;
}

describe.skipIf(!hasPostgres || !hasKafka)("a process that is frozen in the middle of a transaction", () => {
  const profiles = limits();
  const onError = (): void => undefined;
  let world: World;
  let kafka: EventLog;
  let log: EventLog;
  let created: TestDatabase;
  let effects: Database;
  let service: Awaited<ReturnType<typeof startService>>;
  let consumer: LogConsumer;
  let victim: ChildProcess;
  /** Of the victim: it finds itself fenced by codes, not by what they say. */
  const foreign: ForeignServer[] = [];
  let sent = 0;

  beforeAll(async () => {
    const namespace = `frozen_${randomBytes(4).toString("hex")}`;
    world = await openWorld();
    created = await createTestDatabase("frozen_effects");
    const migrationsDir = await migrationOf(EFFECT_TABLES);
    effects = await openDatabase({ url: created.url, migrationsDir, profiles, onError });
    kafka = await connectKafkaLog({ brokers: kafkaBrokers(), clientId: "survivor", replicationFactor: 1 });
    log = namespacedLog(kafka, namespace);
    await log.ensureTopics(TOPICS, PARTITIONS.length);
    const open = () => openDatabase({ url: world.url, profiles, onError });
    service = await startService({ ...world, log }, { openDatabase: open });
    consumer = await startEffects({ log, tenancy: world.tenancy, ledger: world.database, database: effects });
    victim = fork(await compiledProgram(VICTIM), { execArgv: [] });
    const started = once(victim, "message");
    const [broker = ""] = kafkaBrokers();
    const [database, brokers] = await Promise.all([startForeign("postgres", world.url), startForeign("kafka", broker)]);
    foreign.push(database, brokers);
    const effectUrl = withDatabase(database.url, path.basename(new URL(created.url).pathname));
    tell({ start: { ingestionUrl: database.url, effectUrl, brokers: [brokers.url], namespace } });
    await started;
  });

  afterAll(async () => {
    victim?.kill("SIGKILL");
    for (const server of foreign) await server.stop();
    await consumer?.stop();
    await service?.stop();
    await kafka?.stop();
    await effects?.stop();
    await created?.drop();
    await world?.close();
  });

  test.each(["recorder", "consumer"] as const)(
    "a %s blocks nobody for longer than the limits, and does no harm once it goes on",
    async (role) => {
      tell({ freeze: role });
      const thawed = once(victim, "message");
      await waitFor(
        async () => {
          await send();
          return isFrozen(victim.pid);
        },
        { what: `a frozen ${role}`, pauseMs: 200 },
      );
      await send();
      await expectExact();
      victim.kill("SIGCONT");
      expect(await thawed).toEqual([{ committed: false }, undefined]);
      expect(foreign.filter((server) => server.replaced() === 0)).toEqual([]);
      await send();
      await expectExact();
    },
  );

  function tell(order: Order): void {
    victim.send(order);
  }

  /** Some events to each partition. */
  async function send(): Promise<void> {
    for (const partition of PARTITIONS) {
      const item = (n: number) => receivedItem({ id: `e${n}`, tenantId: tenantOn(partition) });
      await appendItems(log, partition, [item(sent), item(sent + 1)]);
      sent += 2;
    }
  }

  /** Every event is recorded once, and every entry has its effect once. */
  async function expectExact(): Promise<void> {
    const idsIn = async (partition: number) =>
      (await readLedger(world.database, { partition, from: 1, limit: 10_000 })).entries.flatMap((entry) =>
        entry.kind === "event" ? [entry.id] : [],
      );
    const ids = async () => (await Promise.all(PARTITIONS.map(idsIn))).flat();
    await waitFor(async () => (await ids()).length >= sent, { what: "all events to be recorded" });
    expect(new Set(await ids()).size).toBe(sent);
    expect(await ids()).toHaveLength(sent);
    const heads = async () =>
      (await world.database.pool.query("SELECT partition, seq AS n, seq AS last FROM recorder_cursor ORDER BY 1")).rows;
    const applied = async () =>
      (await effects.pool.query("SELECT partition, count(*) AS n, max(seq) AS last FROM effect GROUP BY 1 ORDER BY 1"))
        .rows;
    await waitFor(async () => expect(await applied()).toEqual(await heads()) ?? true, { what: "every effect, once" });
  }
});
