import { describe, expect, test } from "vitest";
import type { CounterCharge, Decided, Operation } from "../counters.js";
import { createTenant, openTenant, type TenantState } from "./tenant.js";

const UNIT = 10n ** 12n;
const START = Date.UTC(2026, 10, 24, 6);
const most = (keys: number) => ({ keys, combinations: 100 });
const PERIOD = { kind: "period" as const, start: START, end: START + 10_000_000 };

const charge = (hardLimit: number, changed: Partial<CounterCharge> = {}): CounterCharge => ({
  counter: "calls|BILLING_PERIOD",
  meter: "calls",
  window: PERIOD,
  amount: UNIT,
  hardLimit: BigInt(hardLimit) * UNIT,
  laterLimits: [],
  bounded: false,
  ...changed,
});

function tenant(...charges: CounterCharge[]): TenantState {
  const counters = charges.map(({ counter, window }) => ({ counter, window, blockedUntil: 0, usage: [] }));
  return createTenant({ tenantId: "t", epoch: "e", seq: 0, counters, lost: [], hasOwnClock: false }, START);
}

const consume = (key: string, ...charges: CounterCharge[]): Operation => ({
  ...{ kind: "consume", key, content: `calls ${charges[0]?.amount}`, ttlMs: 60_000, charges },
});

function ask(state: TenantState, key: string, now: number, ...charges: CounterCharge[]): Decided {
  const outcome = state.execute(consume(key, ...charges), now, most(3));
  if (outcome.kind !== "decided") throw new Error(outcome.kind);
  return outcome;
}

function pairsOf(flat: readonly string[]): [string, string][] {
  return flat.flatMap((value, index): [string, string][] => (index % 2 === 1 ? [[flat[index - 1] ?? "", value]] : []));
}

