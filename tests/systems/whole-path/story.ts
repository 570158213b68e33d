import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../servers/servers.js";
import {
  ask,
  askUntilServed,
  type EventsAnswer,
  postEvents,
  postJson,
  subscribe,
  untilServed,
} from "../../support/client.js";
import * as world from "./world.js";

/** A running Metrly of any kind, reached only through its public interfaces. */
export interface StorySystem {
  readonly url: string;
  /** The platform admin's token. */
  adminToken(): Promise<string>;
  /** SIGTERM to all processes; resolves with the exit code, 0 when every process exited cleanly. */
  terminate(): Promise<number | null>;
  /** Restarts it on the same data; resolves when it is ready. */
  restart(): Promise<void>;
  /** Its output, for failure messages. */
  output(): string | Promise<string>;
  /** Stops it and deletes its data. */
  dispose(): Promise<void>;
}

export interface StoryOptions {
  /** Completes "the whole path through public interfaces (…)". */
  readonly where: string;
  readonly can: boolean;
  /** With webhooks to 127.0.0.1 allowed, and a clock tick each second. */
  start(): Promise<StorySystem>;
}

const START_DEADLINE_MS = 240_000;

interface Delivery {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** The story of the README, from an empty system to invoices and a restart. */
export function tellStory({ where, can, start }: StoryOptions): void {
  describe.skipIf(!can)(`the whole path through public interfaces (${where})`, () => {
    const month = world.lastMonth(Date.now());
    const deliveries: Delivery[] = [];
    let metrly: StorySystem;
    let admin: string;
    let key: string;
    let receiver: Server;
    let webhookSecret: string;
    let url: string;

    beforeAll(async () => {
      receiver = createServer((request, response) => {
        const chunks: Buffer[] = [];
        request.on("data", (chunk: Buffer) => chunks.push(chunk));
        request.on("end", () => {
          deliveries.push({ headers: request.headers, body: Buffer.concat(chunks).toString("utf8") });
          response.writeHead(204).end();
        });
      });
      await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
      metrly = await start();
      url = metrly.url;
      admin = await metrly.adminToken();
    }, START_DEADLINE_MS);

    afterAll(async () => {
      await metrly?.dispose();
      receiver?.close();
    }, START_DEADLINE_MS);

    test("an admin sets up meters, plans, a tenant and a key", async () => {
      const meters = [
        { key: "calls", name: "Calls", eventType: "api.call", aggregation: "COUNT", dimensions: ["region"] },
        { key: "tokens", name: "Tokens", eventType: "llm.completion", aggregation: "SUM", valueProperty: "tokens" },
      ];
      for (const input of meters) await ask(url, admin, world.CREATE_METER, { input });
      const tiers = [
        { upTo: "1000", unitAmount: "0.01" },
        { upTo: null, unitAmount: "0.005" },
      ];
      const version = {
        currency: "EUR",
        recurringFee: "10",
        prices: [
          { meter: "calls", model: "PER_UNIT", included: "2", unitAmount: "0.25" },
          { meter: "tokens", model: "GRADUATED", tiers },
        ],
        limits: [
          { meter: "calls", window: "BILLING_PERIOD", kind: "HARD", limit: "10" },
          { meter: "tokens", window: "BILLING_PERIOD", kind: "SOFT", limit: "1000", warnAt: ["0.5"] },
        ],
      };
      await ask(url, admin, world.CREATE_PLAN, { input: { id: "basic", name: "Basic", version } });
      await ask(url, admin, world.CREATE_PLAN, {
        input: { id: "pro", name: "Pro", version: { ...version, recurringFee: "50", limits: [] } },
      });
      const tenant = {
        id: "acme",
        name: "Acme",
        planId: "basic",
        startsAt: new Date(month.acceptedFromMs).toISOString(),
      };
      await ask(url, admin, world.CREATE_TENANT, { input: tenant });
      const issued = await ask(url, admin, world.ISSUE_KEY, {
        input: { tenantId: "acme", name: "backend", scopes: ["INGEST", "QUOTA", "READ"] },
      });
      key = issued.issueApiKey.secret;
      const endpoint = await ask(url, admin, world.CREATE_ENDPOINT, {
        input: {
          tenantId: "acme",
          url: receiverUrl(),
          eventTypes: ["quota.warning", "quota.exceeded", "invoice.generated"],
        },
      });
      webhookSecret = endpoint.createWebhookEndpoint.secret;
      expect(key).toMatch(/^mtr_live_/);
    });

    test("events arrive singly and in batches, each invalid one is reported", async () => {
      await waitFor(
        async () =>
          (
            await postEvents(
              url,
              key,
              event("single", "api.call", { region: "eu" }, inLastMonth(1)),
              "application/cloudevents+json",
            )
          ).status === 202,
        {
          what: "the new key at the edge",
        },
      );
      const batch = [
        event("b1", "llm.completion", { tokens: "700.5" }, inLastMonth(2)),
        event("b2", "llm.completion", { tokens: "800" }, inLastMonth(3)),
        event("bad", "llm.completion", { tokens: "many" }, inLastMonth(4)),
        event("single", "api.call", { region: "eu" }, inLastMonth(1)),
        event("b3", "api.call", { region: "us" }, inLastMonth(5)),
        event("b4", "api.call", { region: "us" }, inLastMonth(5)),
        event("odd", "no.such.type", {}, inLastMonth(6)),
      ];
      const response = await untilServed(() => postEvents(url, key, batch));
      expect(response.status).toBe(202);
      const answer = (await response.json()) as EventsAnswer;
      expect(answer.rejected).toBe(1);
      expect(answer.results[2]).toMatchObject({
        id: "bad",
        status: "rejected",
        code: "INVALID",
        detail: expect.stringContaining("data.tokens"),
      });
      expect(answer.accepted + answer.duplicates).toBe(6);
    });

    test("everything accepted is accounted for, and totals are exact", async () => {
      const accounting = await atRest();
      expect(accounting).toMatchObject({ counted: 5, unmetered: 1, quarantined: 0, inFlight: 0 });
      const { tenant } = await ask(url, key, world.USAGE, {
        tenantId: "acme",
        periodStart: new Date(month.startMs).toISOString(),
      });
      const totals = Object.fromEntries(tenant.usageTotals.map((total) => [total.meter, total.quantity]));
      expect(totals).toMatchObject({ calls: "3", tokens: "1500.5" });
      const known = await untilServed(() =>
        fetch(`${url}/v1/events?source=test&id=single`, { headers: { authorization: `Bearer ${key}` } }),
      );
      expect(await known.json()).toMatchObject({ status: "recorded" });
    });

    test("a hard limit denies and explains itself, and an alert arrives live and as a signed webhook", async () => {
      // Last month's usage crossed the threshold of last month's window: what follows that alert is live.
      const after = await waitFor(
        async () => (await ask(url, key, world.LAST_ALERT, { tenantId: "acme" })).tenant.alerts.pageInfo.endCursor,
        { what: "an alert of last month" },
      );
      const alerts = subscribe(url, key, world.ALERTS, { tenantId: "acme", after });
      const consume = (amount: string, idempotencyKey: string) =>
        untilServed(() => postJson(url, key, "/v1/quota/consume", { meter: "calls", amount, idempotencyKey }));
      const allowed = await consume("6", "k1");
      expect([allowed.status, await allowed.json()]).toMatchObject([
        200,
        { allowed: true, limits: [{ meter: "calls", reserved: "6", remaining: "4" }] },
      ]);
      expect((await consume("6", "k1")).status).toBe(200);
      const denied = await consume("5", "k2");
      expect(denied.status).toBe(429);
      expect(denied.headers.get("retry-after")).toMatch(/^\d+$/);
      expect(denied.headers.get("ratelimit")).not.toBeNull();
      expect(await denied.json()).toMatchObject({ allowed: false, limits: [{ limit: "10", kind: "HARD" }] });
      expect((await consume("4", "k3")).status).toBe(200);
      const release = () => postJson(url, key, "/v1/quota/release", { idempotencyKey: "k3" });
      expect((await untilServed(release)).status).toBe(200);

      await untilServed(() => postEvents(url, key, [event("now1", "llm.completion", { tokens: "600" })]));
      await waitFor(() => alerts.received.find(isThisMonths), {
        what: `a live warning; errors ${JSON.stringify(alerts.errors)}`,
      });
      expect(alerts.received.find(isThisMonths)?.quotaAlerts).toMatchObject({
        meter: "tokens",
        threshold: "0.5",
        tenant: { name: "Acme" },
      });
      expect(alerts.errors).toEqual([]);
      await alerts.stop();

      const warning = await waitFor(
        () => deliveries.find(({ body }) => body.includes('"quota.warning"') && body.includes('"600"')),
        {
          what: "a webhook",
        },
      );
      expect(() => new Webhook(webhookSecret).verify(warning.body, webhookHeaders(warning))).not.toThrow();
      expect(() =>
        new Webhook(webhookSecret).verify(warning.body.replace("600", "601"), webhookHeaders(warning)),
      ).toThrow();
    });

    test("the quotas in the graph show the data plane's numbers", async () => {
      const { tenant } = await waitFor(
        async () => {
          const answer = await ask(url, key, world.QUOTAS, { tenantId: "acme" });
          return answer.tenant.quotas.every(({ state }) => state !== "REBUILDING") ? answer : undefined;
        },
        { what: "the counters to answer" },
      );
      expect(tenant.quotas.find((quota) => quota.limit.meter === "calls")).toMatchObject({ reserved: "6" });
      expect(tenant.quotas.find((quota) => quota.limit.meter === "tokens")).toMatchObject({
        used: "600",
        state: "WARNING",
      });
    });

    test("last month closes into an invoice whose arithmetic is shown and which the ledger confirms", async () => {
      const { closeBillingPeriod } = await ask(url, admin, world.CLOSE_PERIOD, {
        tenantId: "acme",
        periodStart: new Date(month.startMs).toISOString(),
      });
      expect(closeBillingPeriod.status).toBe("CLOSING");
      const invoice = await waitFor(async () => (await world.invoicesOf(url, key, "acme"))[0], {
        what: "the invoice",
      });
      // 10 + (3 - 2) x 0.25 + 1000 x 0.01 + 500.5 x 0.005 = 10 + 0.25 + 12.5025
      expect(invoice).toMatchObject({
        status: "CLOSED",
        currency: "EUR",
        total: { amount: "22.75" },
        period: { status: "CLOSED" },
      });
      expect(invoice.lines.map((line) => [line.kind, line.meter, line.quantity, line.amount.amount])).toEqual([
        ["RECURRING", null, "1", "10.00"],
        ["USAGE", "calls", "3", "0.25"],
        ["USAGE", "tokens", "1500.5", "12.50"],
      ]);
      expect(invoice.lines[2]?.arithmetic.length).toBeGreaterThanOrEqual(2);
      expect(invoice.lines[2]?.plan).toEqual({ version: 1, plan: { id: "basic" } });
      await expectVerified(invoice.id);
    });

    test("late usage becomes an adjustment on the upcoming invoice; the closed one keeps its bytes", async () => {
      const before = (await world.invoicesOf(url, key, "acme"))[0];
      await untilServed(() => postEvents(url, key, [event("late", "api.call", { region: "eu" }, inLastMonth(7))]));
      const upcoming = await waitFor(
        async () => {
          const { tenant } = await ask(url, key, world.UPCOMING, { tenantId: "acme" });
          return tenant.upcomingInvoice.lines.find((line) => line.kind === "ADJUSTMENT");
        },
        { what: "an adjustment" },
      );
      expect(upcoming).toMatchObject({
        meter: "calls",
        amount: { amount: "0.25" },
        adjusts: { invoice: { id: before?.id }, quantityBefore: "3", quantityAfter: "4" },
      });
      expect((await world.invoicesOf(url, key, "acme"))[0]).toEqual(before);
      await expectVerified(before?.id ?? "");
    });

    test("a plan change takes effect in the next period", async () => {
      const { changePlan } = await ask(url, admin, world.CHANGE_PLAN, {
        tenantId: "acme",
        planId: "pro",
      });
      const now = new Date();
      expect(Date.parse(changePlan.effectiveFrom)).toBe(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1));
      const { tenant } = await ask(url, key, world.TENANT_PLAN, {
        tenantId: "acme",
      });
      expect(tenant.plan.plan.id).toBe("basic");
    });

    test("a key sees its own tenant only, and lacks what its scopes lack", async () => {
      await ask(url, admin, world.CREATE_TENANT, { input: { id: "other", name: "Other" } });
      const foreign = await askUntilServed(
        url,
        key,
        '{ tenant(id: "other") { id } missing: tenant(id: "nobody") { id } }',
      );
      expect(foreign.data).toEqual({ tenant: null, missing: null });
      const forbidden = await askUntilServed(url, key, world.CREATE_METER, {
        input: { key: "x", name: "x", eventType: "x", aggregation: "COUNT" },
      });
      expect(forbidden.errors?.[0]?.extensions.code).toBe("FORBIDDEN");
    });

    test("a platform admin sees the job queues and changes nothing, anybody else sees nothing", async () => {
      const board = (path: string, authorization?: string, method = "GET") =>
        fetch(`${url}/admin/queues${path}`, {
          method,
          ...(authorization !== undefined && { headers: { authorization } }),
        });
      const basic = `Basic ${Buffer.from(`admin:${admin}`).toString("base64")}`;
      expect((await board("")).headers.get("www-authenticate")).toContain("Basic");
      for (const wrong of [undefined, "Bearer nonsense", `Basic ${Buffer.from("admin:").toString("base64")}`])
        expect((await board("/api/queues", wrong)).status, wrong).toBe(401);
      expect((await board("/api/queues", `Bearer ${key}`)).status).toBe(403);
      const page = await board("", basic);
      const html = await page.text();
      expect(page.status, html).toBe(200);
      const [, script = ""] = /src="([^"]+\.js)"/.exec(html) ?? [];
      const asset = new URL(script, `${url}/admin/queues/`);
      expect((await fetch(asset, { headers: { authorization: basic } })).headers.get("content-type")).toContain(
        "javascript",
      );
      const answer = await board("/api/queues", `Bearer ${admin}`);
      const { queues } = (await answer.json()) as { queues: { name: string; readOnlyMode: boolean }[] };
      const names = queues.map(({ name }) => name);
      expect(names).toEqual([
        expect.stringContaining("billing-close"),
        expect.stringContaining("notification-deliver"),
      ]);
      expect(queues.every(({ readOnlyMode }) => readOnlyMode)).toBe(true);
      const pause = await board(`/api/queues/${encodeURIComponent(names[0] ?? "")}/pause`, basic, "PUT");
      expect(pause.status).toBe(405);
    });

