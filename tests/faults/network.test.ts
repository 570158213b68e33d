import pg from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createTestDatabase, databaseUrl, hasPostgres } from "../servers/servers.js";
import { injectionOf } from "./inject.js";
import { COMPONENTS } from "./matrix.js";
import { createFaultyNetwork, type FaultyNetwork } from "./network.js";
import { refusedByKafka, STATIONS } from "./stations.js";
import type { MatrixWorld } from "./world.js";

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

test("work inside of transactions takes effect with their COMMIT", () => {
  const inside = COMPONENTS.filter(
    (name) => STATIONS[name].working.to === "postgres" && STATIONS[name].process !== "postgres",
  );
  expect(inside).toEqual(["recorder", "billing", "close", "notification", "tenancy"]);
  for (const name of inside) expect(STATIONS[name].effective?.(Buffer.from("Q\0\0\0\x0bCOMMIT\0")), name).toBe(true);
});

test("Kafka has refused a batch if its answer says so, and not if a request was sent", () => {
  const topic = "metrly.usage.received";
  /** An answer of version 7 with one topic and one partition; the length and the correlation id come first. */
  const answer = (code: number): Buffer => {
    const head = Buffer.alloc(4 + 4 + 4 + 2);
    head.writeInt32BE(1, 8);
    head.writeInt16BE(topic.length, 12);
    const partition = Buffer.alloc(4 + 4 + 2 + 8 + 8 + 8);
    partition.writeInt32BE(1, 0);
    partition.writeInt32BE(3, 4);
    partition.writeInt16BE(code, 8);
    return Buffer.concat([head, Buffer.from(topic), partition, Buffer.alloc(4)]);
  };
  const refused = refusedByKafka("usage.received", "ingestion");
  expect(refused).toMatchObject({ from: "ingestion", to: "kafka", direction: "answer" });
  expect(refused.matches(answer(19))).toBe(true);
  expect(refused.matches(answer(0))).toBe(false);
  expect(refusedByKafka("usage.recorded", undefined).matches(answer(19))).toBe(false);
});
