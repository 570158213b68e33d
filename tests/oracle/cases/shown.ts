import { createHash } from "node:crypto";
import { invoice, type Story, story } from "../story.js";
import type { Case } from "./case.js";

const begin = (limits: readonly object[] = [], tenant: object = {}) =>
  story()
    .add("createMeter", { key: "m", aggregation: "SUM", eventType: "call", valueProperty: "n" })
    .add("createPlan", {
      id: "p",
      version: { currency: "EUR", prices: [{ meter: "m", model: "PER_UNIT", unitAmount: "0.5" }], limits },
    })
    .add("createTenant", { id: "t", planId: "p", testClock: "2026-01-10T00:00:00Z", ...tenant });
const event = (id: string, n: unknown) => ({ id, type: "call", time: "2026-01-09T00:00:00Z", data: { n } });
const sent = (one: object) => [{ specversion: "1.0", source: "s", subject: "t", ...one }];
const judged = (name: string, told: Story, ...refusedBy: readonly string[]): Case => ({
  name,
  lines: told.lines,
  ...(refusedBy.length > 0 && { refusedBy }),
});

const rejected = (name: string, code: string, one: object, ...refusedBy: readonly string[]): Case =>
  judged(name, begin().add("events", { events: sent(one) }, { results: [{ status: "rejected", code }] }), ...refusedBy);

const counted = (told: Story, terms: object) =>
  told.add(
    "accounting",
    { tenantId: "t" },
    {
      ...{ accepted: 1, counted: 1, duplicates: 0, unmetered: 0, quarantined: 0, inFlight: 0 },
      ...terms,
    },
  );
const once = () => begin().events([event("a", "1")]);
const twice = (n: unknown) =>
  once()
    .events([event("a", n)])
    .rest();

const SOFT = [{ meter: "m", window: "BILLING_PERIOD", kind: "SOFT", limit: "10", warnAt: ["0.5"] }];
const FACTS = {
  ...{ meter: "m", window: "BILLING_PERIOD", windowStart: "2026-01-01T00:00:00.000Z" },
  ...{ threshold: "0.5", limit: "10", used: "6" },
};
const ALERT = { id: "w", kind: "WARNING", sequence: "1", ...FACTS };
const warned = (body: object) =>
  begin(SOFT)
    .add("createWebhookEndpoint", { tenantId: "t", eventTypes: ["quota.warning"] }, { endpoint: { id: "whe_1" } })
    .events([event("a", "6")])
    .rest()
    .add("webhook", { endpointId: "whe_1", id: "1", body: { type: "quota.warning", sequence: "1", data: body } });
const alerts = (told: Story, ...shown: readonly object[]) => told.add("alerts", { tenantId: "t" }, shown);
const RAISED = { ...ALERT, id: "x", sequence: "1", kind: "EXCEEDED", threshold: "1" };
const denied = () =>
  begin([{ meter: "m", window: "BILLING_PERIOD", kind: "HARD", limit: "10", warnAt: [] }])
    .add("consume", { tenantId: "t", meter: "m", amount: "10", idempotencyKey: "k" }, decision(true, "10"))
    .add("consume", { tenantId: "t", meter: "m", amount: "1", idempotencyKey: "l" }, decision(false, "10"));

function decision(allowed: boolean, reserved: string, more: object = {}) {
  const remaining = String(10 - Number(reserved));
  return {
    ...{ allowed, reason: allowed ? "WITHIN_LIMITS" : "LIMIT_EXCEEDED", expiresAt: "2026-01-10T01:00:00Z" },
    limits: [{ meter: "m", window: "BILLING_PERIOD", kind: "HARD", limit: "10", used: "0", reserved, remaining }],
    ...more,
  };
}
const HARD = [{ meter: "m", window: "BILLING_PERIOD", kind: "HARD", limit: "10" }];
const ask = (told: Story, op: string, key: string, amount: string, answer: object) =>
  told.add(op, { tenantId: "t", meter: "m", amount, idempotencyKey: key }, answer);
const full = () => ask(begin(HARD), "consume", "k", "10", decision(true, "10"));

const START = "2026-01-01T00:00:00Z";
const END = "2026-02-01T00:00:00Z";
const DOCUMENT = {
  ...{ currency: "EUR", id: "inv_t_000001" },
  lines: [{ amount: "0.50", dimensions: [], kind: "USAGE", meter: "m", quantity: "1" }],
  ...{ period: { end: END, start: START }, previousSha256: null, tenantId: "t", total: "0.50" },
};
function billed(document: object, more: object = {}) {
  const text = JSON.stringify(document);
  const sha256 = createHash("sha256").update(text).digest("hex");
  const period = { start: START, end: END, status: "CLOSED" };
  const shown = { document: text, sha256, period, ...more };
  return once()
    .advance("2026-02-10T00:00:00Z")
    .add("invoices", { tenantId: "t" }, [
      invoice(1, START, "0.50", [{ meter: "m", quantity: "1", amount: "0.50" }], shown),
    ]);
}

