import { type Story, story } from "../story.js";
import type { Case } from "./case.js";

/** Limits by dimension, with a filter, and in money. */

const LATER = "2026-01-10T00:05:00Z";
const BY = { by: ["model"] };
const WHERE = { where: [{ dimension: "model", value: "a" }] };
const MONEY = { meter: undefined, unit: "MONEY", limit: "5" };

const begin = (limit: object, prices: readonly object[] = []): Story =>
  story()
    .add("createMeter", { key: "m", aggregation: "SUM", eventType: "call", valueProperty: "n", dimensions: ["model"] })
    .add("createPlan", {
      id: "p",
      version: {
        currency: "EUR",
        prices,
        limits: [{ meter: "m", window: "BILLING_PERIOD", kind: "HARD", limit: "10", ...limit }],
      },
    })
    .add("createTenant", { id: "t", planId: "p", testClock: "2026-01-10T00:00:00Z" });

/** What a decision or a look shows of the limit. */
const status = (used: string, reserved: string, remaining: string, of: object = {}) => ({
  ...{ meter: "m", window: "BILLING_PERIOD", kind: "HARD", limit: "10" },
  ...{ used, reserved, remaining, ...of },
});
const dimensionsOf = (model: string) => ({ dimensions: [{ dimension: "model", value: model }] });
const spent = (used: string, reserved: string, remaining: string) =>
  status(used, reserved, remaining, { meter: null, unit: "MONEY", currency: "EUR", limit: "5" });

interface Asked {
  readonly key: string;
  readonly amount: string;
  readonly model: string;
  readonly limits: readonly object[];
  readonly isDenied?: boolean;
}
const ask = (told: Story, { key, amount, model, limits, isDenied }: Asked): Story =>
  told.add(
    "consume",
    { tenantId: "t", meter: "m", amount, dimensions: { model }, idempotencyKey: key },
    isDenied
      ? { allowed: false, reason: "LIMIT_EXCEEDED", limits }
      : { allowed: true, reason: "WITHIN_LIMITS", expiresAt: LATER, limits },
  );
const used = (told: Story, n: string, model: string, id = "e"): Story =>
  told.events([{ id, type: "call", time: "2026-01-09T00:00:00Z", data: { n, model } }]);
const one = (name: string, told: Story, refusedBy?: readonly string[], checks?: readonly string[]): Case => ({
  name,
  lines: told.lines,
  ...(refusedBy && { refusedBy }),
  ...(checks && { checks }),
});

const of = (model: string, used: string, reserved: string, remaining: string) =>
  status(used, reserved, remaining, dimensionsOf(model));
const byTwo = (second: Asked): Story =>
  ask(ask(begin(BY), { key: "a", amount: "6", model: "a", limits: [of("a", "0", "6", "4")] }), second);
const look = (told: Story, nodes: readonly object[]): Story => told.rest().add("quotas", { tenantId: "t" }, nodes);
const node = (by: object, shown: ReturnType<typeof status>, more: object = {}) => ({
  limit: { meter: shown.meter, window: shown.window, kind: shown.kind, limit: shown.limit, ...by },
  ...{ used: shown.used, reserved: shown.reserved, remaining: shown.remaining, dimensions: [], ...more },
});

const UNIT = [{ meter: "m", model: "PER_UNIT", unitAmount: "0.5" }];
/** 10 of a cost 10.00, 11 of them 1.10; all others 0.10. */
const CHEAPER = [
  {
    ...{ meter: "m", model: "VOLUME", where: WHERE.where },
    tiers: [
      { upTo: "10", unitAmount: "1", flatAmount: "0" },
      { upTo: null, unitAmount: "0.1", flatAmount: "0" },
    ],
  },
  { meter: "m", model: "PER_UNIT", unitAmount: "0.1", catchAll: true },
];
const spend = (told: Story, key: string, amount: string, limits: readonly object[], model = "a"): Story =>
  ask(told, { key, amount, model, limits });
const MANY = "hard limit in money";
const alert = (more: object) => ({
  ...{
    id: "1",
    sequence: "1",
    kind: "WARNING",
    meter: null,
    window: "BILLING_PERIOD",
    windowStart: "2026-01-01T00:00:00Z",
  },
  ...{ threshold: "0.8", limit: "5", unit: "MONEY", dimensions: [], where: [], ...more },
});
const warned = (n: string, alerts: readonly object[]): Story =>
  used(begin({ ...MONEY, warnAt: ["0.8"] }, UNIT), n, "a")
    .rest()
    .add("alerts", { tenantId: "t" }, alerts);

