import type { Outcome } from "../history.js";
import { invoice, story } from "../story.js";
import type { Case } from "./case.js";

const call = (id: string, n = "5") => ({ id, type: "call", time: "2026-01-05T00:00:00Z", data: { n } });
const begin = () =>
  story()
    .add("createMeter", { key: "m", aggregation: "SUM", eventType: "call", valueProperty: "n" })
    .add("createPlan", {
      id: "p",
      version: { currency: "EUR", prices: [{ meter: "m", model: "PER_UNIT", unitAmount: "1" }] },
    })
    .add("createTenant", { id: "t", planId: "p", testClock: "2026-01-10T00:00:00Z" });

const total = (name: string, outcome: Outcome, quantity: string, refusedBy?: readonly string[]): Case => ({
  name,
  lines: begin()
    .events([call("1")])
    .events([call("2", "0.25"), call("3", "0.5")], outcome)
    .rest()
    .add("usageTotals", { tenantId: "t" }, [{ meter: "m", quantity }]).lines,
  ...(refusedBy && { refusedBy }),
});

/** One event overlaps the closing, and may be in January's invoice or in none yet. */
const atClosing = (name: string, quantity: string, refusedBy?: readonly string[]): Case => {
  const before = begin()
    .events([call("1")])
    .add("advanceTestClock", { tenantId: "t", to: "2026-02-10T00:00:00Z" });
  const sent = (before.lines.at(-1)?.sent ?? 0) + 1;
  const events = [{ specversion: "1.0", source: "s", subject: "t", ...call("2", "1") }];
  return {
    name,
    lines: before
      .add("events", { events }, { results: [{ status: "accepted" }] }, { sent })
      .rest()
      .add("tenant", { tenantId: "t" }, { testClock: "2026-02-10T00:00:00Z", testClockStatus: "READY" })
      .add("invoices", { tenantId: "t" }, [
        invoice(1, "2026-01-01T00:00:00Z", `${quantity}.00`, [{ meter: "m", quantity, amount: `${quantity}.00` }]),
      ]).lines,
    ...(refusedBy && { refusedBy }),
  };
};

const voided = (name: string, outcome: Outcome, quantity: string, refusedBy?: readonly string[]): Case => ({
  name,
  lines: begin()
    .events([call("1"), call("2", "1")])
    .add("voidEvent", { tenantId: "t", source: "s", id: "2" }, {}, { outcome })
    .rest()
    .add("usageTotals", { tenantId: "t" }, [{ meter: "m", quantity }]).lines,
  ...(refusedBy && { refusedBy }),
});

const conflict = (name: string, quantity: string, refusedBy?: readonly string[]): Case => ({
  name,
  lines: begin()
    .events([call("1", "5")])
    .events([call("1", "7")])
    .rest()
    .add("usageTotals", { tenantId: "t" }, [{ meter: "m", quantity }]).lines,
  ...(refusedBy && { refusedBy }),
});

const accounting = (name: string, answer: object, refusedBy?: readonly string[], begun = begin()): Case => ({
  name,
  lines: begun
    .events([call("1"), { ...call("2"), type: "other" }, call("1")])
    .rest()
    .add("accounting", { tenantId: "t" }, { quarantined: 0, inFlight: 0, ...answer }).lines,
  ...(refusedBy && { refusedBy }),
  checks: ["accounting", "accounting of events"],
});

const answer = (name: string, event: object, result: object, refusedBy?: readonly string[]): Case => ({
  name,
  lines: begin().add("events", { events: [{ source: "s", subject: "t", ...event }] }, { results: [result] }).lines,
  ...(refusedBy && { refusedBy }),
});

export const UNCERTAIN: readonly Case[] = [
  ...["5", "5.25", "5.5", "5.75"].map((quantity) =>
    total("each part of an unanswered batch may count", "unknown", quantity),
  ),
  total("an unanswered batch counted twice", "unknown", "6.5", ["total"]),
  total("an acknowledged batch lost", "ok", "5", ["total"]),
  total("a refused batch counted", "failed", "5.75", ["total"]),
  atClosing("an event beside the closing, in it", "6"),
  atClosing("an event beside the closing, late", "5"),
  atClosing("an event beside the closing, instead of another", "1", ["quantity of a line"]),
  voided("a void", "ok", "5"),
  voided("a void without effect", "ok", "6", ["total"]),
  voided("an unanswered void, done", "unknown", "5"),
  voided("an unanswered void, not done", "unknown", "6"),
  voided("a refused void", "failed", "5", ["total"]),
  conflict("the first content counts", "5"),
  conflict("the second content counts", "7", ["total"]),
  conflict("both contents count", "12", ["total"]),
  accounting("what was accepted is accounted", { accepted: 3, counted: 1, unmetered: 1, duplicates: 1 }),
  accounting("something accepted is missing", { accepted: 3, counted: 1, unmetered: 1, duplicates: 0 }, ["accounting"]),
  accounting("a duplicate forgotten", { accepted: 2, counted: 1, unmetered: 1, duplicates: 0 }, [
    "accounting of events",
  ]),
  accounting("the log may have a request twice", { accepted: 6, counted: 1, unmetered: 1, duplicates: 4 }),
  accounting(
    "a duplicate that nobody sent, where nothing repeats a request",
    { accepted: 4, counted: 1, unmetered: 1, duplicates: 2 },
    ["accounting of events"],
    begin().add("once", {}),
  ),
  accounting(
    "each item at most once, where nothing repeats a request",
    { accepted: 5, counted: 1, unmetered: 1, duplicates: 3 },
    undefined,
    begin()
      .add("once", {})
      .events([call("1"), call("1")], "unknown"),
  ),
  accounting("a counted event called unmetered", { accepted: 3, counted: 0, unmetered: 2, duplicates: 1 }, [
    "accounting of events",
  ]),
  answer(
    "an old event refused",
    { ...call("1"), time: "2025-12-01T00:00:00Z" },
    { status: "rejected", code: "TIME_OUT_OF_RANGE" },
  ),
  answer("an old event taken", { ...call("1"), time: "2025-12-01T00:00:00Z" }, { status: "accepted" }, [
    "answer to events",
  ]),
  answer("a current event called old", call("1"), { status: "rejected", code: "TIME_OUT_OF_RANGE" }, [
    "answer to events",
  ]),
  answer("an event without a number taken", { ...call("1"), data: { n: "many" } }, { status: "accepted" }, [
    "answer to events",
  ]),
];
