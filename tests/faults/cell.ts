import { expect } from "vitest";
import { reconcileQuota } from "../../cli/quota.js";
import { rebuildBilling } from "../../cli/rebuild.js";
import { expectPublished } from "../chaos/outage.js";
import { createHistory, wallClock } from "../oracle/history.js";
import type { AcknowledgedEvent } from "../oracle/oracle.js";
import { waitFor } from "../servers/servers.js";
import { ask, askRaw } from "../support/client.js";
import { sized } from "../support/effort.js";
import { randomOf } from "../support/random.js";
import { consume, hammerGraph, hammerQuota } from "../systems/compose/hammer.js";
import { expectNoticesDelivered, startReceiver } from "../systems/compose/receiver.js";
import { expectJudged } from "../systems/whole-path/judged.js";
import { expectAdjusted, voidFirst } from "../systems/whole-path/late.js";
import { ALERTS } from "../systems/whole-path/life/operations.js";
import {
  closeLastMonth,
  expectAccounted,
  expectInvoiced,
  expectTotals,
  type ProofOptions,
  postLoad,
  setUp,
  type Target,
} from "../systems/whole-path/proof.js";
import { type Invoice, lastMonth } from "../systems/whole-path/world.js";
import { type Alert, isAlerted, missingAlerts } from "./alerts.js";
import { type Injection, injectionOf, type Lengths, within } from "./inject.js";
import { type Cell, type Fault, nameOf } from "./matrix.js";
import { type Role, STATIONS } from "./stations.js";
import { allReady, type MatrixWorld } from "./world.js";

const RENAME = "mutation Rename($id: ID!, $name: String!) { updateTenant(id: $id, input: { name: $name }) { name } }";
const NAME = "query Name($id: ID!) { tenant(id: $id) { name } }";

const EVENTS = sized(300, 2_000);
const SOME_EVENTS = 40;
/** Of last month alone. */
const OLD_EVENTS = 40;
const TOKENS_METER = {
  key: "tokens",
  eventType: "llm.completion",
  aggregation: "SUM",
  valueProperty: "tokens",
} as const;
const LIMIT = 40;
const TOKENS = { limit: "20000", warnAt: ["0.5", "0.8"] } as const;
/** Of each tenant's hard limit. */
const CLIENTS = 2;
const SHORTEST_FREEZE_MS = 5_000;
const LONGEST_FREEZE_MS = 60_000;
const lengthsOf = (seed: number): Lengths => ({
  frozenMs: sized(
    SHORTEST_FREEZE_MS + Math.round(randomOf(seed)() * (LONGEST_FREEZE_MS - SHORTEST_FREEZE_MS)),
    LONGEST_FREEZE_MS,
  ),
  apartMs: sized(5_000, 30_000),
  shiftedMs: sized(3_000, 15_000),
});
const SHIFTED: readonly Fault[] = ["clock-ahead", "clock-behind"];
/** Whether usage may be recorded long after the end of its period, which raises no alert ("not claimed", docs/correctness.md). */
const isRecordedAhead = ({ component, fault }: Cell): boolean =>
  fault === "clock-ahead" && STATIONS[component].process === "ingestion";
/** What an edge whose clock is wrong answers about good events. */
const isForNow = (answer: string): boolean => /TIME_OUT_OF_RANGE|BEFORE_FIRST_PERIOD/.test(answer);

/** One for all cells of a world: there may be 200. */
const keys = new WeakMap<MatrixWorld, string>();

