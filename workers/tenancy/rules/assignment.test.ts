import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DAY_MS } from "#kernel/duration.js";
import { nextPeriod, periodAt } from "#kernel/period.js";
import type { PlanState, PlanVersionState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import { assignedPlan, runningPeriod } from "#schema/tenancy-history.js";
import { activeAssignments, cancelPending, planChange, runningPlan } from "./assignment.js";

const OCTOBER = Date.UTC(2026, 9, 1);
const NOVEMBER = Date.UTC(2026, 10, 1);
const DECEMBER = Date.UTC(2026, 11, 1);
const MID_NOVEMBER = Date.UTC(2026, 10, 15);

const tenant = (change: Partial<TenantState> = {}): TenantState => ({
  kind: "tenant",
  id: "acme",
  version: 1,
  name: "Acme",
  status: "ACTIVE",
  createdAt: OCTOBER,
  createdInVersion: 1,
  billingAnchorDay: 1,
  startsAt: OCTOBER,
  currency: null,
  testClock: null,
  graceDays: [{ days: 3, inVersion: 1 }],
  assignments: [],
  closedInVersion: null,
  ...change,
});
const versionOf = (currency = "EUR"): PlanVersionState => ({
  version: 1,
  publishedAt: OCTOBER,
  publishedInVersion: 1,
  currency,
  recurringFee: "0",
  minimumCommit: "0",
  prices: [],
  limits: [],
});
const plan = (id: string, currency = "EUR"): PlanState => ({
  kind: "plan",
  id,
  version: 1,
  name: id,
  archived: false,
  versions: [versionOf(currency)],
});

/** The tenant after a change of plan in its next version; the same when nothing changes. */
function changed(before: TenantState, planId: string, now: number): TenantState {
  const version = before.version + 1;
  const outcome = planChange(before, plan(planId), versionOf(), now, version);
  return outcome.kind === "changed"
    ? { ...before, version, currency: "EUR", assignments: [...outcome.assignments] }
    : before;
}

const effective = (state: TenantState) =>
  activeAssignments(state).map(({ planId, effectiveFrom, effectiveTo }) => [planId, effectiveFrom, effectiveTo]);

describe("a plan assignment", () => {
  test("the first one counts from the earliest period that is still open", () => {
    expect(effective(changed(tenant(), "pro", MID_NOVEMBER))).toEqual([["pro", NOVEMBER, null]]);
    expect(effective(changed(tenant(), "pro", NOVEMBER + 2 * DAY_MS))).toEqual([["pro", OCTOBER, null]]);
  });

  test("a first one is not promised for a period whose end may already be on its way", () => {
    const justBefore = changed(tenant(), "pro", NOVEMBER + 3 * DAY_MS - 1);
    expect(effective(justBefore)).toEqual([["pro", NOVEMBER, null]]);
    const onTestClock = changed(tenant({ testClock: NOVEMBER + 3 * DAY_MS - 1 }), "pro", DECEMBER);
    expect(effective(onTestClock)).toEqual([["pro", OCTOBER, null]]);
    const passed = changed(tenant({ testClock: NOVEMBER + 3 * DAY_MS }), "pro", DECEMBER);
    expect(effective(passed)).toEqual([["pro", NOVEMBER, null]]);
  });

  test("one given at creation counts from the first period, and so does one for imports soon after it", () => {
    const made = tenant({ createdAt: MID_NOVEMBER, createdInVersion: 2, version: 1 });
    expect(effective(changed(made, "pro", MID_NOVEMBER))).toEqual([["pro", OCTOBER, null]]);
    const importing = tenant({ createdAt: MID_NOVEMBER });
    expect(effective(changed(importing, "pro", MID_NOVEMBER + DAY_MS))).toEqual([["pro", OCTOBER, null]]);
    const late = changed(importing, "pro", MID_NOVEMBER + 3 * DAY_MS);
    expect(effective(late)).toEqual([["pro", NOVEMBER, null]]);
  });

  test("a later one counts from the next period and leaves the running one alone", () => {
    const after = changed(changed(tenant(), "pro", MID_NOVEMBER), "max", MID_NOVEMBER);
    expect(effective(after)).toEqual([
      ["pro", NOVEMBER, DECEMBER],
      ["max", DECEMBER, null],
    ]);
    expect(runningPlan(after, MID_NOVEMBER)?.planId).toBe("pro");
    expect(runningPlan(after, DECEMBER)?.planId).toBe("max");
  });

  test("a second change for the same period replaces the first", () => {
    const pending = changed(changed(tenant(), "pro", MID_NOVEMBER), "max", MID_NOVEMBER);
    expect(effective(changed(pending, "mini", MID_NOVEMBER + DAY_MS))).toEqual([
      ["pro", NOVEMBER, DECEMBER],
      ["mini", DECEMBER, null],
    ]);
  });

  test("repeating a pending change changes nothing", () => {
    const pending = changed(changed(tenant(), "pro", MID_NOVEMBER), "max", MID_NOVEMBER);
    expect(changed(pending, "max", MID_NOVEMBER + DAY_MS)).toBe(pending);
  });

  test("one of a tenant that begins later, or is being created on its own clock, counts from its first period", () => {
    const early = changed(tenant({ startsAt: DECEMBER }), "pro", OCTOBER + DAY_MS);
    expect(effective(changed(early, "max", OCTOBER + DAY_MS))).toEqual([["max", DECEMBER, null]]);
    const onTestClock = tenant({ testClock: MID_NOVEMBER, createdInVersion: 2 });
    expect(effective(changed(onTestClock, "pro", MID_NOVEMBER))).toEqual([["pro", OCTOBER, null]]);
    const created = tenant({ testClock: NOVEMBER + 3 * DAY_MS, createdAt: DECEMBER });
    expect(effective(changed(created, "pro", DECEMBER)), "whenever it was created").toEqual([["pro", NOVEMBER, null]]);
  });

  test("another version of the same plan is a change, the same version is none", () => {
    const before = changed(tenant(), "pro", MID_NOVEMBER);
    const pending = changed(before, "max", MID_NOVEMBER);
    expect(planChange(pending, plan("max"), versionOf(), MID_NOVEMBER, 9)).toEqual({ kind: "unchanged" });
    const next = planChange(before, plan("pro"), { ...versionOf(), version: 2 }, MID_NOVEMBER, 3);
    expect(next).toMatchObject({ kind: "changed", assignments: [{ planVersion: 1 }, { planVersion: 2 }] });
  });

  test("one made as the first period begins counts from the next", () => {
    const early = changed(tenant({ startsAt: DECEMBER }), "pro", MID_NOVEMBER);
    const inTime = changed(early, "max", DECEMBER - 1);
    expect(effective(inTime)).toEqual([["max", DECEMBER, null]]);
    expect(effective(changed(early, "max", DECEMBER)).map(([planId]) => planId)).toEqual(["pro", "max"]);
  });

  test("a pending change is cancelled once, and what has begun stays", () => {
    const pending = changed(changed(tenant(), "pro", MID_NOVEMBER), "max", MID_NOVEMBER);
    const assignments = [...(cancelPending(pending, MID_NOVEMBER, 9) ?? [])];
    expect(assignments.map(({ cancelledInVersion }) => cancelledInVersion)).toEqual([null, 9]);
    expect(cancelPending({ ...pending, assignments }, MID_NOVEMBER, 10)).toBeUndefined();
    expect(cancelPending(pending, DECEMBER, 9)).toBeUndefined();
    const again = changed({ ...pending, version: 9, assignments }, "mini", MID_NOVEMBER);
    expect(again.assignments.map(({ cancelledInVersion }) => cancelledInVersion)).toEqual([null, 9, null]);
    expect(cancelPending(again, MID_NOVEMBER, 11)?.map((one) => one.cancelledInVersion)).toEqual([null, 9, 11]);
  });

  test("a test tenant's change follows its own clock", () => {
    const test = changed(tenant({ testClock: OCTOBER + DAY_MS }), "pro", DECEMBER);
    expect(effective(changed(test, "max", DECEMBER)).at(-1)).toEqual(["max", NOVEMBER, null]);
  });

  test("a plan in another currency is refused for life", () => {
    const outcome = planChange(tenant({ currency: "USD" }), plan("pro"), versionOf("EUR"), MID_NOVEMBER, 2);
    expect(outcome).toEqual({ kind: "otherCurrency", currency: "USD" });
  });

  test("a tenant that has not begun changes its first period", () => {
    const early = changed(tenant({ startsAt: DECEMBER }), "pro", MID_NOVEMBER);
    expect(effective(changed(early, "max", MID_NOVEMBER))).toEqual([["max", DECEMBER, null]]);
    expect(cancelPending(early, MID_NOVEMBER, 9)).toBeUndefined();
  });
});

type Act = { readonly kind: "change"; readonly planId: string } | { readonly kind: "cancel" | "wait" };
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.constantFrom("a", "b", "c").map((planId) => ({ kind: "change" as const, planId })),
  fc.constantFrom("cancel" as const, "wait" as const).map((kind) => ({ kind })),
);

