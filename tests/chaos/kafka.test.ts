import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasKafka, hasPostgres, hasRedis } from "../servers/servers.js";
import { sized } from "../support/effort.js";
import { randomOf } from "../support/random.js";
import { expectAccounted, postLoad } from "../systems/whole-path/proof.js";
import { PRODUCE_FAULTS } from "./kafka-proxy.js";
import { expectPublished, expectRefusals, expectUnpublished } from "./outage.js";
import { postThrough } from "./under-load.js";
import { expectNothingLost, type FaultWorld, loadOf, startFaultWorld } from "./world.js";

const EVENTS = sized(3_000, 20_000);
/** Longer than every timeout of the log's clients. */
const FROZEN_MS = sized(12_000, 30_000);

describe.skipIf(!hasKafka || !hasRedis || !hasPostgres)("a broker that fails", () => {
  const tenants = {
    lost: ["lost-1", "lost-2", "lost-3"],
    frozen: ["frozen-1", "frozen-2", "frozen-3"],
    killed: ["killed-1", "killed-2", "killed-3"],
  };
  let world: FaultWorld;

  beforeAll(async () => {
    world = await startFaultWorld([...Object.values(tenants).flat(), "outage"]);
  });

  afterAll(async () => {
    await world?.stop();
  });

  test("lost requests and responses neither lose nor duplicate events", async () => {
    const load = loadOf(tenants.lost, EVENTS);
    const random = randomOf(load.seed + 1);
    let faults = 0;
    // Each kind in turn, so that none is missing by chance.
    world.kafkaProxy.decide(() => (random() < 0.1 ? PRODUCE_FAULTS[faults++ % PRODUCE_FAULTS.length] : undefined));
    const isMissingFaults = () => PRODUCE_FAULTS.some((fault) => world.kafkaProxy.happened[fault] === 0);
    const events = await postLoad(world.target, world.key, load, { hold: isMissingFaults });
    await expectAccounted(world.target, load, events);
    world.kafkaProxy.decide(() => undefined);
    expect(isMissingFaults()).toBe(false);
    await expectNothingLost(world, load, events);
  });

  test("a frozen broker causes refusals within seconds, and recovery needs no intervention", async () => {
    const load = loadOf(tenants.frozen, EVENTS);
    async function freeze(): Promise<void> {
      await world.kafka.kill("SIGSTOP");
      const thaw = wait(FROZEN_MS).then(() => world.kafka.kill("SIGCONT"));
      try {
        await expectRefusals(world, "outage", FROZEN_MS - 5_000);
      } finally {
        await thaw;
      }
    }
    const events = await postThrough(world, load, [freeze]);
    await expectNothingLost(world, load, events);
  });

  test("a killed broker causes refusals until it is back, and recovery needs no intervention", async () => {
    const load = loadOf(tenants.killed, EVENTS);
    async function kill(): Promise<void> {
      await world.kafka.kill("SIGKILL");
      try {
        await expectRefusals(world, "outage", 3_000);
        await expectUnpublished(world, "outage");
      } finally {
        await world.kafka.restart();
      }
    }
    const events = await postThrough(world, load, [kill]);
    await expectPublished(world, "outage");
    await expectNothingLost(world, load, events);
  });
});