/** One fault under a load of its own, and the judgement of all promises. */
export async function runCell(world: MatrixWorld, cell: Cell, seed: number, id: string): Promise<void> {
  // A wrong clock refuses events for other reasons than the judge of histories knows.
  const history = SHIFTED.includes(cell.fault) ? {} : { history: createHistory(wallClock) };
  const target = { ...world.target, ...history };
  const load: ProofOptions = {
    tenants: [`${id}-a`, `${id}-b`],
    ...{ events: EVENTS, seed, planId: "faults" },
    limits: [
      { meter: null, window: "BILLING_PERIOD", kind: "HARD", limit: String(LIMIT) },
      { meter: "tokens", window: "BILLING_PERIOD", kind: "SOFT", ...TOKENS },
    ],
  };
  const [first = "", second = ""] = load.tenants;
  const key = await setUp(target, { ...load, key: keys.get(world) });
  keys.set(world, key);
  const receiver = await startReceiver();
  await receiver.subscribe(target, load.tenants);
  const injection = injectionOf(world, cell, lengthsOf(seed));
  const { phase } = STATIONS[cell.component];
  let clients: Clients | undefined;
  try {
    await injection.prepare?.();
    const events: AcknowledgedEvent[] = [];
    const post = async (source: string, size: number, times: Pick<ProofOptions, "toMs"> = {}) =>
      events.push(...(await postLoad(target, key, { ...load, ...times, events: size, source }, { isForNow })));
    const postOld = (source: string) => post(source, OLD_EVENTS, { toMs: lastMonth(Date.now()).endMs });
    const invoices = new Map<string, Invoice>();
    const invoice = async (tenants: readonly string[]) => {
      for (const [tenant, one] of await expectInvoiced(target, { ...load, tenants }, events)) invoices.set(tenant, one);
    };
    if (phase === "load") {
      // All that the second one sends of last month from now on is late.
      await postOld("early");
      await expectAccounted(target, load, events);
      await invoice([second]);
    }
    const running = startClients(world, target, key, load.tenants);
    clients = running;
    await post("before", EVENTS);
    await running.admitted();
    if (phase === "load") await during(hit(world, injection), (n) => post(`during-${n}`, SOME_EVENTS));
    await post("after", SOME_EVENTS);
    const admissions = await running.stop();
    if (phase === "closing") {
      await expectAccounted(target, load, events);
      await Promise.all([hit(world, injection), closeLastMonth(target, load.tenants)]);
    }
    await allReady(world);
    await expectAccounted(target, load, events);
    await expectTotals(target, load, events);
    await invoice(phase === "load" ? [first] : load.tenants);
    for (const [n, admitted] of admissions.entries())
      expect(admitted, `admitted by the hard limit of ${load.tenants[n]}`).toBeLessThanOrEqual(LIMIT);
    await running.expectNameHeld();
    await expectPublished(world, first);
    const expectAllAlerted = async (counted: readonly AcknowledgedEvent[]) => {
      const seen = isRecordedAhead(cell) ? [] : counted;
      for (const [n, tenantId] of load.tenants.entries())
        await expectAlerted(world, tenantId, seen, running.wasDenied(n));
    };
    await expectAllAlerted(events);

    const voided = await voidFirst(target, load.tenants, events);
    await postOld("late");
    await expectAccounted(target, load, events);
    const counted = events.filter((event) => !voided.includes(event));
    await expectAdjusted(target, load, invoices, counted);
    await expectAllAlerted(counted);
    await expectJudged(target, load);
    await Promise.all([
      expectNoticesDelivered(target, load.tenants, receiver),
      expectRebuilt(world, load.tenants),
      ...load.tenants.map((tenant) => expectReconciled(world, key, tenant)),
    ]);
  } finally {
    await clients?.stop();
    await injection.restore?.();
    await receiver.stop();
  }
  await allReady(world);
}

/** Ask for quota, read, and change something until they are stopped. */
interface Clients {
  /** Resolves once a request of each tenant was admitted: without one, a hard limit holds whatever fails. */
  admitted(): Promise<void>;
  /** Answers how many requests of each tenant were admitted. */
  stop(): Promise<readonly number[]>;
  /** Whether a request of this tenant was denied. */
  wasDenied(n: number): boolean;
  expectNameHeld(): Promise<void>;
}

function startClients(world: MatrixWorld, target: Target, key: string, tenants: readonly string[]): Clients {
  const [first = ""] = tenants;
  const hammers = tenants.map((tenantId) => hammerQuota(target, key, tenantId, CLIENTS));
  const graph = hammerGraph(target, graphOf(first));
  const names = rename(world, first);
  return {
    async admitted() {
      const isEach = () => hammers.every((one) => one.admitted() > 0);
      await waitFor(isEach, { what: "an admission of each tenant" });
    },
    async stop() {
      const [admitted] = await Promise.all([
        Promise.all(hammers.map((hammer) => hammer.stop())),
        graph.stop(),
        names.stop(),
      ]);
      return admitted;
    },
    wasDenied: (n) => (hammers[n]?.denied() ?? 0) > 0,
    expectNameHeld: names.expectHeld,
  };
}

async function hit({ network }: MatrixWorld, injection: Injection): Promise<void> {
  await within(
    network.once(injection.trigger, () => injection.strike()),
    injection.trigger.what,
  );
  await injection.last();
}

/** Repeats the work until the fault is over; both fail together. */
async function during(fault: Promise<void>, work: (n: number) => Promise<unknown>): Promise<void> {
  let isOver = false;
  const over = fault.finally(() => {
    isOver = true;
  });
  const repeated = (async () => {
    for (let n = 0; !isOver; n += 1) await work(n);
  })();
  await Promise.all([over, repeated]);
}