/** Every state that the acts lead through, with the moment of each. */
function history(acts: readonly Act[], anchor: number) {
  let state = tenant({ billingAnchorDay: anchor, startsAt: periodAt(OCTOBER, anchor).start });
  let now = MID_NOVEMBER;
  const states = [{ state, now }];
  for (const step of acts) {
    if (step.kind === "wait") now += 11 * DAY_MS;
    else if (step.kind === "change") state = changed(state, step.planId, now);
    else {
      const version = state.version + 1;
      const assignments = cancelPending(state, now, version);
      if (assignments !== undefined) state = { ...state, version, assignments: [...assignments] };
    }
    states.push({ state, now });
  }
  return states;
}

describe("whatever changes of plan are made,", () => {
  const acts = fc.array(act, { maxLength: 30 });
  const anchor = fc.integer({ min: 1, max: 28 });

  test("no period that has begun under a plan ever gets another", () => {
    fc.assert(
      fc.property(acts, anchor, (steps, day) => {
        const states = history(steps, day);
        const last = states.at(-1)?.state ?? tenant();
        for (const { state, now } of states) {
          const running = runningPlan(state, now);
          if (running === undefined) continue;
          expect(assignedPlan(last, runningPeriod(state, now).start, last.version)?.planId).toBe(running.planId);
        }
      }),
    );
  });

  test("a read at an older version returns the state of that version", () => {
    fc.assert(
      fc.property(acts, anchor, (steps, day) => {
        const states = history(steps, day);
        const last = states.at(-1)?.state ?? tenant();
        for (const { state } of states) {
          for (let period = periodAt(state.startsAt, day), i = 0; i < 12; i += 1, period = nextPeriod(period, day)) {
            const then = assignedPlan(state, period.start, state.version);
            expect(assignedPlan(last, period.start, state.version)?.planId).toBe(then?.planId);
          }
        }
      }),
    );
  });

  test("the active ones follow each other without gap or overlap and at most one is pending", () => {
    fc.assert(
      fc.property(acts, anchor, (steps, day) => {
        for (const { state, now } of history(steps, day)) {
          const active = activeAssignments(state);
          for (const [index, { effectiveFrom, effectiveTo }] of active.entries()) {
            expect(effectiveTo).toBe(active[index + 1]?.effectiveFrom ?? null);
            if (effectiveTo !== null) expect(effectiveTo).toBeGreaterThan(effectiveFrom);
          }
          const pending = active.filter((one) => one.effectiveFrom > runningPeriod(state, now).start);
          expect(pending.length).toBeLessThanOrEqual(1);
        }
      }),
    );
  });
});
