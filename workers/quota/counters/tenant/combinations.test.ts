import fc from "fast-check";
import { expect, test } from "vitest";
import { runs } from "../../../../tests/support/effort.js";
import { combinationId, NO_DIMENSIONS, type Scope, scopeOf, seriesOf } from "../../rules/scopes.js";
import type { CounterCharge, CounterWindow, LoadedUsage, Operation, TenantLoad } from "../counters.js";
import type { Fields } from "./storing.js";
import { createTenant, openTenant, type TenantState } from "./tenant.js";

const UNIT = 10n ** 12n;
const MINUTE = 60_000;
const START = Date.UTC(2026, 10, 24, 6);
const PERIOD: CounterWindow = { kind: "period", start: START - 1_000_000, end: START + 100_000_000 };
const HOUR: CounterWindow = { kind: "sliding", windowMs: 60 * MINUTE };
const SHORT: CounterWindow = { kind: "admission", windowMs: MINUTE };
const USERS = ["u1", "u2", "u3", "u4"] as const;
type User = (typeof USERS)[number];
const MODELS = ["large", "small"] as const;

const required = (scope: Scope | undefined): Scope => {
  if (scope === undefined) throw new Error("no scope");
  return scope;
};
const BY_USER = required(scopeOf({ by: ["user"] }));
const LARGE = required(scopeOf({ where: [{ dimension: "model", value: "large" }] }));
const LARGE_BY_USER = required(scopeOf({ by: ["user"], where: [{ dimension: "model", value: "large" }] }));

interface Limited {
  readonly scope?: Scope;
  readonly window: CounterWindow;
  readonly name: string;
  readonly limit: bigint;
}
const LIMITS: readonly Limited[] = [
  { window: PERIOD, name: "BILLING_PERIOD", limit: 40n },
  { window: PERIOD, name: "BILLING_PERIOD", limit: 12n, scope: BY_USER },
  { window: HOUR, name: "HOUR", limit: 10n, scope: LARGE },
  { window: HOUR, name: "HOUR", limit: 8n, scope: LARGE_BY_USER },
  { window: SHORT, name: "MINUTE", limit: 6n, scope: BY_USER },
];
const familyOf = ({ name, scope }: Limited): string => `calls|${name}${scope === undefined ? "" : `|${scope.id}`}`;
const FAMILIES = LIMITS.map(familyOf);

const isIn = ({ scope }: Limited, model: string): boolean =>
  scope === undefined || scope.where.length === 0 || model === "large";
const counterOf = (limit: Limited, user: User): string =>
  limit.scope === undefined || limit.scope.by.length === 0
    ? familyOf(limit)
    : `${familyOf(limit)}|${combinationId([user])}`;

interface Held {
  readonly user: User;
  readonly model: string;
  readonly amount: bigint;
  readonly at: number;
  readonly until: number;
}
interface Used extends Pick<Held, "user" | "model" | "amount"> {
  readonly at: number;
}

/** What counts, from lists of everything. */
function taken(limit: Limited, user: User, held: Iterable<Held>, used: readonly Used[], now: number): bigint {
  const isOwn = (one: Pick<Held, "user" | "model">): boolean =>
    isIn(limit, one.model) && (limit.scope === undefined || limit.scope.by.length === 0 || one.user === user);
  let sum = 0n;
  for (const one of held) {
    const isInside = limit.window.kind !== "admission" || one.at + limit.window.windowMs > now;
    if (isOwn(one) && one.until > now && isInside) sum += one.amount;
  }
  for (const one of used) {
    const isInside = limit.window.kind === "period" || one.at + limit.window.windowMs > now;
    if (isOwn(one) && isInside) sum += one.amount;
  }
  return sum;
}

const step = fc.record({
  kind: fc.constantFrom(
    "ask",
    "ask",
    "ask",
    "ask",
    "release",
    "settle",
    "unasked",
    "reopen",
    "repair",
    "idle" as const,
  ),
  user: fc.constantFrom(...USERS),
  model: fc.constantFrom(...MODELS),
  amount: fc.bigInt(1n, 5n),
  key: fc.nat({ max: 9 }),
  /** Reservations of before a limit by users know none. */
  isOlder: fc.boolean(),
  afterMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 40_000 })),
});

