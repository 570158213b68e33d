import { DAY_MS } from "#kernel/duration.js";
import { createHistory, type Line, wallClock } from "../../../oracle/history.js";
import { ask } from "../../../support/client.js";
import { randomOf } from "../../../support/random.js";
import * as operations from "./operations.js";
import { receive } from "./receiver.js";
import { lookAround, periodsOf, rest } from "./rest.js";
import { dice, metersOf, TIME_ZONES, termsOf, timeOf } from "./terms.js";
import { toldClient } from "./told.js";
import { advance, untilKnown, type World } from "./world.js";

export interface LifeOptions {
  readonly url: string;
  readonly admin: string;
  /** Of the tenant, its meters and its plan; new. */
  readonly name: string;
  readonly seed: number;
  readonly steps: number;
}

const BORN = Date.UTC(2024, 2, 15, 10);
/** Usage of about two billing periods is accepted from the beginning. */
const STARTS = BORN - 34 * DAY_MS;
const EVENT_TYPES = ["quota.warning", "quota.exceeded", "invoice.generated"];

/**
 * Of an embedded Metrly: a tenant with a test clock and a time zone, whose clients do random things for some months: they send and repeat
 * usage, lose answers, ask for quota, void events, change plans, pause, and move the clock. Returns everything that they were told.
 */
export async function live({ url, admin, name, seed, steps }: LifeOptions): Promise<readonly Line[]> {
  const d = dice(randomOf(seed));
  const history = createHistory(wallClock);
  history.note("once");
  const receiver = await receive(history);
  const setUp = toldClient(history, { url, admin, key: "", tenantId: name });
  /** Told again while nobody knows whether it happened; undefined: it had happened before. */
  async function create<Answer>(op: string, text: string, input: object): Promise<Answer | undefined> {
    let answer: Answer | undefined;
    await untilKnown(async () => {
      const told = await setUp.ask<Answer>(op, text, input, { input });
      answer = told.answer;
      return told;
    });
    return answer;
  }
  for (const meter of metersOf(name)) await create("createMeter", operations.CREATE_METER, meter);
  const version = termsOf(name, d);
  await create("createPlan", operations.CREATE_PLAN, { id: name, name, version });
  await create("createTenant", operations.CREATE_TENANT, {
    ...{
      id: name,
      name,
      planId: name,
      testClock: new Date(BORN).toISOString(),
      startsAt: new Date(STARTS).toISOString(),
    },
    ...{ billingAnchorDay: d.whole(1, 28), graceDays: d.whole(0, 5), timeZone: d.one(TIME_ZONES) },
  });
  const created = await create<{ readonly endpoint: { readonly id: string } }>(
    "createWebhookEndpoint",
    operations.CREATE_ENDPOINT,
    { tenantId: name, url: receiver.url, eventTypes: EVENT_TYPES },
  );
  receiver.endpointId = created?.endpoint.id ?? "";
  const input = { tenantId: name, name, scopes: ["INGEST", "QUOTA", "READ"] };
  const { issueApiKey } = await ask<Issued, object>(url, admin, operations.ISSUE_KEY, { input });
  const client = toldClient(history, { url, admin, key: issueApiKey.secret, tenantId: name });
  const world = {
    d,
    name,
    client,
    history,
    clockMs: BORN,
    sent: [] as object[],
    keys: [] as string[],
    amounts: new Map<string, string>(),
    models: new Map<string, string>(),
    grants: [] as object[],
    ids: 0,
  };
  try {
    for (let step = 0; step < steps; step += 1) await doSomething(world);
    await advance(world, 40 * DAY_MS);
    await rest(world, receiver);
    await lookAround(world, receiver.endpointId);
    return history.lines;
  } finally {
    await receiver.stop();
  }
}

interface Issued {
  readonly issueApiKey: { readonly secret: string };
}

