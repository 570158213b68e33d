import { setTimeout as wait } from "node:timers/promises";
import { expect } from "vitest";
import { amount, plain } from "../../oracle/amounts.js";
import type { History } from "../../oracle/history.js";
import {
  type AcknowledgedEvent,
  distinctEvents,
  expectedInvoice,
  expectedTotal,
  type OracleMeter,
  type OraclePlan,
} from "../../oracle/oracle.js";
import { waitFor } from "../../servers/servers.js";
import { ask, askRaw, type Loose } from "../../support/client.js";
import { sized } from "../../support/effort.js";
import type { QuotaLimitInput } from "../../support/graphql/graphql.js";
import { randomOf } from "../../support/random.js";
import { countRequests, type Requests } from "../../support/requests.js";
import { expectJudged, kept } from "./judged.js";
import { bodyOf, cutBatches, generateEvents, postUntilAnswered } from "./load.js";
import * as world from "./world.js";

/** A running Metrly of any kind. */
export interface Target {
  readonly url: string;
  readonly admin: string;
  /** Keeps what its clients do, and they are judged by it at the end. */
  readonly history?: History;
}

export const METERS: readonly OracleMeter[] = [
  { key: "calls", eventType: "api.call", aggregation: "COUNT" },
  { key: "tokens", eventType: "llm.completion", aggregation: "SUM", valueProperty: "tokens" },
];
export const PLAN: OraclePlan = {
  recurringFee: "19.9",
  currencyDigits: 2,
  prices: [
    { meter: "calls", model: "PER_UNIT", included: "100", unitAmount: "0.0035" },
    {
      meter: "tokens",
      model: "GRADUATED",
      divideBy: "1000",
      tiers: [
        { upTo: "100", unitAmount: "0.9", flatAmount: "1" },
        { upTo: "1000", unitAmount: "0.45", flatAmount: "0" },
        { upTo: null, unitAmount: "0.123", flatAmount: "2.5" },
      ],
    },
  ],
};
/** The one of `setUp`, unless its options name another. */
const PLAN_ID = "plan";
const EXISTING = "query Existing($plan: ID!) { meters { key } plan(id: $plan) { id } }";
interface Existing {
  readonly meters: readonly { readonly key: string }[];
  readonly plan: object | null;
}
const SENDERS = 6;
const LARGEST_BATCH = sized(100, 500);
/** Pause between repeats, so that waiting for a fault does not saturate the machine. */
const REPEAT_PAUSE_MS = 100;
const MALFORMED_SHARE = 0.01;

export interface ProofOptions {
  readonly events: number;
  readonly tenants: readonly string[];
  readonly seed: number;
  /** Limits of the plan; none by default. */
  readonly limits?: readonly Loose<QuotaLimitInput>[];
  readonly planId?: string;
  /** A platform key of before; none: a new one is issued. */
  readonly key?: string | undefined;
  /** Of the events; a second load of the same tenants needs another one. */
  readonly source?: string;
  /** Before which the events' times are; by default now. */
  readonly toMs?: number;
}

/**
 * Meters and a plan that are not there yet, tenants and a platform key that ingests for all. Returns the key once the edge knows
 * it.
 */
export async function setUp(
  { url, admin, history }: Target,
  { tenants, limits = [], planId = PLAN_ID, key: known }: ProofOptions,
): Promise<string> {
  const month = world.lastMonth(Date.now());
  const existing = await ask<Existing, { plan: string }>(url, admin, EXISTING, { plan: planId });
  for (const meter of METERS) {
    const input = { name: meter.key, ...meter };
    const isThere = existing.meters.some(({ key }) => key === meter.key);
    await kept(history, "createMeter", input, async () => isThere || ask(url, admin, world.CREATE_METER, { input }));
  }
  const version = { currency: "EUR", recurringFee: PLAN.recurringFee, prices: PLAN.prices, limits };
  const plan = { id: planId, name: "Plan", version };
  const isPlanThere = existing.plan !== null;
  await kept(
    history,
    "createPlan",
    plan,
    async () => isPlanThere || ask(url, admin, world.CREATE_PLAN, { input: plan }),
  );
  for (const id of tenants) {
    const startsAt = new Date(month.acceptedFromMs).toISOString();
    const input = { id, name: id, planId, startsAt };
    await kept(history, "createTenant", input, () => ask(url, admin, world.CREATE_TENANT, { input }));
  }
  const key = known ?? (await issueKey({ url, admin }, "load"));
  const probe = `${url}/v1/events?source=x&id=x&tenantId=${tenants.at(-1)}`;
  await waitFor(async () => (await fetch(probe, { headers: { authorization: `Bearer ${key}` } })).status === 404, {
    what: "the key at the edge",
  });
  return key;
}