test("whatever is asked, settled, forgotten and loaded again, each combination counts what is its own", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 120, size: "max" }), (steps) => {
      const held = new Map<string, Held>();
      let used: Used[] = [];
      let now = START;
      let seq = 0;
      const stored = { head: new Map<string, string>(), reservations: new Map<string, string>() };
      const usageOf = (limit: Limited, user: User): LoadedUsage[] => {
        const own = used.filter(
          (one) =>
            isIn(limit, one.model) && (limit.scope === undefined || limit.scope.by.length === 0 || one.user === user),
        );
        if (limit.window.kind === "period")
          return [{ at: limit.window.start, used: own.reduce((sum, { amount }) => sum + amount * UNIT, 0n) }];
        return own.map(({ at, amount }) => ({ at, used: amount * UNIT })).sort((a, b) => a.at - b.at);
      };
      const scopes = [BY_USER, LARGE, LARGE_BY_USER].map((scope) => ({
        ...{ key: seriesOf("calls", scope), by: scope.by, where: scope.where, period: START, recorded: 0 },
      }));
      const load = (): TenantLoad => ({
        ...{ tenantId: "t", epoch: "e", seq, hasOwnClock: false, lost: [], scopes },
        counters: LIMITS.filter(({ scope }) => (scope?.by.length ?? 0) === 0).map((limit) => ({
          ...{ counter: familyOf(limit), window: limit.window, blockedUntil: 0, usage: usageOf(limit, "u1") },
        })),
      });
      let state: TenantState = createTenant(load(), now);
      put(stored, state.everything());
      state.stored();

      const chargesOf = (user: User, model: string, amount: bigint): CounterCharge[] =>
        LIMITS.filter((limit) => isIn(limit, model)).map((limit) => ({
          ...{ counter: counterOf(limit, user), meter: "calls", window: limit.window, amount: amount * UNIT },
          ...{ hardLimit: limit.limit * UNIT, laterLimits: [], bounded: false },
          ...(limit.scope && { scope: limit.scope }),
        }));
      function execute(operation: Operation) {
        for (let round = 0; round < 4; round += 1) {
          const outcome = state.execute(operation, now, { keys: 1_000, combinations: 100 });
          if (outcome.kind !== "unknown") return outcome;
          if (outcome.missing === undefined) {
            state.load(load());
            continue;
          }
          const counters = outcome.missing.flatMap((id) =>
            LIMITS.flatMap((limit) =>
              USERS.filter((user) => counterOf(limit, user) === id).map((user) => ({
                ...{ counter: id, window: limit.window, usage: usageOf(limit, user), recorded: false },
              })),
            ),
          );
          state.extend({ tenantId: "t", seq, scopes, counters });
        }
        throw new Error("still unknown");
      }

      for (const [n, { kind, user, model, amount, key, afterMs }] of steps.entries()) {
        now += afterMs;
        while (!state.advance(now, 1_000));
        for (const [name, { until }] of held) if (until <= now) held.delete(name);
        if (kind === "ask") {
          const name = `k${n}`;
          const fits = LIMITS.filter((limit) => isIn(limit, model)).every(
            (limit) => taken(limit, user, held.values(), used, now) + amount <= limit.limit,
          );
          const dimensions = new Map([
            ["user", user],
            ["model", model],
          ]);
          const charges = chargesOf(user, model, amount);
          const request = { key: name, content: `calls ${amount}`, ttlMs: 90_000, dimensions, charges };
          const outcome = execute({ kind: "consume", ...request });
          if (outcome.kind !== "decided") throw new Error(outcome.kind);
          expect(outcome.allowed, `step ${n}`).toBe(fits);
          if (fits) held.set(name, { user, model, amount, at: now, until: now + 90_000 });
        } else if (kind === "release" || kind === "settle") {
          const name = [...held.keys()][key % Math.max(1, held.size)];
          const one = name === undefined ? undefined : held.get(name);
          if (name === undefined || one === undefined) continue;
          held.delete(name);
          if (kind === "release") execute({ kind: "release", key: name });
          else settle(name, { ...one, at: one.at });
        } else if (kind === "unasked") settle(undefined, { user, model, amount: amount - 2n, at: now });
        else if (kind === "idle") {
          now += 11 * MINUTE;
          while (!state.advance(now, 1_000));
          for (const [name, { until }] of held) if (until <= now) held.delete(name);
          settle(undefined, { user, model, amount: 0n, at: now });
        } else if (kind === "repair") {
          seq += 1;
          state.repair(load());
        } else {
          // Another process takes over from what is stored.
          const changes = state.changes();
          if (changes !== undefined) put(stored, changes);
          state.stored();
          state = openTenant(stored.head, stored.reservations);
        }
        for (const one of USERS) {
          const charges = chargesOf(one, "large", 0n);
          const outcome = execute({
            ...{ kind: "check", key: "", content: "", ttlMs: 0, dimensions: NO_DIMENSIONS, charges },
          });
          if (outcome.kind !== "decided") throw new Error(outcome.kind);
          for (const [index, limit] of LIMITS.entries()) {
            const reading = outcome.readings[index];
            const found = (reading?.used ?? 0n) + (reading?.reserved ?? 0n);
            expect(`${n} ${familyOf(limit)} of ${one}: ${found}`).toBe(
              `${n} ${familyOf(limit)} of ${one}: ${taken(limit, one, held.values(), used, now) * UNIT}`,
            );
          }
        }
      }

      /** The database first, then the counters. */
      function settle(settledKey: string | undefined, one: Used): void {
        used = [...used, one];
        const own = LIMITS.filter((limit) => isIn(limit, one.model));
        const sliding = own.filter(({ window }) => window.kind !== "period");
        state.settle(
          {
            ...{ tenantId: "t", previousSeq: seq, seq: seq + 1, now, counted: FAMILIES },
            events: [
              {
                ...{ key: settledKey, meters: ["calls"] },
                charges: sliding.map((limit) => ({
                  ...{ counter: counterOf(limit, one.user), amount: one.amount * UNIT, at: one.at },
                })),
              },
            ],
            totals: own
              .filter(({ window }) => window.kind === "period")
              .map((limit) => ({
                counter: counterOf(limit, one.user),
                periodStart: START - 1_000_000,
                total: usageOf(limit, one.user)[0]?.used ?? 0n,
              })),
          },
          now,
        );
        seq += 1;
      }
    }),
    { numRuns: runs(40) },
  );
});

