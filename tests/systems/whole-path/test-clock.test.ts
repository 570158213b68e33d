import { afterAll, beforeAll, expect, test } from "vitest";
import { explain, judge } from "../../oracle/judge.js";
import { waitFor } from "../../servers/servers.js";
import { expectDerived, runCli, wellDoctor } from "../../support/cli.js";
import { ask, askUntilServed, type EventsAnswer, postEvents, postJson, untilServed } from "../../support/client.js";
import { runs, testSeed } from "../../support/effort.js";
import { graphql } from "../../support/graphql/index.js";
import { type MetrlyProcess, startMetrly } from "../../support/metrly.js";
import { hasProgram } from "../../support/programs.js";
import { live } from "./life/life.js";
import { CREATE_METER, CREATE_PLAN, CREATE_TENANT, ISSUE_KEY, UPCOMING, VERIFY } from "./world.js";

const ADVANCE = graphql(`mutation TestClockAdvance($tenantId: ID!, $to: DateTime!) {
  advanceTestClock(tenantId: $tenantId, to: $to) { testClock testClockStatus } }`);
const CLOCK = graphql(`query TestClockClock($tenantId: ID!) { tenant(id: $tenantId) { testClock testClockStatus } }`);
const INVOICES =
  graphql(`query TestClockInvoices($tenantId: ID!) { tenant(id: $tenantId) { invoices(first: 50) { nodes {
  id total { amount } period { start } lines { kind quantity amount { amount } } } } } }`);
const QUOTA = graphql(
  `query TestClockQuota($tenantId: ID!) { tenant(id: $tenantId) { quotas { used windowStart resetAt } } }`,
);

const tenantId = "lab";
let metrly: MetrlyProcess;
let admin: string;
let key: string;

beforeAll(async () => {
  metrly = await startMetrly("embedded");
  admin = await metrly.adminToken();
  const { url } = metrly;
  await ask(url, admin, CREATE_METER, {
    input: { key: "calls", name: "Calls", eventType: "api.call", aggregation: "COUNT" },
  });
  const version = {
    currency: "EUR",
    recurringFee: "10",
    prices: [{ meter: "calls", model: "PER_UNIT", unitAmount: "0.5" }],
    limits: [{ meter: "calls", window: "BILLING_PERIOD", kind: "HARD", limit: "3" }],
  };
  await ask(url, admin, CREATE_PLAN, { input: { id: "basic", name: "Basic", version } });
  await ask(url, admin, CREATE_TENANT, {
    input: { id: tenantId, name: "Lab", planId: "basic", testClock: "2024-01-20T00:00:00Z" },
  });
  const issued = await ask(url, admin, ISSUE_KEY, {
    input: { tenantId, name: "backend", scopes: ["INGEST", "QUOTA", "READ"] },
  });
  key = issued.issueApiKey.secret;
});
afterAll(() => metrly.dispose());

const clock = async () => (await ask(metrly.url, admin, CLOCK, { tenantId })).tenant;

async function advance(to: string): Promise<void> {
  const { advanceTestClock } = await ask(metrly.url, admin, ADVANCE, { tenantId, to });
  expect(advanceTestClock.testClock).toBe(to);
  await waitFor(async () => (await clock()).testClockStatus === "READY", {
    what: `all services to follow the clock to ${to}`,
  });
}

async function send(...times: readonly string[]): Promise<void> {
  const events = times.map((time) => ({ specversion: "1.0", id: time, source: "test", type: "api.call", time }));
  const served = await untilServed(() => postEvents(metrly.url, key, events));
  const answer = (await served.json()) as EventsAnswer;
  expect([answer.accepted + answer.duplicates, answer.rejected]).toEqual([times.length, 0]);
}

const consume = (idempotencyKey: string) =>
  untilServed(() => postJson(metrly.url, key, "/v1/quota/consume", { meter: "calls", idempotencyKey }));

test("a year of a tenant's life: usage, quota windows, closes, lateness and verified invoices, in seconds", async () => {
  expect(await clock()).toEqual({ testClock: "2024-01-20T00:00:00.000Z", testClockStatus: "READY" });
  const months = Array.from({ length: 12 }, (_, month) => new Date(Date.UTC(2024, month, 20)).toISOString());
  for (const [month, time] of months.entries()) {
    if (month > 0) await advance(time);
    await send(...Array.from({ length: month + 1 }, (_, index) => time.replace("00.000Z", `${10 + index}.000Z`)));
  }
  // Of the previous, closed month: it is on the next invoice.
  await send("2024-11-30T23:00:00.000Z");
  await advance("2025-01-04T00:00:00.000Z");

  const answer = await ask(metrly.url, admin, INVOICES, {
    tenantId,
  });
  const invoices = answer.tenant.invoices.nodes.toReversed();
  const usage = (count: number) => ({ kind: "USAGE", quantity: String(count), amount: { amount: `${count / 2}` } });
  expect(invoices.map(({ period }) => period.start)).toEqual(
    months.map((_, month) => new Date(Date.UTC(2024, month, 1)).toISOString()),
  );
  for (const [month, { lines }] of invoices.entries()) {
    const [line] = lines.filter(({ kind }) => kind === "USAGE");
    expect({ ...line, amount: { amount: String(Number(line?.amount.amount)) } }).toEqual(usage(month + 1));
  }
  expect(invoices.at(-1)?.lines.filter(({ kind }) => kind === "ADJUSTMENT")).toMatchObject([
    { quantity: "1", amount: { amount: "0.50" } },
  ]);
  for (const { id } of [invoices[0], invoices.at(-1)].flatMap((invoice) => invoice ?? [])) {
    expect(await ask(metrly.url, admin, VERIFY, { id })).toMatchObject({
      verifyInvoice: { matches: true, differences: [] },
    });
  }
  const upcoming = await ask(metrly.url, admin, UPCOMING, { tenantId });
  expect(upcoming.tenant.upcomingInvoice.total.amount).toBe("10.00");
});