    test("bad input is answered with its code, never with a 500 or a stack trace", async () => {
      const cases: readonly [string, () => Promise<Response>, number][] = [
        ["unknown key", () => postEvents(url, "mtr_live_nonsense", []), 401],
        ["no key", () => fetch(`${url}/v1/events`, { method: "POST", body: "{}" }), 401],
        ["malformed JSON", () => postEvents(url, key, "{"), 400],
        ["an empty batch", () => postEvents(url, key, []), 202],
        ["a wrong media type", () => postEvents(url, key, "<a/>", "application/xml"), 415],
        [
          "an over-limit body",
          () => postEvents(url, key, JSON.stringify([event("big", "api.call", { region: "x".repeat(1_100_000) })])),
          413,
        ],
        ["an unknown route", () => fetch(`${url}/nowhere`), 404],
        ["a consume without a key", () => postJson(url, key, "/v1/quota/consume", { meter: "calls" }), 400],
        [
          "a negative amount",
          () => postJson(url, key, "/v1/quota/consume", { meter: "calls", amount: "-1", idempotencyKey: "n" }),
          400,
        ],
        [
          "an unknown event",
          () => fetch(`${url}/v1/events?source=test&id=unknown`, { headers: { authorization: `Bearer ${key}` } }),
          404,
        ],
      ];
      for (const [what, send, status] of cases) {
        const response = await untilServed(send);
        const text = await response.text();
        expect([what, response.status]).toEqual([what, status]);
        expect(text).not.toMatch(/ at .*\.(ts|js):\d+/);
        if (status >= 400 && what !== "an unknown event")
          expect(JSON.parse(text)).toMatchObject({ code: expect.any(String), status });
      }
      const wrong = await askUntilServed(url, key, "{ nonsense }");
      expect([wrong.status, wrong.errors?.[0]?.extensions.code]).toEqual([400, "GRAPHQL_VALIDATION_FAILED"]);
      const depth = await askUntilServed(url, "no-token", "{ viewer { id } }");
      expect([depth.status, depth.errors?.[0]?.extensions.code]).toEqual([401, "UNAUTHENTICATED"]);
    });