describe("a tenant's counters", () => {
  test("a denial says when a later limit makes room, and that no waiting helps where none does", () => {
    const state = tenant(charge(1));
    ask(state, "a", START, charge(1));
    const later = [{ at: START + 30_000, hardLimit: 2n * UNIT }];
    expect(ask(state, "b", START, charge(1, { laterLimits: later })).retryAt).toBe(START + 30_000);
    expect(ask(state, "b", START, charge(1, { laterLimits: [{ at: START + 5, hardLimit: null }] })).retryAt).toBe(
      START + 5,
    );
    expect(ask(state, "b", START, charge(0)).retryAt, "a limit of nothing").toBeNull();
    expect(ask(state, "c", START, charge(1, { amount: 2n * UNIT })).retryAt, "more than the limit").toBeNull();
  });

  test("a release gives a request back to the day that it was counted in, whose gate's clock lags behind that of the counters", () => {
    const midnight = START + 10_000;
    const requests = (start: number) =>
      charge(10, { counter: "|CALENDAR_DAY", meter: null, window: { kind: "period", start, end: start + 86_400_000 } });
    const [before, after] = [requests(midnight - 86_400_000), requests(midnight)];
    let state = tenant(before);
    ask(state, "late", midnight + 20, before);
    ask(state, "b", midnight + 30, after);
    state = openTenant(pairsOf(state.head()), state.reservations());
    state.execute({ kind: "release", key: "late" }, midnight + 40, most(3));
    expect(ask(state, "c", midnight + 50, after).readings[0]?.used).toBe(2n * UNIT);
    expect(ask(state, "d", midnight + 50, before).readings[0]?.used).toBe(UNIT);
  });

  test("as many keys are alive as may be, settled ones too, and the next is refused with their number", () => {
    const state = tenant(charge(100));
    for (const key of ["a", "b", "c"]) ask(state, key, START, charge(100));
    expect(state.execute(consume("d", charge(100)), START, most(3))).toEqual({ kind: "full", most: 3 });
    expect(ask(state, "a", START, charge(100)).repeated, "a key that is alive is answered").toBe(true);
    expect(state.advance(START + 60_000, 10)).toBe(true);
    expect(ask(state, "d", START + 60_000, charge(100)).allowed).toBe(true);
  });

  test("due reservations end in slices", () => {
    const state = tenant(charge(100));
    for (let n = 0; n < 30; n += 1) state.execute(consume(`k${n}`, charge(100)), START, most(100));
    expect(state.advance(START + 60_000, 20)).toBe(false);
    expect(state.advance(START + 60_000, 20)).toBe(true);
    expect(ask(state, "x", START + 60_000, charge(100)).readings[0]?.reserved).toBe(UNIT);
  });

  test("all of it survives being packed", () => {
    const minute = charge(5, { counter: "calls|MINUTE", window: { kind: "admission", windowMs: 60_000 } });
    const state = tenant(charge(5), minute);
    ask(state, "a", START, charge(5), minute);
    const again = openTenant(pairsOf(state.head()), state.reservations());
    const next = (one: TenantState) => one.execute(consume("b", charge(5), minute), START + 1, most(3));
    expect(next(again)).toEqual(next(state));
  });

  test("changes that are taken back leave no trace", () => {
    const state = tenant(charge(5));
    ask(state, "a", START, charge(5));
    const head = state.head();
    state.stored();
    ask(state, "b", START, charge(5));
    state.execute({ kind: "release", key: "a" }, START, most(3));
    state.rollback();
    state.applyHead(pairsOf(head));
    expect(ask(state, "a", START, charge(5)).repeated).toBe(true);
    expect(ask(state, "c", START, charge(5)).readings[0]?.reserved).toBe(2n * UNIT);
  });

  test("a grant that was lowered meanwhile is refused", () => {
    const bounded = charge(100, { bounded: true });
    const state = tenant(bounded);
    const grant = (version: number, bound: number) =>
      state.grant("e", [{ id: "m|calls", bound: BigInt(bound) * UNIT, until: START + 600_000, version }]);
    grant(7, 50);
    ask(state, "a", START, bounded);
    state.lower(START);
    const [lowered] = state.lower(START);
    expect(lowered).toMatchObject({ id: "m|calls", bound: UNIT, version: 7 });
    grant(7, 50);
    expect(state.execute(consume("b", bounded), START, most(3)).kind).toBe("bounds");
    if (lowered !== undefined) state.lowered([{ ...lowered, nextVersion: 9 }]);
    grant(8, 50);
    expect(state.execute(consume("b", bounded), START, most(3)).kind, "a raise before the lowering").toBe("bounds");
    grant(10, 50);
    expect(ask(state, "b", START, bounded).allowed).toBe(true);
  });

  test("limits that go and come back find what was admitted meanwhile", () => {
    const minute = charge(1, { counter: "calls|MINUTE", window: { kind: "admission", windowMs: 60_000 } });
    const requests = charge(1, { counter: "|DAY", meter: null, window: { kind: "sliding", windowMs: 86_400_000 } });
    const state = tenant(minute, requests);
    ask(state, "a", START, minute, requests);
    state.settle({ tenantId: "t", previousSeq: 0, seq: 1, now: START, counted: [], events: [], totals: [] }, START);
    expect(state.execute(consume("b", minute), START, most(3)).kind).toBe("unknown");
    const counters = [{ counter: minute.counter, window: minute.window, blockedUntil: 0, usage: [] }];
    state.load({ tenantId: "t", epoch: "x", seq: 1, counters, lost: [], hasOwnClock: false });
    expect(ask(state, "b", START, minute).readings[0]?.reserved).toBe(UNIT);
    expect(ask(state, "b", START, requests).readings[0]?.used).toBe(UNIT);
    state.execute({ kind: "release", key: "a" }, START, most(3));
    expect(ask(state, "b", START, minute, requests).allowed).toBe(true);
  });

  test("takes no counter whose usage is of another position", () => {
    const state = tenant();
    state.settle({ tenantId: "t", previousSeq: 0, seq: 5, now: START, counted: [], events: [], totals: [] }, START);
    const counters = [{ counter: "calls|BILLING_PERIOD", window: PERIOD, blockedUntil: 0, usage: [] }];
    const load = { tenantId: "t", epoch: "x", counters, lost: [], hasOwnClock: false };
    for (const seq of [0, 9]) {
      state.load({ ...load, seq });
      expect(state.execute(consume("a", charge(5)), START, most(3)).kind).toBe("unknown");
    }
    state.load({ ...load, seq: 5 });
    expect(ask(state, "a", START, charge(5)).allowed).toBe(true);
  });

  test("is idle once nothing counts but what the database knows", () => {
    const state = tenant(charge(5));
    expect(state.isIdle()).toBe(true);
    ask(state, "a", START, charge(5));
    expect(state.isIdle()).toBe(false);
    state.execute({ kind: "release", key: "a" }, START, most(3));
    expect(state.isIdle()).toBe(true);
    state.grant("e", [{ id: "m|calls", bound: UNIT, until: START + 1_000, version: 1 }]);
    expect(state.isIdle(), "its bound can be lowered first").toBe(false);
    state.advance(START + 1_000, 1);
    expect(state.isIdle()).toBe(true);
    const requests = charge(5, { counter: "|BILLING_PERIOD", meter: null });
    const asking = tenant(requests);
    ask(asking, "a", START, requests);
    asking.advance(START + 60_000, 1);
    expect(asking.isIdle(), "requests of the period are known to nobody else").toBe(false);
  });
});
