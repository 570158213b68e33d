import type { Line, Outcome } from "../history.js";
import { type Story, story } from "../story.js";
import type { Case } from "./case.js";

const LATER = "2026-01-10T00:05:00Z";
const begin = (limit: object = {}, tenant: object = {}): Story =>
  story()
    .add("createMeter", { key: "m", aggregation: "SUM", eventType: "call", valueProperty: "n" })
    .add("createPlan", {
      id: "p",
      version: {
        currency: "EUR",
        prices: [],
        limits: [{ meter: "m", window: "BILLING_PERIOD", kind: "HARD", limit: "10", ...limit }],
      },
    })
    .add("createTenant", { id: "t", planId: "p", testClock: "2026-01-10T00:00:00Z", ...tenant });

const ask = (told: Story, key: string, amount: string, allowed: boolean, more: Partial<Line> = {}): Story =>
  told.add(
    "consume",
    { tenantId: "t", meter: "m", amount, idempotencyKey: key },
    allowed ? { allowed, reason: "WITHIN_LIMITS", expiresAt: LATER } : { allowed, reason: "LIMIT_EXCEEDED" },
    more,
  );
const shown = (used: string, reserved: string, remaining: string, limit = "10") => [
  { limit: { meter: "m", window: "BILLING_PERIOD", kind: "HARD", limit }, used, reserved, remaining },
];
// Decisions of these cases show no limits, unless they are about them.
const asked = (name: string, told: Story, refusedBy?: readonly string[]): Case => ({
  name,
  lines: told.lines.map((line) =>
    line.op === "consume" && line.answer ? { ...line, answer: { limits: SHOWN, ...line.answer } } : line,
  ),
  ...(refusedBy && { refusedBy }),
});
const SHOWN = [
  { meter: "m", window: "BILLING_PERIOD", kind: "HARD", limit: "10", used: "0", reserved: "6", remaining: "4" },
];

const used = (told: Story, n: string, id = "e") =>
  told.events([{ id, type: "call", time: "2026-01-09T00:00:00Z", data: { n } }]);
const release = (told: Story, outcome: Outcome = "ok") =>
  told.add("release", { tenantId: "t", idempotencyKey: "a" }, { released: true }, { outcome });
/** Of the key `a`, with what was answered. */
const giveBack = (told: Story, released: boolean) =>
  told.add("release", { tenantId: "t", idempotencyKey: "a" }, { released });
const override = (told: Story) =>
  told.add("setQuotaOverride", {
    tenantId: "t",
    meter: "m",
    window: "BILLING_PERIOD",
    limit: "20",
    until: "2026-01-20T00:00:00Z",
  });
/** Of two events in the last day, one was voided. */
const voided = (n: string, left: string): Story => {
  const told = used(used(begin({ window: "DAY" }), "2", "a"), "3", "b");
  told.rest().add("voidEvent", { tenantId: "t", source: "s", id: "b" }, {});
  const [status] = shown(n, "0", left);
  return look(told, [{ ...status, limit: { ...status?.limit, window: "DAY" } }] as ReturnType<typeof shown>);
};
interface Calendar {
  readonly window: string;
  readonly timeZone: string;
  /** What the tenant's clock shows. */
  readonly testClock: string;
}
const KATHMANDU: Calendar = { window: "CALENDAR_DAY", timeZone: "Asia/Kathmandu", testClock: "2026-01-10T00:00:00Z" };
/** In that night, summer time begins: the day has 23 hours. */
const BERLIN: Calendar = { window: "CALENDAR_DAY", timeZone: "Europe/Berlin", testClock: "2026-03-29T22:00:00Z" };

/** Of one event at that time. */
const calendar = (
  name: string,
  { window, ...tenant }: Calendar,
  time: string,
  counts: string,
  refusedBy?: readonly string[],
): Case => {
  const told = begin({ window }, tenant).events([{ id: "e", type: "call", time, data: { n: "7" } }]);
  const status = shown(counts, "0", counts === "0" ? "10" : "3");
  return asked(
    name,
    look(
      told,
      status.map((one) => ({ ...one, limit: { ...one.limit, window } })),
    ),
    refusedBy,
  );
};
const look = (told: Story, status: ReturnType<typeof shown>) => told.rest().add("quotas", { tenantId: "t" }, status);