/** A platform key for usage and quota. */
export async function issueKey({ url, admin }: Target, name: string): Promise<string> {
  const input = { platform: true, name, scopes: ["INGEST", "QUOTA"] } as const;
  return (await ask(url, admin, world.ISSUE_KEY, { input })).issueApiKey.secret;
}

export interface LoadControl {
  /** Called before each batch with the share of the load already sent; the sender awaits it. */
  readonly beforeBatch?: (share: number) => void | Promise<void>;
  /** While this is true, senders repeat acknowledged batches: traffic continues, the load does not. */
  readonly hold?: (share: number) => boolean;
  readonly requests?: Requests;
  /** A batch with such an answer is sent again, like one without an answer. */
  readonly isForNow?: (answer: string) => boolean;
}

/**
 * Posts shuffled events with 20 % duplicates and 1 % malformed ones in batches of random sizes. Returns the acknowledged
 * events, each once.
 */
export async function postLoad(
  { url, history }: Target,
  key: string,
  { events: total, tenants, seed, source = "load", toMs = Date.now() }: ProofOptions,
  { beforeBatch, hold = () => false, requests = countRequests(), isForNow = () => false }: LoadControl = {},
): Promise<AcknowledgedEvent[]> {
  const random = randomOf(seed);
  const { acceptedFromMs } = world.lastMonth(Date.now());
  const events = generateEvents({
    random,
    tenants,
    total,
    duplicateShare: 0.2,
    fromMs: acceptedFromMs,
    toMs,
    source,
  });
  const batches = cutBatches(events, LARGEST_BATCH, random).map((batch) => ({
    batch,
    body: bodyOf(batch, MALFORMED_SHARE, random),
  }));
  const acknowledged: AcknowledgedEvent[] = [];
  const answered = new Set<number>();
  let next = 0;
  async function send(): Promise<void> {
    for (let at = next++; at < batches.length; at = next++) {
      await beforeBatch?.(at / batches.length);
      await post(at);
      while (hold(next / batches.length)) {
        await wait(REPEAT_PAUSE_MS);
        await post(at);
      }
    }
  }
  async function post(at: number): Promise<void> {
    const { batch, body } = batches[at] ?? { batch: [], body: [] };
    // Repeats of what was acknowledged change nothing that can be true.
    const keptIn = answered.has(at) ? undefined : history;
    const answer = await postUntilAnswered(url, key, body, requests, isForNow, keptIn);
    answered.add(at);
    expect(answer.results).toHaveLength(body.length);
    expect(answer.rejected).toBe(body.length - batch.length);
    acknowledged.push(...batch);
  }
  await Promise.all(Array.from({ length: SENDERS }, send));
  return distinctEvents(acknowledged);
}

/** The identity holds at every check, and at rest exactly the acknowledged events are counted. */
export async function expectAccounted(
  target: Target,
  options: ProofOptions,
  events: readonly AcknowledgedEvent[],
): Promise<void> {
  await kept(target.history, "rest", {}, () => expectAtRest(target, options, events));
}

async function expectAtRest(
  { url, admin, history }: Target,
  { tenants, seed }: ProofOptions,
  events: readonly AcknowledgedEvent[],
): Promise<void> {
  for (const tenantId of tenants) {
    const accounting = await waitFor(
      async () => {
        const now = await kept(history, "accounting", { tenantId }, () => world.accountingOf(url, admin, tenantId));
        expect(world.sumOf(now), `the identity of ${tenantId}, seed ${seed}: ${JSON.stringify(now)}`).toBe(
          now.accepted,
        );
        return now.inFlight === 0 ? now : undefined;
      },
      { what: `${tenantId} at rest (seed ${seed})`, deadlineMs: 180_000 },
    );
    const mine = events.filter((event) => event.tenantId === tenantId);
    expect(accounting, `seed ${seed}`).toMatchObject({ counted: mine.length, unmetered: 0, quarantined: 0 });
    expect(accounting.accepted, `seed ${seed}`).toBe(mine.length + accounting.duplicates);
  }
}

