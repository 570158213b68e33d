import { rm } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { serverDir } from "../servers/server-process.js";
import { hasKafka, hasPostgres, hasRedis, waitFor } from "../servers/servers.js";
import { type RoundRobin, startRoundRobin } from "../systems/compose/round-robin.js";
import { randomOf } from "../systems/whole-path/load.js";
import { postLoad } from "../systems/whole-path/proof.js";
import { type IngestionProcess, startIngestionProcess } from "./ingestion-process.js";
import { expectNothingLost, type FaultWorld, loadOf, startFaultWorld } from "./world.js";

const ENDS_OF_EACH = 10;
const EVENTS = 60_000;

describe.skipIf(!hasKafka || !hasRedis || !hasPostgres)("edges and recorders that come and go", () => {
  const tenants = ["storm-1", "storm-2", "storm-3", "storm-4", "storm-5", "storm-6"];
  let world: FaultWorld;
  let dir: string;
  let edges: RoundRobin;
  const extra: IngestionProcess[] = [];

  beforeAll(async () => {
    world = await startFaultWorld(tenants);
    dir = await serverDir("ingestion");
    for (const name of ["ingestion-2", "ingestion-3"]) extra.push(await startIngestionProcess(world, name, dir));
    await Promise.all(extra.map(({ container }) => container.restart()));
    edges = await startRoundRobin([new URL(world.target.url).host, ...extra.map(({ address }) => address)]);
  }, 240_000);

  afterAll(async () => {
    await edges?.close();
    await Promise.all(extra.map(({ container }) => container.stop()));
    await world?.stop();
    if (dir !== undefined) await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }, 60_000);

  test("twenty ends under load, kill -9 and orderly, with all their rebalances, lose and double nothing", async () => {
    const load = loadOf(tenants, EVENTS);
    const random = randomOf(load.seed + 1);
    const ends: Record<string, number> = { SIGKILL: 0, SIGTERM: 0 };
    const doneBy = extra.map(() => 0);
    const done = () => doneBy.reduce((sum, one) => sum + one, 0);
    async function comeAndGo({ container }: IngestionProcess, at: number): Promise<void> {
      for (let n = 1; n <= ENDS_OF_EACH; n += 1) {
        await wait(random() * 1_000);
        const signal = random() < 0.7 ? "SIGKILL" : "SIGTERM";
        await container.kill(signal);
        await container.restart();
        ends[signal] = (ends[signal] ?? 0) + 1;
        doneBy[at] = n;
      }
    }
    const storm = Promise.all(extra.map(comeAndGo));
    const atEdges = { ...world.target, url: `http://${edges.address}` };
    const events = await postLoad(atEdges, world.key, load, async (share) => {
      const reached = () => share <= (done() + 1) / (extra.length * ENDS_OF_EACH + 1);
      await waitFor(reached, { what: "the next end", deadlineMs: 180_000 });
    });
    await storm;
    process.stdout.write(`ended: ${JSON.stringify(ends)}\n`);
    await expectNothingLost(world, load, events);
    expect(done()).toBe(2 * ENDS_OF_EACH);
  }, 400_000);
});
