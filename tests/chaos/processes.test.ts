import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, test } from "vitest";
import { serverDir } from "../servers/run-dir.js";
import { hasKafka, hasPostgres, hasRedis } from "../servers/servers.js";
import { sized } from "../support/effort.js";
import { randomOf } from "../support/random.js";
import { countRequests } from "../support/requests.js";
import { type RoundRobin, startRoundRobin } from "../systems/compose/round-robin.js";
import { type IngestionProcess, startIngestionProcess } from "./ingestion-process.js";
import { interrupt, requestsOf } from "./interruption.js";
import { postThrough } from "./under-load.js";
import { expectNothingLost, type FaultWorld, loadOf, startFaultWorld } from "./world.js";

const ENDS_OF_EACH = sized(2, 10);
const EVENTS = sized(6_000, 60_000);

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
    // Not to the edge that stays: what ends must have been working.
    edges = await startRoundRobin(extra.map(({ address }) => address));
  });

  afterAll(async () => {
    await edges?.close();
    await Promise.all(extra.map(({ container }) => container.stop()));
    await world?.stop();
    if (dir !== undefined) await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  });

  test("crashes and orderly stops under load, with their rebalances, neither lose nor duplicate events", async () => {
    const load = loadOf(tenants, EVENTS);
    const requests = countRequests();
    const random = randomOf(load.seed + 1);
    const restart = () => Promise.all(extra.map(({ container }) => container.restart()));
    async function end({ container }: IngestionProcess): Promise<void> {
      await container.kill(random() < 0.7 ? "SIGKILL" : "SIGTERM");
    }
    const endBoth = () => Promise.all(extra.map(end));
    const fault = () => interrupt(requestsOf("with events", requests), endBoth, restart);
    const atEdges = { target: { ...world.target, url: `http://${edges.address}` }, key: world.key };
    const events = await postThrough(atEdges, load, Array(ENDS_OF_EACH).fill(fault), requests);
    await expectNothingLost(world, load, events);
  });
});
