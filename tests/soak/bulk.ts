import { setTimeout as wait } from "node:timers/promises";
import { amount, money, plain, times } from "../oracle/amounts.js";
import { waitFor } from "../servers/servers.js";
import { ask, type EventsAnswer, postEvents, postJson } from "../support/client.js";
import * as operations from "../systems/whole-path/life/operations.js";
import { type Dice, metersOf } from "../systems/whole-path/life/terms.js";
import { closeLastMonth, type Target } from "../systems/whole-path/proof.js";
import * as world from "../systems/whole-path/world.js";
import { type Answers, classOf } from "./answers.js";
import { type BulkEvent, createTally, type Tally } from "./tally.js";

/** Of all meters of the soak. */
export const NAME = "soak";
const PLAN = "soak-bulk";
/** The requests that each bulk tenant may make in its period: some are used up soon, some never. */
const LIMITS: readonly number[] = [200, 2_000, 20_000, 200_000];
const PRICES: Readonly<Record<string, string>> = {
  soak_calls: "0.0035",
  soak_sum: "0.00012",
  soak_peak: "1.5",
  soak_users: "0.07",
  soak_last: "0.25",
};
export const BATCH = 100;
const USERS = 2_000;
const RETRY_MS = 200;
const LOOK_MS = 900_000;
/** Two of a tenant's events never have the same time: LATEST could then be either. Prime, so that it meets each ms once. */
const TIME_STEP = 15_485_863;
const EDGE_MS = 7_200_000;

interface BulkTenant {
  readonly id: string;
  readonly limit: number;
  /** Of last month, and of this one. */
  readonly tallies: { readonly before: Tally; readonly now: Tally };
  sent: number;
  asked: number;
  admitted: number;
}

/** A large load of a few tenants. What it must add up to is kept, not what was sent: it has no end. */
export interface Bulk {
  /** One batch, again until it is acknowledged. */
  send(): Promise<void>;
  consume(): Promise<void>;
  read(): Promise<void>;
  acknowledged(): number;
  /** Resolves when everything acknowledged is accounted for. */
  settled(): Promise<void>;
  judgeAccounting(): Promise<Judged>;
  judgeTotals(): Promise<Judged>;
  judgeInvoices(): Promise<Judged>;
  judgeLimits(): Promise<Judged>;
}
export interface Judged {
  readonly cases: number;
  readonly violations: readonly string[];
}