    test(
      "SIGTERM drains and exits with 0; a restart has everything",
      async () => {
        const before = await world.accountingOf(url, key, "acme");
        // It exits with another code when it has not drained within 10 s.
        const code = await metrly.terminate();
        expect(code, (await metrly.output()).slice(-5_000)).toBe(0);
        await metrly.restart();
        expect(await world.accountingOf(url, key, "acme")).toEqual(before);
      },
      START_DEADLINE_MS,
    );

    const inLastMonth = (n: number): number => month.endMs - n * 60_000;

    function event(id: string, type: string, data: Record<string, unknown>, timeMs?: number) {
      return {
        specversion: "1.0",
        id,
        source: "test",
        type,
        data,
        ...(timeMs !== undefined && { time: new Date(timeMs).toISOString() }),
      };
    }

    function receiverUrl(): string {
      const address = receiver.address();
      if (address === null || typeof address === "string") throw new Error("the receiver has no port");
      return `http://127.0.0.1:${address.port}/hook`;
    }

    async function atRest(): Promise<world.Accounting> {
      const accounting = await waitFor(
        async () => {
          const now = await world.accountingOf(url, key, "acme");
          return now.inFlight === 0 && now.accepted > 0 ? now : undefined;
        },
        { what: "a system at rest" },
      );
      expect(world.sumOf(accounting)).toBe(accounting.accepted);
      return accounting;
    }

    async function expectVerified(id: string): Promise<void> {
      const { verifyInvoice } = await ask(url, key, world.VERIFY, { id });
      expect(verifyInvoice).toMatchObject({ matches: true, differences: [] });
    }
  });
}

/** Last month's usage crossed the threshold of last month's window as well. */
const isThisMonths = ({ quotaAlerts }: { quotaAlerts: { kind: string; used: string } }): boolean =>
  quotaAlerts.kind === "WARNING" && quotaAlerts.used === "600";

function webhookHeaders({ headers }: Delivery): Record<string, string> {
  return Object.fromEntries(
    ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) => [name, String(headers[name])]),
  );
}
