import { describe, expect, test } from "vitest";
import { combinationId, type Scope, scopeOf, seriesOf } from "../../rules/scopes.js";
import type { CounterCharge, CounterWindow } from "../counters.js";
import { createTenant, openTenant, type TenantState } from "./tenant.js";

const UNIT = 10n ** 12n;
const MINUTE = 60_000;
const START = Date.UTC(2026, 10, 24, 6);
const SHORT: CounterWindow = { kind: "admission", windowMs: MINUTE };

const required = (scope: Scope | undefined): Scope => {
  if (scope === undefined) throw new Error("no scope");
  return scope;
};
const BY_USER = required(scopeOf({ by: ["user"] }));
const SCOPE = { key: seriesOf("", BY_USER), by: ["user"], where: [], period: START, recorded: 0 };

const rateOf = (user: string, hardLimit: bigint | null): CounterCharge => ({
  ...{ counter: `|MINUTE|${BY_USER.id}|${combinationId([user])}`, meter: null, window: SHORT, amount: UNIT },
  ...{ hardLimit, laterLimits: [], bounded: false, scope: BY_USER },
});

describe("counters of requests", () => {
  const opened = (): TenantState =>
    createTenant(
      { tenantId: "t", epoch: "e", seq: 0, hasOwnClock: false, counters: [], scopes: [SCOPE], lost: [] },
      START,
    );
  let keys = 0;
  function ask(state: TenantState, user: string, now: number, hardLimit: bigint | null, combinations: number) {
    while (!state.advance(now, 10_000));
    keys += 1;
    const outcome = state.execute(
      {
        ...{ kind: "consume", key: `k${keys}`, content: "requests", ttlMs: 1_000 },
        ...{ dimensions: new Map([["user", user]]), charges: [rateOf(user, hardLimit)] },
      },
      now,
      { keys: 100_000, combinations },
    );
    if (outcome.kind !== "decided") throw new Error(outcome.kind);
    return outcome;
  }
  const fieldsOf = (state: TenantState): number => state.head().length / 2;

  test("a client that invents users under a soft limit is allowed, and costs no more than one that does not", () => {
    const state = opened();
    for (let n = 0; n < 1_000; n += 1) expect(ask(state, `u${n}`, START + n, null, 50).allowed).toBe(true);
    expect(fieldsOf(state)).toBeLessThan(150);
    expect(ask(state, "u0", START + 1_000, null, 50).readings[0]?.used).toBe(2n * UNIT);
  });

  test("users whose window has passed cost nothing while another goes on", () => {
    const state = opened();
    for (let n = 0; n < 500; n += 1) ask(state, `u${n}`, START, 5n * UNIT, 1_000);
    for (let n = 0; n < 200; n += 1) ask(state, "u0", START + 2 * MINUTE + n * MINUTE, 5n * UNIT, 1_000);
    expect(fieldsOf(state)).toBeLessThan(20);
  });

  test("after a loss a limit that comes later is blocked for its window, in each process", () => {
    const lostAt = START - 10_000;
    const load = { tenantId: "t", epoch: "e", seq: 0, hasOwnClock: false, counters: [], lost: [], lostBefore: lostAt };
    const whole = createTenant(load, START).everything();
    const state = openTenant(pairs(whole.head.set), []);
    const key = seriesOf("calls", BY_USER);
    const charge = {
      ...rateOf("u1", UNIT),
      counter: `calls|MINUTE|${BY_USER.id}|${combinationId(["u1"])}`,
      meter: "calls",
    };
    const request = {
      kind: "check",
      key: "",
      content: "calls 1",
      ttlMs: 0,
      charges: [charge],
    } as const;
    const most = { keys: 10, combinations: 10 };
    expect(state.execute(request, START, most)).toMatchObject({ kind: "unknown", isOfNewScope: true });
    state.load({ ...load, scopes: [{ ...SCOPE, key }] });
    expect(state.execute(request, START, most)).toEqual({ kind: "unknown", missing: [charge.counter] });
    state.extend({
      ...{ tenantId: "t", seq: 0, scopes: [{ ...SCOPE, key }] },
      counters: [{ counter: charge.counter, window: SHORT, usage: [] }],
    });
    const blockedUntil = lostAt + MINUTE;
    expect(state.execute(request, START, most)).toMatchObject({ allowed: false, readings: [{ blockedUntil }] });
    expect(state.execute(request, blockedUntil, most)).toMatchObject({ allowed: true });
  });

  test("a tenant that nobody asks about keeps none of them", () => {
    const state = opened();
    for (let n = 0; n < 120; n += 1) ask(state, `u${n}`, START, 5n * UNIT, 1_000);
    state.stored();
    expect(state.forgetIdle(START + 9 * MINUTE, 50)).toBe(false);
    expect(state.changes()).toBeUndefined();
    const left = [50, 50, 50].map((most) => state.forgetIdle(START + 10 * MINUTE, most));
    expect(left).toEqual([true, true, false]);
    expect(state.changes()?.head.removed).toHaveLength(240);
    expect(fieldsOf(state)).toBeLessThan(10);
  });
});

