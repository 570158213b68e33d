import { invoice, type Shown, type Story, story } from "../story.js";
import type { Case } from "./case.js";

const JANUARY = "2026-01-01T00:00:00Z";
const FEBRUARY = "2026-02-01T00:00:00Z";
const CLOSED = "2026-02-10T00:00:00Z";

/** 0.50 a unit. */
const begin = (price: object = { model: "PER_UNIT", unitAmount: "0.5" }): Story =>
  story()
    .add("createMeter", { key: "m", aggregation: "SUM", eventType: "call", valueProperty: "n" })
    .add("createPlan", { id: "p", version: { currency: "EUR", prices: [{ meter: "m", ...price }] } })
    .add("createTenant", { id: "t", planId: "p", testClock: "2026-01-10T00:00:00Z" });
const grant = (told: Story, id: string, amount: string, more: object = {}): Story =>
  told.add("grantCredits", { tenantId: "t", id, amount, reason: "paid", ...more }, { id });
const used = (told: Story, id: string, n: string, time = "2026-01-05T00:00:00Z"): Story =>
  told.events([{ id, type: "call", time, data: { n } }]);
const voided = (told: Story, id: string): Story => told.add("voidEvent", { tenantId: "t", source: "s", id }, {});

const NOTHING = { drawn: "0", expired: "0", voided: "0", available: "0", reserved: "0" };
/** What is shown at rest. */
const shown = (name: string, told: Story, credits: object, refusedBy?: readonly string[]): Case => ({
  name,
  lines: told.rest().add("credits", { tenantId: "t" }, { ...NOTHING, ...credits }).lines,
  ...(refusedBy && { refusedBy }),
  checks: ["credits of a certain ledger"],
});

const usage = (quantity: string, amount: string): Shown => ({ meter: "m", quantity, amount });
const credit = (grantId: string, amount: string) => ({ kind: "CREDIT", quantity: "1", amount, grantId });
const adjusted = (line: object) => ({ ...line, kind: "ADJUSTMENT", before: "0", after: "1" });
/** The invoice of January, and of February if it is given. */
const invoiced = (
  name: string,
  told: Story,
  lines: readonly Shown[],
  total: string,
  refusedBy?: readonly string[],
): Case => ({
  name,
  lines: told
    .rest()
    .advance(CLOSED)
    .add("invoices", { tenantId: "t" }, [credited(1, JANUARY, total, lines)]).lines,
  ...(refusedBy && { refusedBy }),
  checks: ["credits of an invoice", "credits of an invoice by a certain ledger"],
});

function credited(ordinal: number, start: string, total: string, lines: readonly (Shown & { grantId?: string })[]) {
  const made = invoice(ordinal, start, total, lines);
  return { ...made, lines: made.lines.map((line, n) => ({ ...line, grantId: lines[n]?.grantId ?? null })) };
}

/** The second one has a lower priority, and is drawn first. */
const two = (): Story =>
  used(grant(grant(begin(), "old", "1", { priority: 1 }), "new", "1", { priority: 0 }), "e", "3");
/** 1.00 of the first grant, then 0.50 of the second; then the first 1.00 is void. */
const returned = (): Story =>
  voided(used(used(grant(grant(begin(), "a", "1"), "b", "1"), "first", "2"), "second", "1"), "first");
const late = (name: string, lines: readonly Shown[], total: string, refusedBy?: readonly string[]): Case => ({
  name,
  lines: used(
    used(grant(begin(), "g", "9"), "e", "3")
      .rest()
      .advance(CLOSED),
    "late",
    "1",
    "2026-01-31T23:00:00Z",
  )
    .rest()
    .advance("2026-03-10T00:00:00Z")
    .add("invoices", { tenantId: "t" }, [
      credited(1, JANUARY, "0.00", [usage("3", "1.50"), credit("g", "-1.50")]),
      credited(2, FEBRUARY, total, [usage("0", "0.00"), ...lines]),
    ]).lines,
  ...(refusedBy && { refusedBy }),
});
const LATE_USAGE = { ...usage("1", "0.50"), kind: "ADJUSTMENT", before: "3", after: "4" };
/** Of the 11th and the 13th, with a grant that expires on the 12th. */
const expiring = (): Story =>
  used(
    used(
      grant(begin(), "g", "5", { expiresAt: "2026-01-12T00:00:00Z" }).advance("2026-01-15T00:00:00Z"),
      "before",
      "1",
      "2026-01-11T00:00:00Z",
    ),
    "after",
    "1",
    "2026-01-13T00:00:00Z",
  );