/** What is shown, and no more than an answer: nothing that must be there is missing. */
export const SHOWN: readonly Case[] = [
  rejected("a good event rejected", "INVALID", event("a", "1"), "answer to events"),
  rejected("a good event rejected for its number", "NUMBER_NOT_EXACT", event("a", "1.5"), "answer to events"),
  rejected("a value that the meter cannot read", "INVALID", event("a", "many")),
  rejected("an unknown attribute may be wrong", "INVALID", { ...event("a", "1"), wrong: "" }),
  judged("accounted", counted(once().rest(), {})),
  judged("in flight after a rest", counted(once().rest(), { accepted: 2, inFlight: 1 }), "accounting of events"),
  judged(
    "in flight, and sent after the rest",
    counted(
      once()
        .rest()
        .events([event("b", "1")], "unknown"),
      { accepted: 2, inFlight: 1 },
    ),
  ),
  judged(
    "quarantined, and no id has two contents",
    counted(once().rest(), { accepted: 2, quarantined: 1 }),
    "accounting of events",
  ),
  judged(
    "a negative term",
    counted(once().rest(), { accepted: 1, counted: 1, duplicates: -1, inFlight: 1 }),
    "accounting",
    "accounting of events",
  ),
  judged("another content of an id in quarantine", counted(twice("2"), { accepted: 2, quarantined: 1 })),
  judged("another content of an id is lost", counted(twice("2"), {}), "accounting of events"),
  judged("the same number in other digits", counted(twice("1"), { accepted: 2, duplicates: 1 })),
  judged("a delivery says what is shown", alerts(warned({ tenantId: "t", ...FACTS, limit: "10.0" }), ALERT)),
  judged(
    "a delivery of another tenant's alert",
    alerts(warned({ tenantId: "u", ...FACTS }), ALERT),
    "content of a delivery",
  ),
  judged(
    "a delivery with another limit",
    alerts(warned({ tenantId: "t", ...FACTS, limit: "9" }), ALERT),
    "content of a delivery",
  ),
  judged("an alert of more usage than there was", alerts(warned({}), { ...ALERT, used: "60" }), "used by an alert"),
  judged("an alert of less than its threshold", alerts(warned({}), { ...ALERT, used: "4" }), "used by an alert"),
  judged("an alert that stays", alerts(alerts(denied(), RAISED), RAISED)),
  judged("an alert that is gone later", alerts(alerts(denied(), RAISED)), "alert that was shown"),
  judged("an alert that changes", alerts(alerts(warned({}), { ...ALERT, used: "5.5" }), ALERT), "alert that was shown"),
  judged("a check while all is held", ask(full(), "check", "l", "1", decision(true, "10")), "hard limit with usage"),
  judged("a check of the key that holds it", ask(full(), "check", "k", "10", decision(true, "10"))),
  judged(
    "a decision that shows less than is held",
    ask(full(), "check", "l", "1", decision(false, "9")),
    "used and reserved in a decision",
  ),
  judged(
    "a reason that is none",
    ask(begin(HARD), "consume", "k", "1", decision(false, "0", { reason: "FULL" })),
    "reason of a decision",
  ),
  judged(
    "suspended, and nobody did it",
    ask(begin(HARD), "consume", "k", "1", decision(false, "0", { reason: "TENANT_SUSPENDED" })),
    "reason of a decision",
  ),
  judged(
    "a live key with another amount while suspended",
    ask(
      full().add("suspendTenant", { id: "t", billing: "CONTINUE" }),
      "consume",
      "k",
      "1",
      decision(false, "10", { reason: "TENANT_SUSPENDED" }),
    ),
  ),
  judged("a document that says what is shown", billed(DOCUMENT)),
  judged("a document with another total", billed({ ...DOCUMENT, total: "5.00" }), "content of a document"),
  judged("a document with another line", billed({ ...DOCUMENT, lines: [] }), "content of a document"),
  judged("a document of another tenant", billed({ ...DOCUMENT, tenantId: "u" }), "content of a document"),
  judged(
    "a period that ends elsewhere",
    billed(
      { ...DOCUMENT, period: { end: START, start: START } },
      { period: { start: START, end: START, status: "CLOSED" } },
    ),
    "currency and period of an invoice",
  ),
  judged(
    "another currency than the plan's",
    billed({ ...DOCUMENT, currency: "USD" }, { total: { amount: "0.50", currency: "USD" } }),
    "currency and period of an invoice",
  ),
  judged(
    "a period closed that nobody could close",
    begin().add("billingPeriods", { tenantId: "t" }, [{ start: START, end: END, status: "CLOSED" }]),
    "early closing",
  ),
];
