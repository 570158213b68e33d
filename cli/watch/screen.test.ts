import fc from "fast-check";
import { expect, test } from "vitest";
import type { Alert } from "./alerts.js";
import { readCounters } from "./counters.js";
import { type Look, MOST_TENANTS, type WatchedTenant } from "./look.js";
import { screenOf } from "./screen.js";
import { alerted, begun, failed, looked } from "./state.js";

const metrics = (accepted: number, denied: number): string => `# HELP metrly_ingestion_items_total Items
metrly_ingestion_items_total{status="accepted"} ${accepted}
metrly_ingestion_items_total{status="rejected"} 1
metrly_ingestion_lag_seconds{partition="0"} 0.25
metrly_ingestion_lag_seconds{partition="1"} 1.5
metrly_quota_decisions_total{operation="consume",allowed="true",reason="WITHIN_LIMITS"} 7
metrly_quota_decisions_total{operation="consume",allowed="false",reason="LIMIT_EXCEEDED"} ${denied}
`;

const QUANTITY = { unit: "QUANTITY", currency: null } as const;

const tenant = (id: string, accepted: number, limits = 1): WatchedTenant => ({
  ...{ id, status: "ACTIVE", accounting: { accepted, inFlight: 2, quarantined: 0 } },
  quotas: Array.from({ length: limits }, () => ({
    ...{ state: "WARNING", used: "8", reserved: "1" },
    limit: { meter: "calls", unit: "QUANTITY", currency: null, window: "HOUR", kind: "HARD", limit: "10" },
  })),
});

const look = (seconds: number, tenants: readonly WatchedTenant[], text?: string): Look => ({
  ...{ at: Date.UTC(2026, 10, 28, 12, 0, seconds), monotonicMs: seconds * 1_000, isReady: true, tenants },
  ...{ hasMore: tenants.length === MOST_TENANTS, counters: text === undefined ? undefined : readCounters(text) },
});

const alert: Alert = {
  ...{
    cursor: "c",
    tenantId: "acme",
    kind: "WARNING",
    meter: "calls",
    unit: "QUANTITY",
    currency: null,
    window: "HOUR",
    used: "8",
    limit: "10",
  },
  ...{
    dimensions: [],
    threshold: "0.8",
    thresholdKind: "SHARE",
    at: "2026-11-28T11:59:58.000Z",
    windowStart: "2026-11-28T11:00:00.000Z",
  },
};

test("rates are differences over the time between two looks, and lag is the slowest partition's", () => {
  const first = looked(begun("http://m"), look(0, [tenant("acme", 10)], metrics(10, 1)));
  const second = looked(first, look(4, [tenant("acme", 30)], metrics(30, 3)));
  const lines = screenOf(alerted(second, alert), { width: 80, height: 24 });
  expect(lines).toContain("EVENTS         5.0/s  accepted 30  rejected 1  █");
  expect(lines).toContain("LAG          recorded 1.5 s  billed - s  quota - s  in flight 2");
  expect(lines).toContain("DECISIONS      0.5/s  allowed 7  denied 3 (LIMIT_EXCEEDED 3)");
  expect(lines).toContain(`acme         5.0  calls per hour, hard  ${"█".repeat(22)}░░  90 %  WARNING`);
  expect(lines.at(-1)).toBe("  11:59:58  WARNING   acme  calls per hour: 8 of 10 (80 % crossed)");
});

test("a process that started anew, with its counters at 0, shows no negative rate", () => {
  const first = looked(begun("http://m"), look(0, [tenant("acme", 10)], metrics(500, 9)));
  const second = looked(first, look(2, [tenant("acme", 10)], metrics(0, 0)));
  expect(screenOf(second, { width: 80, height: 24 }).join("\n")).not.toMatch(/-\d/);
});

test("without metrics the graph's events and rates remain, and after a failure what was seen before", () => {
  const first = looked(begun("http://m"), look(0, [tenant("acme", 10)]));
  const second = failed(looked(first, look(2, [tenant("acme", 14)])), "No response.");
  const screen = screenOf(second, { width: 80, height: 24 });
  expect(screen[1]).toBe("No response.");
  expect(screen[0]).toContain("as of 12:00:02 UTC");
  expect(screen.join("\n")).toMatch(/EVENTS {9}2\.0\/s {2}in flight 2\n.*--metrics/);
});

test.each([80, 90, 100, 110, 140])("on %i columns, neither a usual limit nor its state is cut", (width) => {
  const usual = tenant("acme", 5);
  const limit = { ...QUANTITY, meter: "llm_tokens", window: "BILLING_PERIOD", kind: "SOFT", limit: "10" } as const;
  const quotas = usual.quotas.map((quota) => ({ ...quota, used: "10", limit, state: "EXCEEDED" }) as const);
  const state = looked(begun("http://m"), look(0, [{ ...usual, quotas }]));
  expect(screenOf(state, { width, height: 24 }).join("\n")).toMatch(/llm_tokens per period, soft .* EXCEEDED$/m);
});

test.each([
  ["api_calls", "api_calls per calendar month, hard"],
  ["egress_gigabytes_of_the_european_region", "egress_gigabytes_o… per calendar month, hard"],
])(
  "on 80 columns a limit of %s has its window and kind, and its meter's name as far as there is room",
  (meter, shown) => {
    const limit = { ...QUANTITY, meter, window: "CALENDAR_MONTH", kind: "HARD", limit: "10" } as const;
    const quotas = tenant("acme", 5).quotas.map((quota) => ({ ...quota, limit }) as const);
    const state = looked(begun("http://m"), look(0, [{ ...tenant("acme", 5), quotas }]));
    expect(screenOf(state, { width: 80, height: 24 }).join("\n")).toContain(`  ${shown}  `);
  },
);

test("where an alert's threshold has no room, it is left out rather than cut", () => {
  const whole = { ...alert, kind: "EXCEEDED", meter: "llm_tokens", window: "BILLING_PERIOD", threshold: "1" } as const;
  const one = { ...whole, used: "20000000.25", limit: "20000000" };
  const lines = screenOf(alerted(looked(begun("http://m"), look(0, [tenant("acme", 5)])), one), {
    width: 80,
    height: 24,
  });
  expect(lines.at(-1)).toBe("  11:59:58  EXCEEDED  acme  llm_tokens per period: 20000000.25 of 20000000");
});

test("any screen fits its terminal, whatever its tenants are called", () => {
  const tenants = fc.array(
    fc.tuple(fc.string({ maxLength: 64 }), fc.nat({ max: 4 })).map(([id, limits]) => tenant(id, 5, limits)),
    { maxLength: MOST_TENANTS },
  );
  fc.assert(
    fc.property(tenants, fc.integer({ min: 20, max: 200 }), fc.integer({ min: 10, max: 60 }), (some, width, height) => {
      let state = looked(looked(begun("http://m"), look(0, some, metrics(1, 1))), look(2, some, metrics(9, 9)));
      for (let n = 0; n < 60; n += 1) state = alerted(state, alert);
      const lines = screenOf(state, { width, height });
      expect(lines.length).toBeLessThanOrEqual(height);
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
      expect(lines.join("")).not.toMatch(/\p{Cc}/u);
    }),
  );
});