export const QUOTAS: readonly Case[] = [
  asked("two admissions that fit", ask(ask(begin(), "a", "6", true), "b", "4", true)),
  asked("two admissions beyond the limit", ask(ask(begin(), "a", "6", true), "b", "5", true), [
    "hard limit",
    "hard limit with usage",
  ]),
  asked(
    "two admissions beyond the limit at the same time",
    ask(ask(begin(), "a", "6", true), "b", "5", true, { sent: 1_768_000_000_061 }),
    ["hard limit"],
  ),
  asked("an admission after a release", ask(release(ask(begin(), "a", "6", true)), "b", "9", true)),
  asked(
    "an admission after an unanswered release",
    ask(release(ask(begin(), "a", "6", true), "unknown"), "b", "9", true),
  ),
  asked("an admission after a refused release", ask(release(ask(begin(), "a", "6", true), "failed"), "b", "9", true), [
    "hard limit",
    "hard limit with usage",
  ]),
  asked("what is open is released", giveBack(ask(begin(), "a", "6", true), true)),
  asked("what is open is not released", giveBack(ask(begin(), "a", "6", true), false), ["release"]),
  asked("nothing is released twice", giveBack(release(ask(begin(), "a", "6", true)), false)),
  asked(
    "nothing is released after an unanswered release",
    giveBack(release(ask(begin(), "a", "6", true), "unknown"), false),
  ),
  asked("a refused release ended nothing", giveBack(release(ask(begin(), "a", "6", true), "failed"), false), [
    "release",
  ]),
  asked("nothing is released after expiry", giveBack(ask(begin(), "a", "6", true).advance(LATER), false)),
  asked("nothing is released after its usage", giveBack(used(ask(begin(), "a", "6", true), "1", "a"), false)),
  asked("a denied request holds nothing", giveBack(ask(ask(begin(), "b", "6", true), "a", "5", false), false)),
  asked("what nobody reserved is released", giveBack(ask(begin(), "b", "6", true), true), ["release"]),
  asked("counters that were lost hold nothing", giveBack(ask(begin(), "a", "6", true).add("fault", {}), false)),
  asked("an admission after expiry", ask(ask(begin(), "a", "6", true).advance("2026-01-10T00:05:00Z"), "b", "9", true)),
  asked("recorded usage leaves less room", ask(used(begin(), "7").rest(), "b", "4", true), [
    "used and reserved in a decision",
    "hard limit with usage",
  ]),
  asked("usage that is not yet processed", ask(used(begin(), "7"), "b", "4", true)),
  asked(
    "a settled reservation counts what was used",
    ask(used(ask(begin(), "a", "6", true), "1", "a").rest(), "b", "9", true),
  ),
  asked("a settled reservation forgotten", ask(used(ask(begin(), "a", "6", true), "5", "a").rest(), "b", "9", true), [
    "hard limit",
    "hard limit with usage",
  ]),
  asked("negative usage makes room", ask(used(begin(), "-5").rest(), "b", "15", true)),
  asked("a soft limit never blocks", ask(begin({ kind: "SOFT" }), "a", "60", true)),
  asked("a soft limit that denies", ask(begin({ kind: "SOFT" }), "a", "60", false), ["denial"]),
  asked("a denial without room", ask(ask(begin(), "a", "6", true), "b", "5", false)),
  asked("a denial with room", ask(ask(begin(), "a", "6", true), "b", "4", false), ["denial"]),
  asked("a limit of 0 denies everything", ask(begin({ limit: "0" }), "a", "1", false), ["limit in a decision"]),
  asked("an override gives room", ask(override(begin()), "a", "15", true), ["limit in a decision"]),
  asked("the same key charged once", ask(ask(begin(), "a", "6", true), "a", "6", true)),
  asked("the same key denied", ask(ask(begin(), "a", "6", true), "a", "6", false), ["same key"]),
  asked("a live key with another amount", ask(ask(begin(), "a", "6", true), "a", "2", true), ["same key"]),
  asked("totals at rest", look(used(ask(begin(), "a", "6", true), "2"), shown("2", "6", "2"))),
  asked("a voided event may count in a window of time", voided("5", "2")),
  asked("a voided event left out of a window of time", voided("2", "5")),
  asked("more than was sent in a window of time", voided("6", "1"), ["used"]),
  calendar("the first moment of a day in the tenant's zone", KATHMANDU, "2026-01-09T18:15:00Z", "7"),
  calendar("the last moment of the day before", KATHMANDU, "2026-01-09T18:14:59.999Z", "0"),
  calendar("a day of another zone", KATHMANDU, "2026-01-09T18:15:00Z", "0", ["used"]),
  calendar("the day before counted today", KATHMANDU, "2026-01-09T18:14:59.999Z", "7", ["used"]),
  calendar("a week from Monday", { ...KATHMANDU, window: "CALENDAR_WEEK" }, "2026-01-04T18:15:00Z", "7"),
  calendar("a week from Sunday", { ...KATHMANDU, window: "CALENDAR_WEEK" }, "2026-01-04T18:14:59Z", "7", ["used"]),
  calendar("a month from its first day", { ...KATHMANDU, window: "CALENDAR_MONTH" }, "2026-01-01T00:00:00Z", "7"),
  calendar("a day of 23 hours has ended", BERLIN, "2026-03-29T21:59:59Z", "0"),
  calendar("a day of 24 hours where it has 23", BERLIN, "2026-03-29T21:59:59Z", "7", ["used"]),
  asked("usage forgotten", look(used(begin(), "2"), shown("0", "0", "10")), ["used"]),
  asked("a reservation forgotten", look(ask(begin(), "a", "6", true), shown("0", "0", "10")), ["reserved"]),
  asked("a settled reservation still held", look(used(ask(begin(), "a", "6", true), "2", "a"), shown("2", "7", "1")), [
    "reserved",
  ]),
  asked("another limit shown", look(begin(), shown("0", "0", "20", "20")), ["limit shown"]),
];
