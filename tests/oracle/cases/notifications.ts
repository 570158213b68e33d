import { invoice, type Story, story } from "../story.js";
import type { Case } from "./case.js";

const begin = (): Story =>
  story()
    .add("createMeter", { key: "m", aggregation: "SUM", eventType: "call", valueProperty: "n" })
    .add("createPlan", {
      id: "p",
      version: {
        currency: "EUR",
        prices: [],
        limits: [{ meter: "m", window: "BILLING_PERIOD", kind: "SOFT", limit: "10", warnAt: ["0.5"] }],
      },
    })
    .add("createTenant", { id: "t", planId: "p", testClock: "2026-01-10T00:00:00Z" })
    .add(
      "createWebhookEndpoint",
      { tenantId: "t", eventTypes: ["quota.warning", "quota.exceeded", "invoice.generated"] },
      { endpoint: { id: "whe_1" } },
    );
const used = (told: Story, n: string) =>
  told.events([{ id: n, type: "call", time: "2026-01-09T00:00:00Z", data: { n } }]).rest();
const alert = (kind: string, threshold: string, sequence: number, id = `${kind}-1`) => ({
  ...{ id, kind, threshold, sequence: String(sequence), meter: "m", window: "BILLING_PERIOD", limit: "10" },
  windowStart: "2026-01-01T00:00:00.000Z",
});
const WARNING = alert("WARNING", "0.5", 1);
const EXCEEDED = alert("EXCEEDED", "1", 2);
const show = (told: Story, ...alerts: readonly object[]) => told.add("alerts", { tenantId: "t" }, alerts);
const receive = (told: Story, id: string, type: string, sequence: number, data: object = {}) =>
  told.add("webhook", { endpointId: "whe_1", id, body: { type, sequence: String(sequence), data } });
const both = (told: Story) =>
  receive(receive(told, "WARNING-1", "quota.warning", 1), "EXCEEDED-1", "quota.exceeded", 2);
const judged = (name: string, told: Story, refusedBy?: readonly string[]): Case => ({
  name,
  lines: told.lines,
  ...(refusedBy && { refusedBy }),
});
const billed = (told: Story) =>
  told
    .advance("2026-02-10T00:00:00Z")
    .add("invoices", { tenantId: "t" }, [invoice(1, "2026-01-01T00:00:00Z", "0.00", [])]);

export const NOTIFICATIONS: readonly Case[] = [
  judged("both thresholds crossed, and delivered", show(both(used(begin(), "12")), WARNING, EXCEEDED)),
  judged("deliveries repeated and in another order", show(both(both(used(begin(), "12"))), WARNING, EXCEEDED)),
  judged("only the first threshold", show(receive(used(begin(), "6"), "WARNING-1", "quota.warning", 1), WARNING)),
  judged("an alert without its usage", show(both(used(begin(), "6")), WARNING, EXCEEDED), ["alert"]),
  judged("an alert missing", show(receive(used(begin(), "12"), "WARNING-1", "quota.warning", 1), WARNING), [
    "missing alert",
  ]),
  judged("an alert twice", show(both(used(begin(), "12")), WARNING, EXCEEDED, alert("WARNING", "0.5", 3, "other")), [
    "repeated alert",
    "delivery",
  ]),
  judged("a gap in the sequence", show(both(used(begin(), "12")), WARNING, { ...EXCEEDED, sequence: "3" }), [
    "sequence of alerts",
    "delivery",
    "announcement",
  ]),
  judged("a delivery missing", show(receive(used(begin(), "12"), "WARNING-1", "quota.warning", 1), WARNING, EXCEEDED), [
    "delivery",
  ]),
  judged(
    "a delivery that is a dead letter with a reason",
    show(
      receive(used(begin(), "12"), "WARNING-1", "quota.warning", 1).add("deliveries", { endpointId: "whe_1" }, [
        {
          eventType: "quota.exceeded",
          status: "DEAD",
          deadReason: "answered 500",
          payload: { sequence: "2", data: {} },
        },
      ]),
      WARNING,
      EXCEEDED,
    ),
  ),
  judged(
    "a delivery of what no one announced",
    show(receive(both(used(begin(), "12")), "x", "quota.warning", 3), WARNING, EXCEEDED),
    ["announcement"],
  ),
  judged(
    "a number for two events",
    show(
      receive(receive(used(begin(), "12"), "WARNING-1", "quota.warning", 1), "EXCEEDED-1", "quota.exceeded", 1),
      WARNING,
      EXCEEDED,
    ),
    ["sequence of deliveries", "delivery", "announcement"],
  ),
  judged(
    "a repeat with other content",
    show(receive(both(used(begin(), "12")), "EXCEEDED-1", "quota.exceeded", 2, { more: 1 }), WARNING, EXCEEDED),
    ["repeated delivery"],
  ),
  judged("an invoice announced", receive(billed(begin()), "i", "invoice.generated", 1, { invoiceId: "inv_t_000001" })),
  judged("an invoice not announced", billed(begin()), ["delivery"]),
  judged("a type that was not asked for", receive(begin(), "i", "billing.period.closed", 1, {}), [
    "type of a delivery",
  ]),
];
