import { expect, test } from "vitest";
import { DAY_MS } from "#kernel/duration.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { MAX_OVERRIDES, type OverrideTerms, withOverride } from "./quota-override.js";

const NOW = Date.UTC(2026, 10, 15);
const override = (until: number): OverrideTerms => ({
  ...{ meter: "calls", window: "DAY", limit: "1", reason: "a launch", until },
});

test("a tenant has at most 200 overrides; those that ended 40 days ago make room", () => {
  const full = (until: number) =>
    ({
      testClock: null,
      quotaOverrides: Array.from({ length: MAX_OVERRIDES }, () => ({ ...override(until), inVersion: 1 })),
    }) as unknown as TenantState;
  const more = (until: number) => withOverride(full(until), override(NOW + DAY_MS), NOW, 2);
  expect(() => more(NOW)).toThrow(expect.objectContaining({ code: "CONFLICT" }));
  expect(() => more(NOW - 40 * DAY_MS)).toThrow(expect.objectContaining({ code: "CONFLICT" }));
  expect(more(NOW - 40 * DAY_MS - 1)).toHaveLength(1);
});