export async function startBulk(target: Target, key: string, d: Dice, answers: Answers): Promise<Bulk> {
  const { url, admin } = target;
  const month = world.lastMonth(Date.now());
  const [fromMs, toMs] = [month.acceptedFromMs + EDGE_MS, Date.now()];
  await setUp(target, new Date(month.acceptedFromMs).toISOString());
  const tenants = LIMITS.map((limit, n): BulkTenant => {
    const tallies = { before: createTally(NAME), now: createTally(NAME) };
    return { id: tenantOf(n), limit, tallies, sent: 0, asked: 0, admitted: 0 };
  });
  const anyTenant = (): BulkTenant => tenants[d.whole(0, tenants.length - 1)] as BulkTenant;

  function nextBatch(tenant: BulkTenant): { readonly kept: readonly BulkEvent[]; readonly body: readonly object[] } {
    const first = tenant.sent;
    tenant.sent += BATCH;
    const kept = Array.from({ length: BATCH }, (_, n): BulkEvent => {
      const timeMs = fromMs + (((first + n) * TIME_STEP) % (toMs - fromMs));
      const [n1, user, model] = [d.decimal(900, 3), `u${d.whole(1, USERS)}`, d.one(["a", "b", "c"])];
      return { timeMs, n: n1, user, model };
    });
    const body = kept.map(({ timeMs, n, user, model }, at) => ({
      ...{ specversion: "1.0", source: "bulk", id: `e${first + at}`, type: `${NAME}.work`, subject: tenant.id },
      ...{ time: new Date(timeMs).toISOString(), data: { n, user, model } },
    }));
    return { kept, body };
  }

  async function post(body: readonly object[]): Promise<boolean> {
    const response = await postEvents(url, key, body).catch(() => undefined);
    const text = await response?.text().catch(() => undefined);
    answers.count("usage", classOf(text === undefined ? undefined : response?.status));
    return response?.status === 202 && text !== undefined && isTaken(JSON.parse(text) as EventsAnswer);
  }

  async function eachTenant(judge: (tenant: BulkTenant) => Promise<readonly string[]>, cases: number): Promise<Judged> {
    const violations: string[] = [];
    for (const tenant of tenants) violations.push(...(await judge(tenant)).map((text) => `${tenant.id}: ${text}`));
    return { cases: cases * tenants.length, violations };
  }

  return {
    async send() {
      const tenant = anyTenant();
      const { kept, body } = nextBatch(tenant);
      while (!(await post(body))) await wait(RETRY_MS);
      for (const event of kept) tenant.tallies[event.timeMs < month.endMs ? "before" : "now"].add(event);
      // Honest clients repeat what they were not sure of.
      if (d.chance(0.1)) await post(body);
    },
    async consume() {
      const tenant = anyTenant();
      tenant.asked += 1;
      const body = { tenantId: tenant.id, idempotencyKey: `k${tenant.asked}`, ttlSeconds: 60 };
      const response = await postJson(url, key, "/v1/quota/consume", body).catch(() => undefined);
      const text = await response?.text().catch(() => undefined);
      answers.count("quota", classOf(text === undefined ? undefined : response?.status));
      if (response?.status === 200 && text !== undefined) tenant.admitted += 1;
    },
    async read() {
      const query = { query: GRAPH, variables: { tenantId: anyTenant().id } };
      const response = await postJson(url, admin, "/graphql", query).catch(() => undefined);
      const text = await response?.text().catch(() => undefined);
      const isWhole = text !== undefined && !text.includes('"errors"');
      answers.count("graph", classOf(isWhole ? response?.status : undefined));
    },
    acknowledged: () => tenants.reduce((sum, { tallies }) => sum + tallies.before.count() + tallies.now.count(), 0),
    async settled() {
      for (const { id } of tenants)
        await waitFor(async () => (await world.accountingOf(url, admin, id)).inFlight === 0, {
          ...{ what: `${id} at rest`, deadlineMs: 1_800_000, pauseMs: 200 },
        });
    },
    judgeAccounting: () =>
      eachTenant(async ({ id, tallies }) => {
        const now = await patiently("the accounting", () => world.accountingOf(url, admin, id));
        const counted = tallies.before.count() + tallies.now.count();
        const isWhole = world.sumOf(now) === now.accepted && now.unmetered === 0 && now.quarantined === 0;
        const found = JSON.stringify(now);
        return now.counted === counted && isWhole ? [] : [`${counted} events were acknowledged, accounted: ${found}`];
      }, 1),
    judgeTotals: () =>
      eachTenant(async ({ id, tallies }) => {
        const found: string[] = [];
        for (const [periodStart, tally] of [
          [new Date(month.startMs).toISOString(), tallies.before],
          [new Date(month.endMs).toISOString(), tallies.now],
        ] as const) {
          const shown = await totalsOf(target, { tenantId: id, periodStart });
          for (const [meter, quantity] of Object.entries(tally.quantities())) {
            const is = shown.find((one) => one.meter === meter)?.quantity ?? "0";
            if (is !== quantity) found.push(`${meter} from ${periodStart}: ${quantity} were sent, the total is ${is}`);
          }
          const grouped = await totalsOf(target, { tenantId: id, periodStart, groupBy: ["model"] });
          for (const [model, of] of Object.entries(tally.byModel()))
            for (const [meter, quantity] of Object.entries(of)) {
              const is = grouped.find((one) => one.meter === meter && one.dimensions[0]?.value === model)?.quantity;
              if (is !== quantity) found.push(`${meter} of ${model} from ${periodStart}: ${quantity}, shown ${is}`);
            }
        }
        return found;
      }, 22),
    async judgeInvoices() {
      await closeLastMonth(
        target,
        tenants.map(({ id }) => id),
      );
      return eachTenant(async ({ id, tallies }) => {
        const [invoice] = await waitFor(async () => nonEmpty(await world.invoicesOf(url, admin, id)), {
          ...{ what: `the invoice of ${id}`, deadlineMs: 600_000 },
        });
        if (invoice === undefined) return ["has no invoice"];
        const found: string[] = [];
        for (const [meter, quantity] of Object.entries(tallies.before.quantities())) {
          const line = invoice.lines.find((one) => one.kind === "USAGE" && one.meter === meter);
          const charge = money(times(amount(quantity), amount(PRICES[meter] ?? "0")), 2);
          const is = `${plain(amount(line?.quantity ?? "0"))} for ${line?.amount.amount}`;
          if (is !== `${quantity} for ${charge}`)
            found.push(`${meter}: ${quantity} for ${charge}, on the invoice ${is}`);
        }
        const verify = () => ask(url, admin, world.VERIFY, { id: invoice.id });
        const { verifyInvoice } = await patiently("the verifier", verify);
        return verifyInvoice.matches
          ? found
          : [...found, `the verifier differs: ${verifyInvoice.differences.join("; ")}`];
      }, Object.keys(PRICES).length);
    },
    judgeLimits: async () => ({
      cases: tenants.reduce((sum, { asked }) => sum + asked, 0),
      violations: tenants.flatMap(({ id, limit, admitted }) =>
        admitted <= limit ? [] : [`${id}: ${admitted} requests were admitted, the limit is ${limit}`],
      ),
    }),
  };
}