export const SCOPES: readonly Case[] = [
  one(
    "each value has a counter of its own",
    byTwo({ key: "b", amount: "6", model: "b", limits: [of("b", "0", "6", "4")] }),
    undefined,
    ["hard limit"],
  ),
  one("beyond the limit of a value", byTwo({ key: "b", amount: "5", model: "a", limits: [of("a", "0", "11", "0")] }), [
    "hard limit",
    "hard limit with usage",
  ]),
  one(
    "a denial by another value's usage",
    byTwo({ key: "b", amount: "6", model: "b", limits: [of("b", "0", "0", "10")], isDenied: true }),
    ["denial"],
  ),
  one("a limit of a value that is not shown", byTwo({ key: "b", amount: "1", model: "b", limits: [] }), [
    "limit in a decision",
  ]),
  one(
    "recorded usage of a value leaves less room",
    ask(used(begin(BY), "7", "a").rest(), { key: "b", amount: "4", model: "a", limits: [of("a", "7", "4", "0")] }),
    ["hard limit with usage"],
  ),
  one(
    "recorded usage of another value",
    ask(used(begin(BY), "7", "b").rest(), { key: "b", amount: "4", model: "a", limits: [of("a", "0", "4", "6")] }),
  ),
  one(
    "usage of each value is shown",
    look(used(used(begin(BY), "7", "a"), "2", "b", "f"), [
      node(BY, status("7", "0", "3"), dimensionsOf("a")),
      node(BY, status("2", "0", "8"), dimensionsOf("b")),
    ]),
    undefined,
    ["used"],
  ),
  one(
    "usage of another value is shown",
    look(used(begin(BY), "7", "a"), [node(BY, status("7", "0", "3"), dimensionsOf("b"))]),
    ["used"],
  ),
  one(
    "a filter counts what it names",
    look(used(used(begin(WHERE), "7", "a"), "2", "b", "f"), [node(WHERE, status("7", "0", "3"))]),
    undefined,
    ["used"],
  ),
  one(
    "a filter that counts everything",
    look(used(used(begin(WHERE), "7", "a"), "2", "b", "f"), [node(WHERE, status("9", "0", "1"))]),
    ["used"],
  ),
  one("a filter is no limit to others", ask(begin(WHERE), { key: "a", amount: "60", model: "b", limits: [] })),
  one(
    "a filter that denies others",
    ask(begin(WHERE), { key: "a", amount: "60", model: "b", limits: [], isDenied: true }),
    ["denial"],
  ),
  one(
    "two admissions whose cost fits",
    spend(spend(begin(MONEY, UNIT), "a", "6", [spent("0", "3", "2")]), "b", "4", [spent("0", "5", "0")]),
    undefined,
    [MANY],
  ),
  one(
    "two admissions whose cost does not fit",
    spend(spend(begin(MONEY, UNIT), "a", "6", [spent("0", "3", "2")]), "b", "5", [spent("0", "5.5", "0")]),
    [MANY],
  ),
  one("recorded usage is spent", spend(used(begin(MONEY, UNIT), "7", "a").rest(), "b", "4", [spent("3.5", "2", "0")]), [
    MANY,
  ]),
  one(
    "usage that nobody asked for leaves nothing",
    ask(used(begin(MONEY, UNIT), "70", "a").rest(), {
      key: "b",
      amount: "1",
      model: "a",
      limits: [spent("35", "0", "0")],
      isDenied: true,
    }),
  ),
  one(
    "a denial although it is cheap",
    ask(begin(MONEY, UNIT), { key: "b", amount: "1", model: "a", limits: [spent("0", "0", "5")], isDenied: true }),
    ["denial"],
  ),
  one("what is reserved may be used in part", spend(begin(MONEY, CHEAPER), "a", "11", [spent("0", "1.1", "3.9")]), [
    MANY,
  ]),
  one(
    "a price charges its own usage only",
    spend(begin(MONEY, CHEAPER), "a", "11", [spent("0", "1.1", "3.9")], "b"),
    undefined,
    [MANY],
  ),
  one(
    "what usage costs is shown",
    look(used(used(begin(MONEY, CHEAPER), "11", "a"), "2", "b", "f"), [node(MONEY, spent("1.3", "0", "3.7"))]),
    undefined,
    ["used in money"],
  ),
  one(
    "what usage costs is shown wrongly",
    look(used(used(begin(MONEY, CHEAPER), "11", "a"), "2", "b", "f"), [node(MONEY, spent("1.1", "0", "3.9"))]),
    ["used in money"],
  ),
  one("a warning of what is spent", warned("8", [alert({})]), undefined, ["missing alert"]),
  one("a warning of what is spent forgotten", warned("8", []), ["missing alert"]),
  one("a warning of what is not spent", warned("7", [alert({})]), ["alert"]),
];