function put(
  stored: { readonly head: Map<string, string>; readonly reservations: Map<string, string> },
  { head, reservations }: { readonly head: Fields; readonly reservations: Fields },
): void {
  for (const [target, { set, removed }] of [
    [stored.head, head],
    [stored.reservations, reservations],
  ] as const) {
    for (const name of removed) target.delete(name);
    for (let index = 1; index < set.length; index += 2) target.set(set[index - 1] ?? "", set[index] ?? "");
  }
}

const RATE = { window: SHORT, name: "MINUTE", limit: 2n, scope: BY_USER };
const rateOf = (user: string): CounterCharge => ({
  ...{ counter: `|MINUTE|${BY_USER.id}|${combinationId([user])}`, meter: null, window: SHORT, amount: UNIT },
  ...{ hardLimit: RATE.limit * UNIT, laterLimits: [], bounded: false, scope: BY_USER },
});

test("a client that invents users is denied after as many as it may have, and they cost nothing after their window", () => {
  const scope = { key: seriesOf("", BY_USER), by: ["user"], where: [], period: START, recorded: 0 };
  const load = { tenantId: "t", epoch: "e", seq: 0, hasOwnClock: false, counters: [], scopes: [scope], lost: [] };
  const state = createTenant(load, START);
  const ask = (user: string, now: number) => {
    while (!state.advance(now, 10_000));
    const outcome = state.execute(
      {
        ...{ kind: "consume", key: `${user}-${now}`, content: "requests", ttlMs: 1_000 },
        ...{ dimensions: new Map([["user", user]]), charges: [rateOf(user)] },
      },
      now,
      { keys: 10_000, combinations: 500 },
    );
    if (outcome.kind !== "decided") throw new Error(outcome.kind);
    return outcome;
  };
  for (let n = 0; n < 500; n += 1) expect(ask(`invented ${n}`, START).allowed).toBe(true);
  for (let n = 500; n < 1_500; n += 1) expect(ask(`invented ${n}`, START).readings[0]?.full).toBe(true);
  expect(ask("invented 0", START + 1_500).allowed).toBe(true);
  const size = (): number => state.head().length;
  const most = size();
  for (let n = 0; n < 100; n += 1) expect(ask(`later ${n}`, START + 2 * MINUTE).allowed).toBe(true);
  expect(size()).toBeLessThan(most / 2);
});