async function doSomething(world: World): Promise<void> {
  const { d, name: tenantId, client, keys } = world;
  const at = (ms: number) => new Date(world.clockMs + ms).toISOString();
  if (d.chance(0.08)) return prepay(world);
  const roll = d.next();
  if (roll < 0.45) return send(world);
  if (roll < 0.65) return consume(world);
  if (roll < 0.7) {
    await client.quota("release", {
      meter: `${tenantId}_sum`,
      idempotencyKey: keys[d.whole(0, keys.length - 1)] ?? "none",
    });
    return;
  }
  if (roll < 0.75) {
    const { id } = (world.sent[d.whole(0, world.sent.length - 1)] ?? { id: "none" }) as { readonly id: string };
    await client.ask("voidEvent", operations.VOID, { tenantId, source: "life", id, reason: "chance" });
    return;
  }
  if (roll < 0.85) return advance(world, d.chance(0.5) ? d.whole(0, DAY_MS) : d.whole(1, 20) * DAY_MS);
  if (roll < 0.88) return closeEarly(world);
  if (roll < 0.9) {
    await client.ask("publishPlanVersion", operations.PUBLISH, { planId: tenantId, input: termsOf(tenantId, d) });
    return;
  }
  if (roll < 0.93) {
    await client.ask("changePlan", operations.CHANGE_PLAN, { tenantId, planId: tenantId });
    return;
  }
  if (roll < 0.94) {
    await client.ask("cancelPlanChange", operations.CANCEL, { tenantId });
    return;
  }
  if (roll < 0.96) {
    const limit = { meter: `${tenantId}_sum`, window: "BILLING_PERIOD", limit: d.decimal(900, 1) };
    const until = at(d.whole(1, 20) * DAY_MS);
    await client.ask("setQuotaOverride", operations.OVERRIDE, { tenantId, ...limit, until, reason: "chance" });
    return;
  }
  if (roll < 0.98) {
    await client.ask("suspendTenant", operations.SUSPEND, { id: tenantId, reason: "chance", billing: "PAUSE" });
    return;
  }
  await client.ask("resumeTenant", operations.RESUME, { id: tenantId });
}

async function send(world: World): Promise<void> {
  const { d, name, client, sent } = world;
  const events = Array.from({ length: d.whole(1, 8) }, () => {
    const old = sent[d.whole(0, sent.length - 1)];
    if (old !== undefined && d.chance(0.2)) return d.chance(0.1) ? { ...old, data: work(world) } : old;
    const event = eventOf(world, `e${world.ids++}`);
    sent.push(event);
    return event;
  });
  if (d.chance(0.05)) events.push({ ...eventOf(world, `u${world.ids++}`), type: `${name}.unknown` });
  await client.events(events, d.chance(0.15));
}

const work = ({ d }: World) => ({
  n: `${d.chance(0.1) ? "-" : ""}${d.decimal(60, d.whole(0, 6))}`,
  user: `u${d.whole(1, 6)}`,
  model: d.one(["a", "b", "c"]),
});
const eventOf = (world: World, id: string) => ({
  ...{ specversion: "1.0", source: "life", id, type: `${world.name}.work` },
  ...{ time: timeOf(world.d, world.clockMs), data: work(world) },
});

/** One to three requests at once, of which some repeat a key, and perhaps the usage that they were for. */
async function consume(world: World): Promise<void> {
  const { d, name, client, keys, amounts, models } = world;
  const asked = Array.from({ length: d.whole(1, 3) }, () => {
    const old = keys[d.whole(0, keys.length - 1)];
    const idempotencyKey = old !== undefined && d.chance(0.15) ? old : `k${world.ids++}`;
    keys.push(idempotencyKey);
    const amount = (d.chance(0.7) && amounts.get(idempotencyKey)) || d.decimal(250, 1);
    amounts.set(idempotencyKey, amount);
    const model = models.get(idempotencyKey) ?? d.one(["a", "b", "c"]);
    models.set(idempotencyKey, model);
    return { meter: `${name}_sum`, amount, dimensions: { model }, idempotencyKey, ttlSeconds: d.one([300, 86_400]) };
  });
  await Promise.all(asked.map((body) => client.quota("consume", body, d.chance(0.1))));
  if (d.chance(0.5))
    await client.events(
      asked.map(({ idempotencyKey }) => eventOf(world, idempotencyKey)),
      false,
    );
}

/** Grants credits, perhaps once more, or takes back what is left of some. */
async function prepay({ d, name: tenantId, client, clockMs, grants }: World): Promise<void> {
  const old = grants[d.whole(0, grants.length - 1)];
  if (old !== undefined && d.chance(0.2)) {
    const { id: grantId } = old as { readonly id: string };
    await client.ask("voidCredits", operations.VOID_CREDITS, { tenantId, grantId, reason: "chance" });
    return;
  }
  const expiresAt = d.chance(0.5) ? new Date(clockMs + d.whole(1, 40) * DAY_MS).toISOString() : null;
  const fresh = {
    tenantId,
    id: `g${grants.length + 1}`,
    amount: d.decimal(90, 2),
    priority: d.whole(-1, 1),
    expiresAt,
  };
  const input = old !== undefined && d.chance(0.15) ? old : { ...fresh, reason: "chance" };
  if (input !== old) grants.push(input);
  await client.ask("grantCredits", operations.GRANT, input, { input });
}

async function closeEarly({ name: tenantId, client }: World): Promise<void> {
  const { answer = [] } = await client.look("billingPeriods", operations.PERIODS, { tenantId }, periodsOf);
  const next = answer.findLast(({ status }) => status === "GRACE" || status === "OPEN");
  if (next !== undefined)
    await client.ask("closeBillingPeriod", operations.CLOSE, { tenantId, periodStart: next.start });
}
