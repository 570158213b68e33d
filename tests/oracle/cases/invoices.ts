import type { Line } from "../history.js";
import { invoice, type Shown, story } from "../story.js";
import type { Case } from "./case.js";

const JANUARY = "2026-01-01T00:00:00Z";
const FEBRUARY = "2026-02-01T00:00:00Z";
const PRICES = [{ meter: "m", model: "PER_UNIT", unitAmount: "0.5" }];
const usage = (id: string, time: string, n: string, model = "a") => ({ id, type: "call", time, data: { n, model } });

const begin = (version: object, tenant: object = {}) =>
  story()
    .add("createMeter", { key: "m", aggregation: "SUM", eventType: "call", valueProperty: "n", dimensions: ["model"] })
    .add("createPlan", { id: "p", version: { currency: "EUR", prices: PRICES, ...version } })
    .add("createTenant", { id: "t", planId: "p", testClock: "2026-01-10T00:00:00Z", ...tenant });
const withUsage = (version: object) => begin(version).events([usage("1", "2026-01-05T00:00:00Z", "3")]);

const line = (quantity: string, amount: string, more: object = {}) => ({ meter: "m", quantity, amount, ...more });
const fee = (amount: string) => ({ kind: "RECURRING", quantity: "1", amount });
const correction = (before: string, after: string, quantity: string, amount: string) => ({
  ...line(quantity, amount),
  kind: "ADJUSTMENT",
  before,
  after,
});

/** January had 3, and learns of 1 more after its invoice: 0.50 on February's. */
const late = (name: string, second: readonly Shown[], total: string, refusedBy?: readonly string[]): Case => ({
  name,
  lines: withUsage({ recurringFee: "10" })
    .advance("2026-02-10T00:00:00Z")
    .events([usage("late", "2026-01-31T23:59:59.999Z", "1"), usage("2", FEBRUARY, "2")])
    .advance("2026-03-10T00:00:00Z")
    .add("invoices", { tenantId: "t" }, [
      invoice(1, JANUARY, "11.50", [fee("10.00"), line("3", "1.50")]),
      invoice(2, FEBRUARY, total, second),
    ]).lines,
  ...(refusedBy && { refusedBy }),
  checks: ["quantity after adjustments", "amount of an adjustment"],
});

const one = (
  name: string,
  version: object,
  total: string,
  lines: readonly Shown[],
  refusedBy?: readonly string[],
): Case => ({
  name,
  lines: withUsage(version)
    .advance("2026-02-10T00:00:00Z")
    .add("invoices", { tenantId: "t" }, [invoice(1, JANUARY, total, lines)]).lines,
  ...(refusedBy && { refusedBy }),
});

const PAUSED: readonly Line[] = begin({ recurringFee: "31", minimumCommit: "62" })
  .add("suspendTenant", { id: "t", billing: "PAUSE" })
  .add("advanceTestClock", { tenantId: "t", to: "2026-01-20T12:00:00Z" })
  .add("resumeTenant", { id: "t" })
  .advance("2026-02-10T00:00:00Z").lines;
const paused = (name: string, total: string, lines: readonly Shown[], refusedBy?: readonly string[]): Case => ({
  name,
  lines: story(PAUSED).add("invoices", { tenantId: "t" }, [invoice(1, JANUARY, total, lines)]).lines,
  ...(refusedBy && { refusedBy }),
});

const closedBy = (name: string, closing: readonly Line[], refusedBy?: readonly string[]): Case => ({
  name,
  lines: story(closing).add("invoices", { tenantId: "t" }, [invoice(1, JANUARY, "1.50", [line("3", "1.50")])]).lines,
  ...(refusedBy && { refusedBy }),
});

const twice = (second: object) =>
  withUsage({})
    .advance("2026-02-10T00:00:00Z")
    .add("invoices", { tenantId: "t" }, [invoice(1, JANUARY, "1.50", [line("3", "1.50")])])
    .add("invoices", { tenantId: "t" }, [second]).lines;

const WHERE = [
  { ...PRICES[0], where: [{ dimension: "model", value: "a" }] },
  { meter: "m", model: "PER_UNIT", unitAmount: "2", catchAll: true },
];
const byModel = (
  name: string,
  prices: readonly object[],
  total: string,
  lines: readonly Shown[],
  unpricedUsage: readonly object[],
  refusedBy?: readonly string[],
): Case => ({
  name,
  lines: begin({ prices })
    .events([usage("1", "2026-01-05T00:00:00Z", "3"), usage("2", "2026-01-05T00:00:00Z", "4", "b")])
    .advance("2026-02-10T00:00:00Z")
    .add("invoices", { tenantId: "t" }, [invoice(1, JANUARY, total, lines, { unpricedUsage })]).lines,
  ...(refusedBy && { refusedBy }),
});
const A = [["model", "a"]] as const;
const unpriced = (quantity: string) => ({ meter: "m", quantity, dimensions: [{ dimension: "model", value: "b" }] });

