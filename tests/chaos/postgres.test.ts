import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasKafka, hasPostgres, hasRedis } from "../servers/servers.js";
import { sized } from "../support/effort.js";
import { randomOf } from "../support/random.js";
import { postLoad } from "../systems/whole-path/proof.js";
import { interrupt, transactionsOf } from "./interruption.js";
import { COMMIT_FAULTS } from "./postgres-proxy.js";
import { postThrough } from "./under-load.js";
import { expectNothingLost, type FaultWorld, loadOf, startFaultWorld } from "./world.js";

const EVENTS = sized(3_000, 20_000);
const FROZEN_MS = sized(8_000, 30_000);

describe.skipIf(!hasKafka || !hasRedis || !hasPostgres)("a database that fails", () => {
  const tenants = {
    cut: ["cut-1", "cut-2", "cut-3"],
    frozen: ["frozen-1", "frozen-2", "frozen-3"],
    killed: ["killed-1", "killed-2", "killed-3"],
  };
  let world: FaultWorld;

  beforeAll(async () => {
    world = await startFaultWorld(Object.values(tenants).flat());
  });

  afterAll(async () => {
    await world?.stop();
  });

  test("connections cut around COMMIT, before it or before its response, neither lose nor duplicate events", async () => {
    const load = loadOf(tenants.cut, EVENTS);
    const random = randomOf(load.seed + 1);
    let faults = 0;
    world.postgresProxy.decide(() => (random() < 0.4 ? COMMIT_FAULTS[faults++ % COMMIT_FAULTS.length] : undefined));
    // Traffic continues until every kind of fault has occurred often.
    const isMissingFaults = () => COMMIT_FAULTS.some((fault) => (world.postgresProxy.happened[fault] ?? 0) <= 3);
    const events = await postLoad(world.target, world.key, load, { hold: isMissingFaults });
    world.postgresProxy.decide(() => undefined);
    expect(isMissingFaults()).toBe(false);
    await expectNothingLost(world, load, events);
  });

  test("while it is frozen usage is acknowledged, and recorded once it resumes", async () => {
    const load = loadOf(tenants.frozen, EVENTS);
    const freeze = async () => {
      await world.postgres.kill("SIGSTOP");
      await wait(FROZEN_MS);
      await world.postgres.kill("SIGCONT");
    };
    const events = await postThrough(world, load, [freeze]);
    await expectNothingLost(world, load, events);
  });

  test("killed and restarted under load, it neither loses nor duplicates events", async () => {
    const load = loadOf(tenants.killed, EVENTS);
    const { postgres } = world;
    const kill = () => interrupt(transactionsOf(postgres), () => postgres.kill("SIGKILL"), postgres.restart);
    const events = await postThrough(world, load, [kill]);
    await expectNothingLost(world, load, events);
  });
});