/** The current period's totals equal the oracle's, to the last digit. */
export async function expectTotals(
  { url, admin }: Target,
  { tenants, seed }: ProofOptions,
  events: readonly AcknowledgedEvent[],
) {
  const { endMs } = world.lastMonth(Date.now());
  for (const tenantId of tenants) {
    const look = () => ask(url, admin, world.USAGE, { tenantId });
    const { tenant } = await waitFor(look, { what: `the totals of ${tenantId}` });
    for (const meter of METERS) {
      const expected = expectedTotal(events, tenantId, meter, endMs, Number.POSITIVE_INFINITY);
      const found = tenant.usageTotals.find((total) => total.meter === meter.key)?.quantity ?? "0";
      expect(found, `${tenantId} ${meter.key}, seed ${seed}`).toBe(plain(expected));
    }
  }
}

/** Asks until it is under way, also while the services fail: repeated, it changes nothing. */
export async function closeLastMonth({ url, admin, history }: Target, tenants: readonly string[]): Promise<void> {
  const periodStart = new Date(world.lastMonth(Date.now()).startMs).toISOString();
  for (const tenantId of tenants) {
    const close = { tenantId, periodStart };
    const isClosing = async () => {
      const { errors } = await askRaw(url, admin, world.CLOSE_PERIOD, close);
      return errors === undefined || (await world.invoicesOf(url, admin, tenantId)).length > 0;
    };
    const isDone = () => waitFor(isClosing, { what: `last month of ${tenantId} to be closing` });
    await kept(history, "closeBillingPeriod", close, isDone);
  }
}

/** As `expectInvoiced`, and all that the tenants have then is possible after what clients did and were answered. */
export async function expectInvoices(
  target: Target,
  { tenants, seed }: ProofOptions,
  events: readonly AcknowledgedEvent[],
): Promise<void> {
  await expectInvoiced(target, { tenants, seed }, events);
  await expectJudged(target, { tenants, seed });
}

/** Closes last month; every invoice equals the oracle's, to the cent, and the verifier agrees. Returns them by tenant. */
export async function expectInvoiced(
  target: Target,
  { tenants, seed }: Pick<ProofOptions, "tenants" | "seed">,
  events: readonly AcknowledgedEvent[],
): Promise<ReadonlyMap<string, world.Invoice>> {
  const { url, admin } = target;
  const invoices = new Map<string, world.Invoice>();
  const { startMs, endMs } = world.lastMonth(Date.now());
  await closeLastMonth(target, tenants);
  for (const tenantId of tenants) {
    const invoice = await waitFor(async () => (await world.invoicesOf(url, admin, tenantId))[0], {
      what: `the invoice of ${tenantId} (seed ${seed})`,
    });
    const expected = expectedInvoice(events, tenantId, METERS, PLAN, startMs, endMs);
    const usage = invoice.lines.filter((line) => line.kind === "USAGE");
    expect(
      {
        total: invoice.total.amount,
        usage: usage.map((line) => [line.meter, amount(line.quantity), line.amount.amount]),
      },
      `${tenantId}, seed ${seed}`,
    ).toEqual({
      total: expected.total,
      usage: expected.usage.map((line) => [line.meter, line.quantity, line.amount]),
    });
    // Asked again while no service answers in time: a busy machine is slow.
    const verify = () => ask(url, admin, world.VERIFY, { id: invoice.id });
    const { verifyInvoice } = await waitFor(verify, { what: `the verifier's answer about ${invoice.id}` });
    expect(verifyInvoice, `${tenantId}, seed ${seed}`).toMatchObject({ matches: true, differences: [] });
    invoices.set(tenantId, invoice);
  }
  return invoices;
}