describe("combinations of a meter", () => {
  const KEY = seriesOf("calls", BY_USER);
  const FAMILY = `calls|DAY|${BY_USER.id}`;
  const DAY: CounterWindow = { kind: "sliding", windowMs: 1_440 * MINUTE };
  /** The second one begins before anything is idle. */
  const PERIODS = [START, START + 5 * MINUTE] as const;
  const MOST = 3;
  const counterOf = (user: string): string => `${FAMILY}|${combinationId([user])}`;

  /** A tenant with the database behind it. */
  function opened() {
    /** Users by the period in which usage of them was recorded. */
    const recorded = new Map<number, Set<string>>();
    const usersOf = (period: number): Set<string> => {
      const users = recorded.get(period) ?? new Set();
      recorded.set(period, users);
      return users;
    };
    let seq = 0;
    let keys = 0;
    const scopesIn = (period: number) => [
      { key: KEY, by: ["user"], where: [], period, recorded: usersOf(period).size },
    ];
    let state = createTenant(
      { tenantId: "t", epoch: "e", seq, hasOwnClock: false, counters: [], scopes: scopesIn(PERIODS[0]), lost: [] },
      START,
    );
    function ask(kind: "check" | "consume", user: string, period: number, on = state) {
      keys += 1;
      const key = `${user}-${keys}`;
      while (!on.advance(period, 10_000));
      for (;;) {
        const charge: CounterCharge = {
          ...{ counter: counterOf(user), meter: "calls", window: DAY, amount: UNIT, period, scope: BY_USER },
          ...{ hardLimit: 100n * UNIT, laterLimits: [], bounded: false },
        };
        const dimensions = new Map([["user", user]]);
        const request = { key, content: "calls 1", ttlMs: 1_000, dimensions, charges: [charge] };
        const outcome = on.execute({ kind, ...request }, period, { keys: 1_000, combinations: MOST });
        if (outcome.kind === "decided") return { key, allowed: outcome.allowed };
        if (outcome.kind !== "unknown") throw new Error(outcome.kind);
        on.extend({
          ...{ tenantId: "t", seq, scopes: scopesIn(period) },
          counters: (outcome.missing ?? []).map((counter) => ({
            ...{ counter, window: DAY, usage: [] },
            recorded: [...usersOf(period)].some((one) => counterOf(one) === counter),
          })),
        });
      }
    }
    return {
      ask,
      state: () => state,
      allows: (user: string, period: number = PERIODS[0]) => ask("check", user, period).allowed,
      use(user: string, period: number = PERIODS[0], key?: string): void {
        usersOf(period).add(user);
        seq += 1;
        state.settle(
          {
            ...{ tenantId: "t", previousSeq: seq - 1, seq, now: undefined, counted: [FAMILY], totals: [] },
            events: [{ key, meters: ["calls"], charges: [] }],
            recorded: [
              { key: KEY, period, recorded: usersOf(period).size, series: [`${KEY}|${combinationId([user])}`] },
            ],
          },
          period,
        );
      },
      reopen(): void {
        const whole = state.everything();
        state = openTenant(pairs(whole.head.set), pairs(whole.reservations.set));
      },
    };
  }

  test("those that were looked at before count once usage of them, or of others, is recorded", () => {
    const tenant = opened();
    for (const user of ["a", "b", "c", "d"]) expect(tenant.allows(user)).toBe(true);
    const { key } = tenant.ask("consume", "a", PERIODS[0]);
    tenant.use("a", PERIODS[0], key);
    tenant.use("b");
    expect(tenant.allows("d")).toBe(true);
    tenant.use("asked by nobody");
    for (const isReopened of [false, true]) {
      if (isReopened) tenant.reopen();
      expect([tenant.allows("a"), tenant.allows("b"), tenant.allows("d")]).toEqual([true, true, false]);
    }
  });

  test("each billing period has its own", () => {
    const tenant = opened();
    for (const user of ["a", "b", "c"]) {
      tenant.ask("check", user, PERIODS[0]);
      tenant.use(user);
    }
    expect(tenant.allows("d")).toBe(false);
    tenant.reopen();
    for (const user of ["d", "e"]) {
      expect(tenant.ask("consume", user, PERIODS[1]).allowed).toBe(true);
      tenant.use(user, PERIODS[1]);
    }
    // Late usage of the last period is none of this one.
    tenant.use("f", PERIODS[0]);
    expect(tenant.ask("consume", "a", PERIODS[1]).allowed).toBe(true);
    expect([tenant.allows("b", PERIODS[1]), tenant.allows("f", PERIODS[1])]).toEqual([false, false]);
    expect(["a", "d", "e"].map((user) => tenant.allows(user, PERIODS[1]))).toEqual([true, true, true]);
  });

  test("another process' copy of the counters counts the same", () => {
    const tenant = opened();
    for (const user of ["a", "b"]) {
      tenant.ask("check", user, PERIODS[0]);
      tenant.use(user);
    }
    const whole = tenant.state().everything();
    const copy = openTenant(pairs(whole.head.set), pairs(whole.reservations.set));
    tenant.state().stored();
    const follow = (): void => {
      const changes = tenant.state().changes();
      tenant.state().stored();
      if (changes === undefined) return;
      const removed = (names: readonly string[]) => names.map((name) => [name, null] as const);
      copy.applyHead([...pairs(changes.head.set), ...removed(changes.head.removed)]);
      for (const [key, packed] of [...pairs(changes.reservations.set), ...removed(changes.reservations.removed)])
        copy.applyReservation(key, packed);
    };
    // All of the last period is dropped there, and this period has as many as it may, reserved.
    for (const user of ["a", "b", "c"]) expect(tenant.ask("consume", user, PERIODS[1]).allowed).toBe(true);
    follow();
    expect(tenant.ask("consume", "d", PERIODS[1]).allowed).toBe(false);
    expect(tenant.ask("consume", "d", PERIODS[1], copy).allowed).toBe(false);
  });
});

function pairs(flat: readonly string[]): (readonly [string, string])[] {
  return Array.from({ length: flat.length / 2 }, (_, n) => [flat[2 * n] ?? "", flat[2 * n + 1] ?? ""] as const);
}