test("quota windows and the accept window roll with the clock, which only goes forward", async () => {
  for (const attempt of ["a", "b", "c"]) expect((await consume(attempt)).status).toBe(200);
  expect((await consume("d")).status).toBe(429);
  const why = await waitFor(
    async () => {
      const ended = await runCli(metrly, ["quota", "why", "d", "--tenant", tenantId]);
      return ended.code === 0 && ended.out;
    },
    { what: "the denial to be explained" },
  );
  expect(why).toContain("LIMIT_EXCEEDED: Denied: a hard limit has no room for the amount now");
  expect(why).toContain("* calls per BILLING_PERIOD (HARD): used 0 + reserved 3 of 3, 0 left");
  await expectDerived(metrly);
  await advance("2025-02-05T00:00:00.000Z");
  expect((await consume("e")).status).toBe(200);
  expect(await ask(metrly.url, admin, QUOTA, { tenantId })).toMatchObject({
    tenant: { quotas: [{ windowStart: "2025-02-01T00:00:00.000Z", resetAt: "2025-03-01T00:00:00.000Z" }] },
  });
  const old = { specversion: "1.0", id: "old", source: "test", type: "api.call", time: "2024-12-31T00:00:00Z" };
  const tooOld = await untilServed(() => postEvents(metrly.url, key, [old]));
  expect(((await tooOld.json()) as EventsAnswer).results).toMatchObject([
    { status: "rejected", code: "TIME_OUT_OF_RANGE" },
  ]);

  const back = await askUntilServed(metrly.url, admin, ADVANCE, { tenantId, to: "2025-02-04T00:00:00Z" });
  expect(back.errors?.[0]).toMatchObject({ extensions: { code: "INVALID" } });
  await ask(metrly.url, admin, CREATE_TENANT, { input: { id: "real", name: "Real" } });
  const real = await askUntilServed(metrly.url, admin, ADVANCE, { tenantId: "real", to: "2027-01-01T00:00:00Z" });
  expect(real.errors?.[0]).toMatchObject({ extensions: { code: "INVALID" } });
});

test.skipIf(!hasProgram("python3"))("all that random clients see in some months can be true", async () => {
  const seed = testSeed();
  const lives = Array.from({ length: runs(1) }, (_, n) => ({ name: `life-${n}`, seed: seed + n }));
  for (const { name, seed } of lives) {
    const lines = await live({ url: metrly.url, admin, name, seed, steps: 40 });
    const [verdict] = await judge(lines);
    const wrong = verdict === undefined ? "no verdict" : explain(verdict, lines);
    expect(wrong, `METRLY_TEST_SEED=${seed}`).toBe("");
  }
});

test("the doctor finds no problems, and reports failed checks", async () => {
  const well = await wellDoctor(metrly);
  expect(well.err).toBe("");
  expect(well.out).toMatch(/^ok {6}readiness/m);
  expect(well.out).toMatch(/^ok {6}token .*PLATFORM_ADMIN/m);
  const elsewhere = { METRLY_URL: "http://127.0.0.1:1", METRLY_REDIS_URL: "redis://127.0.0.1:1" };
  const ill = await runCli(metrly, ["doctor"], elsewhere);
  expect(ill.code).toBe(1);
  for (const what of ["readiness", "Redis"]) expect(ill.out).toMatch(new RegExp(`^NOT OK {2}${what} .*\n +-> `, "m"));
  expect(ill.out, "the token is not why nobody answers").toMatch(/^- +token +no response to check it with$/m);
  expect((await runCli(metrly, ["doctor"], { METRLY_PORT: "many" })).out).toContain(
    "METRLY_PORT must be a whole number",
  );
});

test("an advance made while services were down takes effect after the start", async () => {
  await ask(metrly.url, admin, ADVANCE, { tenantId, to: "2025-06-04T00:00:00.000Z" });
  await metrly.kill();
  await metrly.restart();
  await waitFor(async () => (await clock()).testClockStatus === "READY", { what: "READY" });
  const answer = await ask(metrly.url, admin, INVOICES, {
    tenantId,
  });
  expect(answer.tenant.invoices.nodes).toHaveLength(17);
});
