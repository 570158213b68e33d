import { randomUUID } from "node:crypto";
import { connect } from "node:net";
import kafkajs from "kafkajs";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DAY_MS } from "#kernel/duration.js";
import { createTestDatabase, databaseUrl, hasKafka, hasPostgres, kafkaBrokers } from "../servers/servers.js";
import { injectionOf } from "./inject.js";
import { COMPONENTS } from "./matrix.js";
import { createFaultyNetwork, type FaultyNetwork } from "./network.js";
import { STATIONS } from "./stations.js";
import type { MatrixWorld } from "./world.js";

const { Kafka, logLevel } = kafkajs;
/** A batch, and no tick. */
const LARGE = "x".repeat(1_000);
const LENGTHS = { frozenMs: 1, apartMs: 1, shiftedMs: 1 };

describe.skipIf(!hasPostgres)("a fault of the network", () => {
  let network: FaultyNetwork;
  let server: pg.Client;
  let client: pg.Client;
  let drop: () => Promise<void>;

  beforeEach(async () => {
    const database = await createTestDatabase("faulty-network");
    drop = database.drop;
    server = new pg.Client({ connectionString: database.url });
    await server.connect();
    await server.query("CREATE TABLE usage_delta (n int)");
    network = await createFaultyNetwork();
    network.postgresStarted({ url: databaseUrl } as never);
    const [address = ""] = (
      await network.addressesOf("billing", new Map([["billing-db:5432", "127.0.0.1:1"]]))
    ).values();
    const through = new URL(database.url);
    through.host = address;
    client = new pg.Client({ connectionString: through.toString() });
    client.on("error", () => undefined);
    await client.connect();
  });
  afterEach(async () => {
    await client.end().catch(() => undefined);
    await network.stop();
    await server.end();
    await drop();
  });

  for (const [fault, lasting] of [
    ["lost-answer", 1],
    ["lost-request", 0],
  ] as const)
    test(`${fault} breaks a transaction that ${lasting === 1 ? "has" : "has not"} taken effect`, async () => {
      const world = { network, compose: { processes: new Map([["billing", {}]]) } } as unknown as MatrixWorld;
      const injection = injectionOf(world, { component: "billing", fault }, LENGTHS);
      const struck = network.once(injection.trigger, () => injection.strike());
      const work = async () => {
        for (const statement of ["BEGIN", "INSERT INTO usage_delta VALUES (1)", "COMMIT"])
          await client.query(statement);
      };
      await expect(work()).rejects.toThrow();
      await struck;
      await injection.last();
      expect((await server.query("SELECT n FROM usage_delta")).rowCount).toBe(lasting);
    });

  test("a clock is wrong before the work that must be seen while it is", async () => {
    for (const table of ["billing_period", "invoice"]) await server.query(`CREATE TABLE ${table} (n int)`);
    const periods = async () => (await server.query("SELECT n FROM billing_period")).rowCount;
    const shifts: unknown[] = [];
    const world = {
      ...{ network, compose: { processes: new Map([["billing", {}]]) } },
      shiftClock: async (role: string, ms: number) => void shifts.push([role, ms / DAY_MS, await periods()]),
    } as unknown as MatrixWorld;
    const injection = injectionOf(world, { component: "close", fault: "clock-ahead" }, LENGTHS);
    const struck = network.once(injection.trigger, () => injection.strike());
    const work = (async () => {
      for (const table of ["billing_period", "invoice"]) await client.query(`INSERT INTO ${table} (n) VALUES (1)`);
    })();
    await struck;
    await injection.last();
    await work;
    // The first bytes waited for the clock, which became right after the last ones.
    expect(shifts).toEqual([
      ["billing", 40, 0],
      ["billing", 0, 1],
    ]);
  });
});

test("another locale is in force before the work that shows its hit, until the end", async () => {
  const done: string[] = [];
  const process = {
    kill: async (signal: string) => void done.push(signal),
    restart: async ({ LANG = "usual" }: Readonly<Record<string, string>>) => void done.push(LANG),
  };
  const world = { compose: { processes: new Map([["billing", process]]) } } as unknown as MatrixWorld;
  const injection = injectionOf(world, { component: "close", fault: "locale" }, LENGTHS);
  await injection.prepare?.();
  expect(done).toEqual(["SIGTERM", "tr_TR.UTF-8"]);
  expect(injection.strike()).toBe("pass");
  await injection.last();
  expect(done).toHaveLength(2);
  await injection.restore?.();
  expect(done.slice(2)).toEqual(["SIGTERM", "usual"]);
});

test("a wrong clock waits for bytes before work that is over too soon", () => {
  const short = COMPONENTS.filter((name) => STATIONS[name].phase === "closing");
  expect(short).toEqual(["close", "notification"]);
  for (const name of short) expect(STATIONS[name].begins?.to, name).toBe("postgres");
});

test("work inside of transactions takes effect with their COMMIT", () => {
  const inside = COMPONENTS.filter(
    (name) => STATIONS[name].working.to === "postgres" && STATIONS[name].process !== "postgres",
  );
  expect(inside).toEqual(["recorder", "billing", "close", "notification", "tenancy"]);
  for (const name of inside) expect(STATIONS[name].effective?.(Buffer.from("Q\0\0\0\x0bCOMMIT\0")), name).toBe(true);
});

test.skipIf(!hasKafka)("a batch that is refused is not stored, and its sender hears why", async () => {
  const network = await createFaultyNetwork();
  const [broker = ""] = kafkaBrokers();
  network.kafkaStarted({ port: Number(broker.split(":")[1]) } as never);
  const port = network.kafkaPlace.advertisedPort ?? 0;
  const kafka = new Kafka({
    ...{ brokers: [broker], clientId: "metrly-ingestion", logLevel: logLevel.NOTHING, retry: { retries: 0 } },
    socketFactory: ({ onConnect }) => connect({ host: "127.0.0.1", port }, onConnect),
  });
  const topic = `faulty-network-${randomUUID()}.usage.received`;
  const [admin, producer] = [kafka.admin(), kafka.producer()];
  await Promise.all([admin.connect(), producer.connect()]);
  try {
    await admin.createTopics({ topics: [{ topic, numPartitions: 2 }], waitForLeaders: true });
    const send = () =>
      producer.send({ topic, acks: -1, messages: [0, 1].map((partition) => ({ partition, value: LARGE })) });
    const stored = async () => (await admin.fetchTopicOffsets(topic)).map(({ high }) => high).toSorted();
    await producer.send({ topic, acks: -1, messages: [{ partition: 0, value: "the topic is known" }] });
    const injection = injectionOf(
      { network, compose: { processes: new Map([["ingestion", {}]]) } } as unknown as MatrixWorld,
      { component: "edge", fault: "refused-writes" },
      { ...LENGTHS, apartMs: 1_500 },
    );
    expect(injection.strike()).toBe("pass");
    const lasting = injection.last();
    await expect(send()).rejects.toMatchObject({ cause: { type: "NOT_ENOUGH_REPLICAS" } });
    expect(await stored()).toEqual(["0", "1"]);
    await lasting;
    await send();
    expect(await stored()).toEqual(["1", "2"]);
  } finally {
    await admin.deleteTopics({ topics: [topic] });
    await Promise.all([admin.disconnect(), producer.disconnect()]);
    await network.stop();
  }
});
