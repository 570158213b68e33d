import { story } from "../story.js";
import type { Case } from "./case.js";

const METERS = [
  { key: "calls", aggregation: "COUNT", eventType: "call" },
  { key: "tokens", aggregation: "SUM", eventType: "call", valueProperty: "n", dimensions: ["model"] },
  { key: "peak", aggregation: "MAX", eventType: "call", valueProperty: "n" },
  { key: "users", aggregation: "UNIQUE", eventType: "call", valueProperty: "user" },
  { key: "seats", aggregation: "LATEST", eventType: "call", valueProperty: "n" },
];

const call = (id: string, time: string, n: string, user: string, model = "a") => ({
  id,
  type: "call",
  time: `2026-01-${time}Z`,
  data: { n, user, model },
});

function measured() {
  const begun = story();
  for (const meter of METERS) begun.add("createMeter", meter);
  return begun
    .add("createTenant", { id: "t", testClock: "2026-01-10T00:00:00Z" })
    .events([
      call("1", "05T00:00:00", "10.5", "u1"),
      call("2", "09T12:00:00", "-3", "u2", "b"),
      call("3", "07T00:00:00", "20", "u1"),
      call("1", "05T00:00:00", "10.5", "u1"),
    ])
    .rest();
}

const totals = (...quantities: readonly string[]) =>
  METERS.map(({ key }, n) => ({ meter: key, quantity: quantities[n], dimensions: [] }));
const observed = (name: string, quantities: readonly string[], refusedBy?: readonly string[]): Case => ({
  name,
  lines: measured().add("usageTotals", { tenantId: "t" }, totals(...quantities)).lines,
  ...(refusedBy && { refusedBy }),
  checks: ["total"],
});

const grouped = (name: string, a: string, b: string, refusedBy?: readonly string[]): Case => ({
  name,
  lines: measured().add("usageTotals", { tenantId: "t", meter: "tokens", groupBy: ["model"] }, [
    { meter: "tokens", quantity: a, dimensions: [{ dimension: "model", value: "a" }] },
    { meter: "tokens", quantity: b, dimensions: [{ dimension: "model", value: "b" }] },
  ]).lines,
  ...(refusedBy && { refusedBy }),
});

type Bucket = readonly [from: string, to: string, quantity: string];

/** Of the tokens, by hour or day. */
const buckets = (name: string, granularity: string, shown: readonly Bucket[], refusedBy?: readonly string[]): Case => ({
  name,
  lines: measured().add(
    "usageTotals",
    { tenantId: "t", meter: "tokens", granularity },
    shown.map(([from, to, quantity]) => ({ meter: "tokens", quantity, dimensions: [], from: at(from), to: at(to) })),
  ).lines,
  ...(refusedBy && { refusedBy }),
  checks: ["total", "span of a total"],
});
const at = (time: string) => `2026-01-${time}:00:00Z`;
const FIFTH: Bucket = ["05T00", "06T00", "10.5"];
const SEVENTH: Bucket = ["07T00", "08T00", "20"];
const NINTH: Bucket = ["09T00", "10T00", "-3"];
const HOURS: readonly Bucket[] = [
  ["05T00", "05T01", "10.5"],
  ["07T00", "07T01", "20"],
];
const NOON: Bucket = ["09T12", "09T13", "-3"];

/** Three distinct events: 10.5 + 20 - 3; the highest is 20; two users; the latest, of the 9th, is -3. */
export const AGGREGATIONS: readonly Case[] = [
  observed("three events, one sent twice", ["3", "27.5", "20", "2", "-3"]),
  observed("a duplicate counted", ["4", "27.5", "20", "2", "-3"], ["total"]),
  observed("a duplicate added", ["3", "38", "20", "2", "-3"], ["total"]),
  observed("a sum without its negative part", ["3", "30.5", "20", "2", "-3"], ["total"]),
  observed("the second highest", ["3", "27.5", "10.5", "2", "-3"], ["total"]),
  observed("a user counted twice", ["3", "27.5", "20", "3", "-3"], ["total"]),
  observed("the last to arrive instead of the latest", ["3", "27.5", "20", "2", "20"], ["total"]),
  observed("a rest of a binary float", ["3", "27.500000000000004", "20", "2", "-3"], ["total"]),
  grouped("by dimension", "30.5", "-3"),
  grouped("the dimensions exchanged", "-3", "30.5", ["total"]),
  buckets("by day", "DAY", [FIFTH, SEVENTH, NINTH]),
  buckets("a day's usage on the day after it", "DAY", [FIFTH, ["08T00", "09T00", "20"], NINTH], ["total"]),
  buckets("a day without its usage", "DAY", [FIFTH, NINTH], ["total"]),
  buckets("a day that counts another one's usage, too", "DAY", [["05T00", "06T00", "30.5"], SEVENTH, NINTH], ["total"]),
  buckets("a day shown twice", "DAY", [FIFTH, FIFTH, SEVENTH, NINTH], ["total"]),
  buckets("a day of two days", "DAY", [FIFTH, ["07T00", "09T00", "20"], NINTH], ["span of a total"]),
  buckets("by hour", "HOUR", [...HOURS, NOON]),
  buckets("an hour's usage in the hour before it", "HOUR", [...HOURS, ["09T11", "09T12", "-3"]], ["total"]),
  buckets("the period in place of its hours", "HOUR", [["01T00", "01T01", "27.5"]], ["total"]),
];