const voidedGrant = (): Story =>
  used(grant(begin(), "g", "2"), "e", "1").add("voidCredits", { tenantId: "t", grantId: "g", reason: "r" }, {});

export const CREDITS: readonly Case[] = [
  shown("usage draws", used(grant(begin(), "g", "2"), "e", "3"), { granted: "2", drawn: "1.5", available: "0.5" }),
  shown("usage that draws nothing", used(grant(begin(), "g", "2"), "e", "3"), { granted: "2", available: "2" }, [
    "credits of a certain ledger",
  ]),
  shown("more drawn than granted", used(grant(begin(), "g", "2"), "e", "9"), { granted: "2", drawn: "4.5" }, [
    "credits",
    "credits of a certain ledger",
  ]),
  shown("a sum that is not that of its parts", grant(begin(), "g", "2"), { granted: "2", available: "1" }, [
    "credits",
    "credits of a certain ledger",
  ]),
  shown("a repeated grant", grant(grant(begin(), "g", "2"), "g", "2"), { granted: "2", available: "2" }),
  shown("a repeated grant counted twice", grant(grant(begin(), "g", "2"), "g", "2"), { granted: "4", available: "4" }, [
    "credits granted",
    "credits of a certain ledger",
  ]),
  shown("usage of before the grant", grant(used(begin(), "e", "3"), "g", "2"), { granted: "2", available: "2" }),
  shown(
    "usage of before the grant that draws",
    grant(used(begin(), "e", "3"), "g", "2"),
    { granted: "2", drawn: "1.5", available: "0.5" },
    ["credits of a certain ledger"],
  ),
  shown("usage of before the expiry that comes late", expiring(), { granted: "5", drawn: "0.5", expired: "4.5" }),
  shown("usage of after the expiry that draws", expiring(), { granted: "5", drawn: "1", expired: "4" }, [
    "credits of a certain ledger",
  ]),
  shown("a void takes what is left", voidedGrant(), { granted: "2", drawn: "0.5", voided: "1.5" }),
  shown("a void that leaves something", voidedGrant(), { granted: "2", drawn: "0.5", available: "1.5" }, [
    "credits of a certain ledger",
  ]),
  shown("what returns to a voided grant", voided(voidedGrant(), "e"), { granted: "2", voided: "2" }),
  shown(
    "what is due without usage is drawn when a period begins",
    grant(begin({ model: "FLAT", unitAmount: "1" }), "g", "5")
      .rest()
      .advance(CLOSED),
    { granted: "5", drawn: "1", available: "4" },
  ),
  shown(
    "a period that began before the grant draws nothing without usage",
    grant(begin({ model: "FLAT", unitAmount: "1" }), "g", "5"),
    { granted: "5", drawn: "1", available: "4" },
    ["credits of a certain ledger"],
  ),
  invoiced(
    "the lower priority first",
    two(),
    [usage("3", "1.50"), credit("old", "-0.50"), credit("new", "-1.00")],
    "0.00",
  ),
  invoiced("the oldest first", two(), [usage("3", "1.50"), credit("old", "-1.00"), credit("new", "-0.50")], "0.00", [
    "credits of an invoice by a certain ledger",
  ]),
  invoiced("a line of credits forgotten", two(), [usage("3", "1.50"), credit("new", "-1.00")], "0.50", [
    "credits of an invoice by a certain ledger",
  ]),
  invoiced("credits that nobody granted", two(), [usage("3", "1.50"), credit("other", "-1.50")], "0.00", [
    "credits of an invoice",
    "credits of an invoice by a certain ledger",
  ]),
  invoiced(
    "what is void returns to who was drawn from last",
    returned(),
    [usage("1", "0.50"), credit("a", "-0.50")],
    "0.00",
  ),
  invoiced("what is void returns to its own grant", returned(), [usage("1", "0.50"), credit("b", "-0.50")], "0.00", [
    "credits of an invoice by a certain ledger",
  ]),
  invoiced(
    "more credits than usage",
    two(),
    [usage("3", "1.50"), credit("old", "-1.00"), credit("new", "-1.00")],
    "-0.50",
    ["credits of an invoice", "credits of an invoice by a certain ledger"],
  ),
  late("late usage of a closed period draws", [LATE_USAGE, adjusted(credit("g", "-0.50"))] as Shown[], "0.00"),
  late("an adjustment of credits forgotten", [LATE_USAGE], "0.50", ["credits of an invoice by a certain ledger"]),
];
