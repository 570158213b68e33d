import { connect } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasKafka, hasPostgres, hasRedis, waitFor } from "../servers/servers.js";
import { sized } from "../support/effort.js";
import { randomOf } from "../support/random.js";
import { expectAccounted, postLoad } from "../systems/whole-path/proof.js";
import { PRODUCE_FAULTS } from "./kafka-proxy.js";
import { expectPublished, expectRefusals, expectUnpublished } from "./outage.js";
import { canMount, mountSmallDisk, type SmallDisk } from "./small-disk.js";
import { postThrough } from "./under-load.js";
import { expectNothingLost, type FaultWorld, loadOf, startFaultWorld } from "./world.js";

const EVENTS = sized(3_000, 20_000);
/** Longer than every timeout of the log's clients. */
const FROZEN_MS = sized(12_000, 60_000);
const DISK_MIB = sized(96, 256);

const mountable = await canMount();
if (!mountable)
  process.stdout.write("*** NO SMALL DISK: mounting is not allowed here. The full disk's test is SKIPPED. ***\n");

describe.skipIf(!hasKafka || !hasRedis || !hasPostgres)("a broker that fails", () => {
  const tenants = {
    lost: ["lost-1", "lost-2", "lost-3"],
    frozen: ["frozen-1", "frozen-2", "frozen-3"],
    killed: ["killed-1", "killed-2", "killed-3"],
    full: ["full-1", "full-2", "full-3"],
  };
  let world: FaultWorld;
  let disk: SmallDisk | undefined;

  beforeAll(async () => {
    world = await startFaultWorld([...Object.values(tenants).flat(), "outage"], {
      async beforeFormat(dataDir) {
        if (mountable) disk = await mountSmallDisk(dataDir, DISK_MIB);
      },
    });
  });

  afterAll(async () => {
    // The broker's folder can only be deleted once its disk is unmounted.
    await world?.kafka.kill("SIGKILL");
    await disk?.unmount();
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
      try {
        // What is under way when the broker goes on may be taken.
        await Promise.all([wait(FROZEN_MS), expectRefusals(world, "outage", FROZEN_MS - 5_000)]);
      } finally {
        await world.kafka.kill("SIGCONT");
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

  test.skipIf(!mountable)(
    "a full disk causes refusals until it has space and the broker is back, and recovery needs no intervention",
    async () => {
      const load = loadOf(tenants.full, EVENTS);
      async function fill(): Promise<void> {
        await disk?.fill();
        try {
          // It shuts down when it cannot write; until then, writes that fit into the last page may succeed.
          await waitFor(() => isRefused(world.kafka.port), { what: "the broker to give up" });
          await expectRefusals(world, "outage", 3_000);
        } finally {
          await disk?.clear();
          await world.kafka.kill("SIGKILL");
          await world.kafka.restart();
        }
      }
      const events = await postThrough(world, load, [fill]);
      await expectNothingLost(world, load, events);
    },
  );
});

function isRefused(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => resolve(false)).once("error", () => resolve(true));
    socket.once("connect", () => socket.destroy());
  });
}
