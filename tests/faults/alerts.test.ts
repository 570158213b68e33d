import { expect, test } from "vitest";
import type { AcknowledgedEvent } from "../oracle/oracle.js";
import { type Alert, isAlerted, missingAlerts } from "./alerts.js";

const JANUARY = { startMs: Date.UTC(2026, 0), endMs: Date.UTC(2026, 1) };
const FEBRUARY = { startMs: JANUARY.endMs, endMs: Date.UTC(2026, 2) };
const used = (tokens: string, timeMs: number): AcknowledgedEvent => ({
  ...{ tenantId: "t", source: "s", id: tokens, type: "llm.completion", timeMs, data: { tokens } },
});
const crossing = {
  ...{ tenantId: "t", limit: "10", warnAt: ["0.5", "0.8"], periods: [FEBRUARY, JANUARY], wasDenied: false },
  meter: { key: "tokens", eventType: "llm.completion", aggregation: "SUM", valueProperty: "tokens" },
  events: [used("7.9", JANUARY.startMs), used("12", FEBRUARY.startMs)],
} as const;
const alert = (kind: string, threshold: string, startMs: number, meter: string | null = "tokens"): Alert => ({
  ...{ kind, meter, threshold, windowStart: new Date(startMs).toISOString() },
});
const ALL = [
  alert("WARNING", "0.5", JANUARY.startMs),
  alert("WARNING", "0.5", FEBRUARY.startMs),
  alert("WARNING", "0.80", FEBRUARY.startMs),
  alert("EXCEEDED", "1", FEBRUARY.startMs),
];

test("each alert that usage must have raised is missed when it was lost", () => {
  expect(missingAlerts(crossing, ALL)).toEqual([]);
  for (const lost of ALL)
    expect(
      missingAlerts(
        crossing,
        ALL.filter((one) => one !== lost),
      ),
    ).toHaveLength(1);
  expect(missingAlerts(crossing, [])).toEqual([
    "WARNING at 0.5 of 10 tokens from 2026-02-01, with 12 used",
    "WARNING at 0.8 of 10 tokens from 2026-02-01, with 12 used",
    "EXCEEDED at 1 of 10 tokens from 2026-02-01, with 12 used",
    "WARNING at 0.5 of 10 tokens from 2026-01-01, with 7.9 used",
  ]);
});

test("a denial must have been told", () => {
  const denied = { ...crossing, wasDenied: true };
  expect(missingAlerts(denied, ALL)).toEqual(["EXCEEDED of requests, after a denial"]);
  expect(missingAlerts(denied, [...ALL, alert("EXCEEDED", "1", FEBRUARY.startMs, null)])).toEqual([]);
});

test("a period that has been over for its own length raises no alerts", () => {
  expect(isAlerted(FEBRUARY, Date.UTC(2026, 2, 20))).toBe(true);
  expect(isAlerted(JANUARY, Date.UTC(2026, 2, 20))).toBe(false);
});