export const INVOICES: readonly Case[] = [
  late("late usage on the next invoice", [fee("10.00"), line("2", "1.00"), correction("3", "4", "1", "0.50")], "11.50"),
  late("late usage forgotten", [fee("10.00"), line("2", "1.00")], "11.00", ["quantity after adjustments"]),
  late("late usage in the open period", [fee("10.00"), line("3", "1.50")], "11.50", [
    "quantity of a line",
    "quantity after adjustments",
  ]),
  late("late usage at another price", [fee("10.00"), line("2", "1.00"), correction("3", "4", "1", "1.00")], "12.00", [
    "amount of an adjustment",
  ]),
  late("a wrong total", [fee("10.00"), line("2", "1.00"), correction("3", "4", "1", "0.50")], "11.00", [
    "total of an invoice",
  ]),
  one("a commit raises what usage costs", { minimumCommit: "5" }, "5.00", [
    line("3", "1.50"),
    { kind: "MINIMUM_COMMIT", quantity: "1", amount: "3.50" },
  ]),
  one(
    "a commit added to usage",
    { minimumCommit: "5" },
    "6.50",
    [line("3", "1.50"), { kind: "MINIMUM_COMMIT", quantity: "1", amount: "5.00" }],
    ["minimum commit"],
  ),
  one("a commit forgotten", { minimumCommit: "5" }, "1.50", [line("3", "1.50")], ["minimum commit"]),
  one("a fee forgotten", { recurringFee: "5" }, "1.50", [line("3", "1.50")], ["recurring fee"]),
  // From the 10th to the 31st: 22 of 31 days.
  one("a fee by the day", { recurringFee: "31", recurringFeeProration: "DAILY" }, "23.50", [
    fee("22.00"),
    line("3", "1.50"),
  ]),
  one(
    "a fee by the day, charged in full",
    { recurringFee: "31", recurringFeeProration: "DAILY" },
    "32.50",
    [fee("31.00"), line("3", "1.50")],
    ["recurring fee"],
  ),
  // The suspension covers the days from the 10th to the 19th completely: 21 of 31 are charged.
  paused("a pause", "63.00", [fee("21.00"), { kind: "MINIMUM_COMMIT", quantity: "1", amount: "42.00" }]),
  paused(
    "a pause, with the day on which it ends",
    "62.00",
    [fee("20.00"), { kind: "MINIMUM_COMMIT", quantity: "1", amount: "42.00" }],
    ["recurring fee"],
  ),
  paused(
    "a pause without effect",
    "93.00",
    [fee("31.00"), { kind: "MINIMUM_COMMIT", quantity: "1", amount: "62.00" }],
    ["recurring fee", "minimum commit"],
  ),
  closedBy("closed after grace", withUsage({}).advance("2026-02-04T00:00:00Z").lines),
  closedBy(
    "closed by hand",
    withUsage({})
      .advance("2026-02-01T00:00:00Z")
      .add("closeBillingPeriod", { tenantId: "t", periodStart: JANUARY })
      .rest().lines,
  ),
  closedBy("closed within grace", withUsage({}).advance("2026-02-03T23:59:59Z").lines, ["early invoice"]),
  {
    name: "not closed after grace",
    lines: withUsage({}).advance("2026-02-04T00:00:00Z").rest().add("invoices", { tenantId: "t" }, []).lines,
    refusedBy: ["missing invoice"],
  },
  { name: "an invoice that stays", lines: twice(invoice(1, JANUARY, "1.50", [line("3", "1.50")])) },
  {
    name: "an invoice that changes",
    lines: twice(invoice(1, JANUARY, "1.50", [line("3", "1.50", { where: [] })], { number: "2" })),
    refusedBy: ["content of a closed invoice"],
  },
  {
    name: "a document with another hash",
    lines: withUsage({})
      .advance("2026-02-10T00:00:00Z")
      .add("invoices", { tenantId: "t" }, [
        invoice(1, JANUARY, "1.50", [line("3", "1.50")], { document: "{}", sha256: "00" }),
      ]).lines,
    refusedBy: ["hash of a document", "content of a document"],
  },
  byModel("prices by dimension, and the rest", WHERE, "9.50", [line("3", "1.50", { where: A }), line("4", "8.00")], []),
  byModel(
    "usage claimed by two prices",
    WHERE,
    "15.50",
    [line("3", "1.50", { where: A }), line("7", "14.00")],
    [],
    ["quantity of a line"],
  ),
  byModel("usage that no price claims", WHERE.slice(0, 1), "1.50", [line("3", "1.50", { where: A })], [unpriced("4")]),
  byModel("silently unpriced", WHERE.slice(0, 1), "1.50", [line("3", "1.50", { where: A })], [], ["unpriced usage"]),
];
