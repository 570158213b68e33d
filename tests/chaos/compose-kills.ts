import { afterAll, beforeAll, expect, onTestFailed, test } from "vitest";
import { parseConfig } from "#platform/process/config.js";
import { createHistory, wallClock } from "../oracle/history.js";
import { sized, testSeed } from "../support/effort.js";
import { graphql } from "../support/graphql/index.js";
import { randomOf, shuffled } from "../support/random.js";
import { countRequests } from "../support/requests.js";
import { hammerGraph, hammerQuota } from "../systems/compose/hammer.js";
import { expectNoticesDelivered, type Receiver, startReceiver } from "../systems/compose/receiver.js";
import type { RunningCompose } from "../systems/compose/start.js";
import {
  expectAccounted,
  expectInvoices,
  expectTotals,
  type ProofOptions,
  setUp,
  type Target,
} from "../systems/whole-path/proof.js";
import { interrupt, repeatedRequestsOf, uncommitted, type Work } from "./interruption.js";
import { postThrough } from "./under-load.js";

const ROLES = ["gateway", "tenancy", "ingestion", "quota", "billing", "notification"] as const;
const KILLS_OF_EACH = sized(1, 2);
const EVENTS = sized(6_000, 30_000);
const TENANTS = sized(4, 12);
const REQUESTS_LIMIT = 400;
/** Served by the gateway, tenancy and notification. */
const GRAPH = graphql(
  `query KillsGraph { meters { key } tenant(id: "tenant-0") { alerts(first: 1) { nodes { id } } } }`,
);

/** Kills every role, the broker and Redis under load; `running` is asked once the test begins, and has webhooks to 127.0.0.1. */
export function killEachRole(replicas: number, running: () => RunningCompose): void {
  const options: ProofOptions = {
    events: EVENTS,
    tenants: Array.from({ length: TENANTS }, (_, n) => `tenant-${n}`),
    seed: testSeed(),
    limits: [
      { meter: null, window: "BILLING_PERIOD", kind: "HARD", limit: String(REQUESTS_LIMIT) },
      { meter: "tokens", window: "BILLING_PERIOD", kind: "SOFT", limit: "20000", warnAt: ["0.5", "0.8"] },
    ],
  };
  let receiver: Receiver;
  let target: Target;
  let key: string;

  beforeAll(async () => {
    target = { url: running().url, admin: await running().adminToken(), history: createHistory(wallClock) };
    key = await setUp(target, options);
    receiver = await startReceiver();
    await receiver.subscribe(target, options.tenants);
  });

  afterAll(() => receiver?.stop());

  test("loses nothing when each role, the broker and Redis are killed under load", async () => {
    onTestFailed(async () => {
      for (const [name, process] of running().processes)
        console.error(`${name}:\n${(await process.output()).slice(-3_000)}`);
    });
    const quota = hammerQuota(target, key, options.tenants[0] ?? "");
    const graph = hammerGraph(target, GRAPH);
    const requests = countRequests();
    // With its password, from the role's secret.
    const databaseOf = (role: string) => parseConfig(running().processes.get(role)?.env ?? {}).databaseUrl ?? "";
    const asked = repeatedRequestsOf("for the graph", graph.requests);
    const works: Readonly<Record<string, Work>> = {
      gateway: asked,
      tenancy: asked,
      ingestion: repeatedRequestsOf("with events", requests),
      quota: repeatedRequestsOf("for a quota", quota.requests),
      billing: uncommitted(databaseOf("ingestion"), databaseOf("billing")),
      notification: asked,
      kafka: repeatedRequestsOf("with events", requests),
      redis: repeatedRequestsOf("for a quota", quota.requests),
    };
    const kills = planned(randomOf(options.seed + 1)).map((victim) => () => kill(victim, works));
    const events = await postThrough({ target, key }, options, kills, requests);
    const admitted = await quota.stop();
    await graph.stop();

    await expectAccounted(target, options, events);
    await expectTotals(target, options, events);
    await expectInvoices(target, options, events);
    expect(admitted, `admitted by a hard limit, seed ${options.seed}`).toBeLessThanOrEqual(REQUESTS_LIMIT);
    expect(admitted).toBeGreaterThan(0);
    await expectNoticesDelivered(target, options.tenants, receiver);
  });

  /** Every role, and once the broker and Redis, in random order. */
  function planned(random: () => number): readonly string[] {
    const roles = ROLES.flatMap((role) => Array<string>(KILLS_OF_EACH).fill(role));
    return shuffled([...roles, "kafka", "redis"], random);
  }

  /** SIGKILL under load, and a restart on the same data, like Docker's restart policy. */
  async function kill(victim: string, works: Readonly<Record<string, Work>>): Promise<void> {
    const server =
      victim === "kafka" ? running().kafka : victim === "redis" ? running().redis : running().processes.get(victim);
    const work = works[victim];
    if (server === undefined || work === undefined) throw new Error(`there is no ${victim}`);
    if (replicas === 1) return interrupt(work, () => server.kill("SIGKILL"), server.restart);
    // The open request may be with the other replica, and nginx repeats a broken one: a client sees no interruption.
    await server.kill("SIGKILL");
    await server.restart();
  }
}
