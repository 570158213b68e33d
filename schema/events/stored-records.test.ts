import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import { apiKeysUsedV1 } from "./api-keys-used.v1.js";
import { auditRecordedV1 } from "./audit-recorded.v1.js";
import { billingPeriodClosedV1 } from "./billing-period-closed.v1.js";
import { invoiceGeneratedV1 } from "./invoice-generated.v1.js";
import { storedEntries } from "./ledger-block.v1.js";
import { quotaExceededV1 } from "./quota-exceeded.v1.js";
import { quotaWarningV1 } from "./quota-warning.v1.js";
import { tenancyAppliedV1 } from "./tenancy-applied.v1.js";
import { readTenancyChanged } from "./tenancy-changed.v1.js";
import { readReceived } from "./usage-received.v2.js";
import { readRecorded } from "./usage-recorded.v2.js";
import { usageUnmeteredV1 } from "./usage-unmetered.v1.js";
import { usageUnpricedV1 } from "./usage-unpriced.v1.js";

const EVENTS = [
  ...[quotaWarningV1, quotaExceededV1, billingPeriodClosedV1, invoiceGeneratedV1],
  ...[usageUnmeteredV1, usageUnpricedV1],
];
const STAMP = { firstSeq: 41, recordedAt: 1_790_000_000_300, tenancyVersion: 17 };

/** By file of `examples/`: today's reader of a record's text. */
const READERS: Readonly<Record<string, (text: string) => unknown>> = {
  "usage.received": readReceived,
  "usage.recorded": readRecorded,
  "ledger.block": (text) => storedEntries(STAMP, JSON.parse(text)),
  "tenancy.changed": readTenancyChanged,
  "tenancy.applied": (text) => tenancyAppliedV1.read(text),
  "api.keys.used": (text) => apiKeysUsedV1.read(text),
  "audit.recorded": (text) => auditRecordedV1.read(text),
  events: (text) => EVENTS.find(({ type }) => type === JSON.parse(text).type)?.read(text),
};

const examples = Object.entries(READERS).flatMap(([file, read]) =>
  Object.entries<unknown>(JSON.parse(readFileSync(new URL(`examples/${file}.json`, import.meta.url), "utf8"))).map(
    ([shape, record]) => ({ file, shape, read, text: typeof record === "string" ? record : JSON.stringify(record) }),
  ),
);

test.each(examples)("$file: a stored record of the shape $shape is read", ({ read, text }) => {
  expect(read(text)).toMatchSnapshot();
});

const example = (file: string, shape: string): string =>
  examples.find((e) => e.file === file && e.shape === shape)?.text ?? "";
const meter = example("tenancy.changed", "v1 meter, SUM");
const plan = example("tenancy.changed", "v1 plan with every price model and window");
const tenant = example("tenancy.changed", "v1 tenant");
const zoned = (timeZone: string): string => JSON.stringify({ ...JSON.parse(tenant), timeZone });
const tick = '{"kind":"tick","at":5}';
const recorded = example("usage.recorded", "v1 with an entry of every kind");
const recorded2 = example("usage.recorded", "v2 with an entry of every kind");
const warning = JSON.stringify(quotaWarningV1.example);

test.each<[string, string, string, string, string]>([
  ["usage.received", "a control record", '{"kind":"freeze","tenantId":"acme"}', "control record", "freeze"],
  [
    "usage.received",
    "a version",
    '{"schema":"metrly.usage.received.v3","kind":"tick","at":5}',
    "version",
    "metrly.usage.received.v3",
  ],
  [
    "usage.received",
    "a packed version",
    '{"schema":"metrly.usage.received.v3","kind":"items","items":[]}\n{}',
    "version",
    "metrly.usage.received.v3",
  ],
  ["usage.received", "an encoding", `\u0003${tick}`, "encoding", "3"],
  ["usage.recorded", "a ledger entry", recorded.replace('"tick"', '"freeze"'), "ledger entry", "freeze"],
  [
    "usage.recorded",
    "a ledger entry in a packed record",
    recorded2.replace('"tick"', '"freeze"'),
    "ledger entry",
    "freeze",
  ],
  ["ledger.block", "an invoice version", '[{"kind":"tick","at":5,"invoiceVersion":3}]', "invoice version", "3"],
  [
    "usage.recorded",
    "a version",
    recorded.replace("{", '{"schema":"metrly.usage.recorded.v3",'),
    "version",
    "metrly.usage.recorded.v3",
  ],
  ["usage.recorded", "an encoding", `\u0002${recorded}`, "encoding", "2"],
  ["ledger.block", "a ledger entry", '[{"kind":"freeze"}]', "ledger entry", "freeze"],
  ["ledger.block", "an encoding", '{"encoding":"columns","data":""}', "encoding", "columns"],
  ["tenancy.changed", "an aggregation", meter.replace('"SUM"', '"MEDIAN"'), "aggregation", "MEDIAN"],
  ["tenancy.changed", "a price model", plan.replace('"VOLUME"', '"TIME_OF_DAY"'), "price model", "TIME_OF_DAY"],
  [
    "tenancy.changed",
    "a price model with members of its own",
    plan.replace('"model":"VOLUME","included":"0"', '"model":"BLOCK","blocks":[]'),
    "price model",
    "BLOCK",
  ],
  ["tenancy.changed", "a limit window", plan.replace('"HOUR"', '"WEEK"'), "limit window", "WEEK"],
  ["tenancy.changed", "a limit kind", plan.replace('"SOFT"', '"MONEY"'), "limit kind", "MONEY"],
  ["tenancy.changed", "a time zone", zoned("America/New_Zone"), "time zone", "America/New_Zone"],
  [
    "tenancy.changed",
    "a kind of state",
    '{"kind":"creditGrant","id":"g1","version":10}',
    "kind of state",
    "creditGrant",
  ],
  [
    "tenancy.changed",
    "a version",
    meter.replace("{", '{"schema":"metrly.tenancy.changed.v2",'),
    "version",
    "metrly.tenancy.changed.v2",
  ],
  [
    "api.keys.used",
    "a version",
    '{"schema":"metrly.api.keys.used.v2","uses":[]}',
    "version",
    "metrly.api.keys.used.v2",
  ],
  ["audit.recorded", "an encoding", "\u0008{}", "encoding", "8"],
  ["events", "a limit window", warning.replace('"BILLING_PERIOD"', '"WEEK"'), "limit window", "WEEK"],
])("%s: %s that newer code wrote asks for an upgrade, and says what for", (file, _, text, set, member) => {
  const caught = failureOf(() => READERS[file]?.(text));
  expect(caught).toBeInstanceOf(UpgradeRequired);
  expect(caught).toMatchObject({ unknown: { set, member }, message: expect.stringContaining("upgrade this process") });
});