const GRAPH = `query ($tenantId: ID!) { meters { key } tenant(id: $tenantId) { name
  usageTotals { meter quantity } quotas { used remaining } alerts(first: 1) { nodes { id } } } }`;
const tenantOf = (n: number): string => `bulk-${n}`;
const nonEmpty = <T>(items: readonly T[]): readonly T[] | undefined => (items.length > 0 ? items : undefined);

/** A clock that is wrong refuses good events by their time: for now. */
export const isTaken = ({ results }: EventsAnswer): boolean =>
  results.every(({ status }) => status === "accepted" || status === "duplicate");

async function setUp({ url, admin }: Target, startsAt: string): Promise<void> {
  for (const input of metersOf(NAME)) await ask<unknown, object>(url, admin, operations.CREATE_METER, { input });
  const prices = Object.entries(PRICES).map(([meter, unitAmount]) => ({ meter, model: "PER_UNIT", unitAmount }));
  for (const [n, limit] of LIMITS.entries()) {
    const limits = [
      { window: "BILLING_PERIOD", kind: "HARD", limit: String(limit) },
      { meter: `${NAME}_sum`, window: "DAY", kind: "SOFT", limit: "1000000", warnAt: ["0.5"] },
    ];
    const version = { currency: "EUR", recurringFee: "5", prices, limits };
    const plan = { id: `${PLAN}-${n}`, name: PLAN, version };
    await ask<unknown, object>(url, admin, operations.CREATE_PLAN, { input: plan });
    const tenant = { id: tenantOf(n), name: tenantOf(n), planId: plan.id, startsAt };
    await ask<unknown, object>(url, admin, operations.CREATE_TENANT, { input: tenant });
  }
}

interface Totals {
  readonly tenant: {
    readonly usageTotals: readonly {
      readonly meter: string;
      readonly quantity: string;
      readonly dimensions: readonly { readonly value: string }[];
    }[];
  };
}

const totalsOf = async ({ url, admin }: Target, input: object) => {
  const answer = await patiently("totals", () => ask<Totals, object>(url, admin, operations.TOTALS, input));
  return answer.tenant.usageTotals;
};

/** A busy machine may answer that it takes too long. */
const patiently = <T>(what: string, look: () => Promise<T>): Promise<NonNullable<T>> =>
  waitFor(look, { what, deadlineMs: LOOK_MS, pauseMs: 500 });