/** Served by tenancy and notification. */
const graphOf = (tenantId: string): string =>
  `{ meters { key } tenant(id: "${tenantId}") { name alerts(first: 1) { nodes { id } } } }`;

interface Renaming {
  readonly id: string;
  readonly name: string;
}
interface Renamed {
  readonly updateTenant: { readonly name: string };
}
interface Named {
  readonly tenant: { readonly name: string };
}

/** A tenant's name can change 200 times: what comes afterwards changes it, too. A freeze of a minute at this pace leaves some. */
const MOST_NAMES = 180;
const BETWEEN_NAMES_MS = 400;

/** Renames a tenant again and again: its name must be the last one that was answered, or one without an answer. */
function rename({ target: { url, admin } }: MatrixWorld, id: string) {
  const stopping = new AbortController();
  const unanswered = new Set<string>();
  // Its name from the beginning.
  let answered = id;
  async function run(): Promise<void> {
    for (let n = 1; n <= MOST_NAMES && !stopping.signal.aborted; n += 1) {
      const name = `name ${n}`;
      const answer = await askRaw<Renamed, Renaming>(url, admin, RENAME, { id, name }).catch(() => undefined);
      if (answer?.data?.updateTenant?.name === name) answered = name;
      else unanswered.add(name);
      await new Promise((resolve) => setTimeout(resolve, BETWEEN_NAMES_MS));
    }
  }
  const running = run();
  return {
    async stop() {
      stopping.abort();
      await running;
    },
    async expectHeld() {
      const look = () => ask<Named, Pick<Renaming, "id">>(url, admin, NAME, { id });
      const { tenant } = await waitFor(look, { what: `the name of ${id}` });
      expect([answered, ...unanswered], "the last name that was answered, and those without an answer").toContain(
        tenant.name,
      );
    },
  };
}

/** Every threshold that usage reached, and a denial, has its alert. */
async function expectAlerted(
  { target: { url, admin } }: MatrixWorld,
  tenantId: string,
  events: readonly AcknowledgedEvent[],
  wasDenied: boolean,
): Promise<void> {
  const { startMs, endMs } = lastMonth(Date.now());
  const periods = [
    { startMs: endMs, endMs: nextMonth(endMs) },
    { startMs, endMs },
  ].filter((period) => isAlerted(period, Date.now()));
  const crossing = { ...{ tenantId, events, meter: TOKENS_METER, periods, wasDenied }, ...TOKENS };
  let missing: readonly string[] = ["nothing was shown"];
  const isComplete = async () => {
    const { tenant } = await ask<Alerted, { tenantId: string }>(url, admin, ALERTS, { tenantId });
    missing = missingAlerts(crossing, tenant.alerts.nodes);
    return missing.length === 0;
  };
  await waitFor(isComplete, { what: `the alerts of ${tenantId}` }).catch((error: Error) => {
    throw new Error(`${error.message}: ${missing.join("; ")}`, { cause: error });
  });
}

interface Alerted {
  readonly tenant: { readonly alerts: { readonly nodes: readonly Alert[] } };
}

const nextMonth = (startMs: number): number => {
  const start = new Date(startMs);
  return Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + 1);
};

/** Billing's derived data are those of the ledger. One tenant at a time: billing allows one rebuild. */
async function expectRebuilt(world: MatrixWorld, tenants: readonly string[]): Promise<void> {
  for (const tenant of tenants)
    await rebuildBilling({ tenant, check: true, ...addressOf(world, "billing") }, settingsOf(world, "billing"));
}

/** So are quota's; also its counters, which a decision loads. */
async function expectReconciled(world: MatrixWorld, key: string, tenant: string): Promise<void> {
  const isDecided = async () => (await consume(world.target, key, tenant, "last")).status < 500;
  await waitFor(isDecided, { what: `a decision for ${tenant}` });
  await reconcileQuota({ tenant, ...addressOf(world, "quota") }, settingsOf(world, "quota"));
}

const settingsOf = ({ compose }: MatrixWorld, role: Role): Readonly<Record<string, string>> =>
  compose.processes.get(role)?.env ?? {};

const addressOf = (world: MatrixWorld, role: Role) => ({
  url: `http://127.0.0.1:${settingsOf(world, role).METRLY_PORT}`,
});

/** A name for messages. */
export const titleOf = (cell: Cell, seed: number): string => `${nameOf(cell)} (seed ${seed})`;