test.each<[string, string, string]>([
  ["usage.received", "an item without an id", '{"kind":"items","items":[{"tenantId":"acme"}]}'],
  ["usage.received", "a tick without a time", '{"kind":"tick"}'],
  ["usage.received", "a kind that is no name", '{"kind":"a b\\n"}'],
  ["usage.received", "a kind that is a number", '{"kind":7}'],
  ["usage.received", "no JSON", "{"],
  ["usage.recorded", "an entry without its seq", recorded.replace('"seq":42', '"se":42')],
  ["ledger.block", "an entry that is a number", "[7]"],
  ["tenancy.changed", "a meter without a name", meter.replace('"name"', '"nam"')],
  ["tenancy.changed", "a price without a rate of the right type", plan.replace('"2.9"', "2.9")],
  ["tenancy.changed", "a time zone that is no name", zoned("+01:00")],
  ["events", "a limit that is no decimal", warning.replace('"1000"', '"much"')],
])("%s: %s is malformed, not newer", (file, _, text) => {
  const caught = failureOf(() => READERS[file]?.(text));
  expect(caught).toBeInstanceOf(Error);
  expect(caught).not.toBeInstanceOf(UpgradeRequired);
});

/** Where the unions that may grow stand in records. */
const GROWING = new Set(["kind", "model", "aggregation", "window", "status", "scopes"]);
const withMembers = examples.filter(
  ({ file, text }) => file !== "audit.recorded" && !text.includes("\n") && membersIn(JSON.parse(text)).length > 0,
);

/** How to rename each member of a union that may grow, anywhere in a record. What a void takes back is no union: an event. */
function membersIn(value: unknown, place = ""): ((name: string) => void)[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
    const set = Array.isArray(value) ? place : key;
    if (set === "event") return [];
    if (typeof inner !== "string") return membersIn(inner, set);
    return GROWING.has(set) ? [(name: string) => void Reflect.set(value, key, name)] : [];
  });
}

test.each(withMembers)(
  "$file: any new member in a record of the shape $shape asks for an upgrade",
  ({ read, text }) => {
    const isMember = new Set(text.split('"'));
    const name = fc.stringMatching(/^[A-Z][A-Z_]{3,20}$/).filter((candidate) => !isMember.has(candidate));
    fc.assert(
      fc.property(name, fc.nat(), (newer, nth) => {
        const value: unknown = JSON.parse(text);
        const renames = membersIn(value);
        renames[nth % renames.length]?.(newer);
        expect(failureOf(() => read(JSON.stringify(value)))).toMatchObject({ unknown: { member: newer } });
      }),
    );
  },
);

test("a tenant's time zone is read by every name that this process computes with", () => {
  for (const timeZone of ["UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Calcutta"])
    expect(readTenancyChanged(zoned(timeZone))).toMatchObject({ kind: "tenant", timeZone });
});

test("a state of an unknown kind that its writer declares ancillary is worth a heartbeat of its version", () => {
  const text = '{"kind":"label","id":"l1","version":10,"ancillary":true,"color":"red"}';
  expect(readTenancyChanged(text)).toEqual({ kind: "heartbeat", id: "heartbeat", version: 10, at: 0 });
  expect(() => readTenancyChanged(text.replace("true", "false"))).toThrow(UpgradeRequired);
});

function failureOf(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}
