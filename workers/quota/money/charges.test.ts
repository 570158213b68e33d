import fc from "fast-check";
import { expect, test } from "vitest";
import type { PlanVersionState, PriceState } from "#schema/events/tenancy-changed.v1.js";
import { createRating } from "#schema/rating/amounts.js";
import { runs } from "../../../tests/support/effort.js";
import type {
  CounterCharge,
  CounterWindow,
  LoadedScope,
  MoneyCharge,
  Operation,
  TenantLoad,
} from "../counters/counters.js";
import type { Fields } from "../counters/tenant/storing.js";
import { createTenant, openTenant, type TenantState } from "../counters/tenant/tenant.js";
import { counterId, lineKey } from "../rules/limits.js";
import { pricedUsageOf } from "../rules/money.js";
import { MONEY_SCOPE } from "../rules/scopes.js";

const UNIT = 10n ** 12n;
const CENT = UNIT / 100n;
const MINUTE = 60_000;
const START = Date.UTC(2026, 10, 24, 6);
const PERIOD: CounterWindow = { kind: "period", start: START - 1_000_000, end: START + 100_000_000 };
const TTL_MS = 90_000;

const price = (changes: Partial<PriceState>): PriceState => ({
  ...{ meter: "tokens", model: "PER_UNIT", included: "0", unitAmount: null, packageSize: null, ratePercent: null },
  ...{ tiers: [], divideBy: "1", roundUp: false, minimumAmount: null, maximumAmount: null, discountPercent: "0" },
  where: [],
  ...changes,
});
const PRICES: readonly PriceState[] = [
  price({
    ...{ model: "GRADUATED", where: [{ dimension: "model", value: "large" }] },
    tiers: [
      { upTo: "3", unitAmount: "0.1", flatAmount: "0.2" },
      { upTo: null, unitAmount: "1", flatAmount: "0" },
    ],
  }),
  price({
    ...{ model: "VOLUME", catchAll: true, minimumAmount: "0.1", maximumAmount: "4" },
    tiers: [
      { upTo: "5", unitAmount: "0.5", flatAmount: "0" },
      { upTo: "9", unitAmount: "0.3", flatAmount: "0" },
      { upTo: null, unitAmount: "0.2", flatAmount: "0" },
    ],
  }),
  price({
    meter: "calls",
    model: "PACKAGE",
    packageSize: "2",
    unitAmount: "0.15",
    included: "1",
    discountPercent: "10",
  }),
];
/** The same in cents, by hand: what whole quantities cost. */
const COSTS: readonly ((quantity: number) => number)[] = [
  (n) => 20 + (n <= 3 ? 10 * Math.max(0, n) : 30 + 100 * (n - 3)),
  (n) => Math.min(400, Math.max(10, Math.max(0, n) * (n <= 5 ? 50 : n <= 9 ? 30 : 20))),
  (n) => Math.round(Math.ceil(Math.max(0, n - 1) / 2) * 13.5),
];
const LIMIT = 700;

const VERSION: PlanVersionState = {
  ...{ version: 1, publishedAt: 0, publishedInVersion: 1, currency: "EUR", recurringFee: "9", minimumCommit: "99" },
  ...{ prices: [...PRICES], limits: [] },
};
const LINES = pricedUsageOf(VERSION).lines;
const COUNTERS = LINES.map((line) => counterId(lineKey(line)));
const KINDS = ["large", "small", "unknown", "calls"] as const;
type Kind = (typeof KINDS)[number];
/** The lines that usage of a kind may be charged on. A reservation without a model may be on either. */
const LINES_OF: Readonly<Record<Kind, readonly number[]>> = { large: [0], small: [1], unknown: [0, 1], calls: [2] };
const meterOf = (kind: Kind): string => (kind === "calls" ? "calls" : "tokens");

interface Held {
  readonly kind: Kind;
  readonly amount: number;
  readonly until: number;
}

const step = fc.record({
  action: fc.constantFrom("ask", "ask", "ask", "ask", "release", "settle", "settle", "unasked", "reopen", "repair"),
  kind: fc.constantFrom(...KINDS),
  amount: fc.integer({ min: 1, max: 6 }),
  pick: fc.nat({ max: 9 }),
  /** How much less than it reserved usage is. */
  less: fc.constantFrom(0, 0, 1, 2),
  afterMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 40_000 })),
});

/** The highest cost of all lines, each anywhere between what is used and that with what is reserved and asked for. */
function highest(used: readonly number[], held: Iterable<Held>, now: number, asked?: Pick<Held, "kind" | "amount">) {
  const more = [0, 0, 0];
  for (const { kind, amount, until } of held)
    if (until > now) for (const line of LINES_OF[kind]) more[line] = (more[line] ?? 0) + amount;
  if (asked !== undefined) for (const line of LINES_OF[asked.kind]) more[line] = (more[line] ?? 0) + asked.amount;
  return COSTS.reduce((sum, cost, line) => {
    const from = used[line] ?? 0;
    const between = Array.from({ length: (more[line] ?? 0) + 1 }, (_, n) => cost(from + n));
    return sum + Math.max(...between);
  }, 0);
}
const costOf = (used: readonly number[]): number => highest(used, [], 0);

const lines = (asked: Pick<Held, "kind" | "amount"> | undefined): MoneyCharge["lines"] =>
  LINES.map(({ meter, rating }, index) => ({
    ...{ counter: COUNTERS[index] ?? "", meter, rating },
    asked: asked !== undefined && LINES_OF[asked.kind].includes(index) ? BigInt(asked.amount) * UNIT : 0n,
  }));
const moneyOf = (asked?: Pick<Held, "kind" | "amount">): MoneyCharge => ({
  ...{ start: PERIOD.kind === "period" ? PERIOD.start : 0, end: START + 100_000_000, hardLimit: BigInt(LIMIT) * CENT },
  ...{ lines: lines(asked), later: [] },
});
const chargesOf = ({ kind, amount }: Pick<Held, "kind" | "amount">): CounterCharge[] =>
  LINES_OF[kind].map((index) => {
    const { meter, scope } = LINES[index] ?? { meter: "" };
    return {
      ...{ counter: COUNTERS[index] ?? "", meter, window: PERIOD, amount: BigInt(amount) * UNIT },
      ...{ hardLimit: null, laterLimits: [], bounded: false, ...(scope && { scope }) },
    };
  });
const dimensionsOf = (kind: Kind): ReadonlyMap<string, string> =>
  kind === "large" || kind === "small" ? new Map([["model", kind]]) : new Map();
const SCOPES: readonly LoadedScope[] = [
  { key: MONEY_SCOPE, by: [], where: [], period: START, recorded: 0 },
  ...LINES.flatMap(({ series, scope }) =>
    scope === undefined ? [] : [{ key: series, ...scope, period: START, recorded: 0 }],
  ),
];

test("whatever is asked, settled and lost from sight, money is what the lines cost, and admissions never overspend it", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 100, size: "max" }), (steps) => {
      const held = new Map<string, Held>();
      const used = [0, 0, 0];
      /** Whether all usage was asked for first. */
      let isAsked = true;
      let now = START;
      let seq = 0;
      const stored = { head: new Map<string, string>(), reservations: new Map<string, string>() };
      const totalOf = (index: number) => BigInt(used[index] ?? 0) * UNIT;
      const load = (): TenantLoad => ({
        ...{ tenantId: "t", epoch: "e", seq, hasOwnClock: false, lost: [], scopes: SCOPES },
        counters: COUNTERS.map((counter, index) => ({
          ...{ counter, window: PERIOD, blockedUntil: 0 },
          usage: [{ at: START - 1_000_000, used: totalOf(index) }],
        })),
      });
      let state: TenantState = createTenant(load(), now);
      put(stored, state.everything());
      state.stored();
      const execute = (operation: Operation) => {
        const outcome = state.execute(operation, now, { keys: 1_000, combinations: 100 });
        if (outcome.kind !== "decided") throw new Error(outcome.kind);
        return outcome;
      };
      const settle = (key: string | undefined, kind: Kind, amount: number): void => {
        const line = LINES_OF[kind][0] ?? 0;
        used[line] = (used[line] ?? 0) + amount;
        const totals = COUNTERS.map((counter, index) => ({
          ...{ counter, periodStart: START - 1_000_000, total: totalOf(index) },
        }));
        const events = [{ key, meters: [meterOf(kind)], charges: [] }];
        const request = { tenantId: "t", previousSeq: seq, seq: seq + 1, now, counted: COUNTERS, events, totals };
        expect(state.settle(request, now)).toBe("applied");
        seq += 1;
      };

      for (const [n, { action, kind, amount, pick, less, afterMs }] of steps.entries()) {
        now += afterMs;
        while (!state.advance(now, 1_000));
        for (const [name, { until }] of held) if (until <= now) held.delete(name);
        if (action === "ask") {
          const request = { kind, amount };
          const fits = highest(used, held.values(), now, request) <= LIMIT;
          const outcome = execute({
            ...{ kind: "consume", key: `k${n}`, content: `${kind} ${amount}`, ttlMs: TTL_MS },
            ...{ dimensions: dimensionsOf(kind), charges: chargesOf(request), money: moneyOf(request) },
          });
          expect(outcome.allowed, `step ${n}`).toBe(fits);
          if (fits) held.set(`k${n}`, { ...request, until: now + TTL_MS });
          else {
            const ends = [...new Set([...held.values()].map(({ until }) => until))].sort((a, b) => a - b);
            const retryAt = ends.find((end) => highest(used, held.values(), end, request) <= LIMIT) ?? null;
            expect(`${n} ${outcome.retryAt}`).toBe(`${n} ${retryAt}`);
            const owed = used.map((quantity) => Math.min(quantity, 0));
            const isTooLarge = [owed, used].every((one) => highest(one, [], now, request) > LIMIT);
            expect(outcome.money?.isTooLarge ?? false).toBe(isTooLarge);
          }
        } else if (action === "release" || action === "settle") {
          const name = [...held.keys()][pick % Math.max(1, held.size)];
          const one = name === undefined ? undefined : held.get(name);
          if (name === undefined || one === undefined) continue;
          held.delete(name);
          if (action === "settle") settle(name, one.kind, Math.max(0, one.amount - less));
          else state.execute({ kind: "release", key: name }, now, { keys: 1_000, combinations: 100 });
        } else if (action === "unasked") {
          // Seldom, so that most steps come before it.
          if (pick > 1) continue;
          isAsked = false;
          settle(undefined, kind, amount - 3);
        } else if (action === "repair") {
          seq += 1;
          state.repair(load());
        } else {
          const changes = state.changes();
          if (changes !== undefined) put(stored, changes);
          state.stored();
          state = openTenant(stored.head, stored.reservations);
        }
        const { money } = execute({
          ...{ kind: "check", key: "", content: "", ttlMs: 0, charges: [], money: moneyOf() },
        });
        expect(`${n} ${money?.used}`).toBe(`${n} ${BigInt(costOf(used)) * CENT}`);
        const taken = (money?.used ?? 0n) + (money?.reserved ?? 0n);
        expect(`${n} ${taken}`).toBe(`${n} ${BigInt(highest(used, held.values(), now)) * CENT}`);
        if (isAsked) expect(costOf(used), `step ${n}`).toBeLessThanOrEqual(LIMIT);
      }
    }),
    { numRuns: runs(60) },
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

test("what a loss may have hidden counts as reserved on every price of its meter, until it ends", () => {
  const until = START + 10 * MINUTE;
  const lost = [{ id: "m|tokens", bound: 3n * UNIT, until }];
  const load: TenantLoad = {
    ...{ tenantId: "t", epoch: "e", seq: 0, hasOwnClock: false, lost, scopes: SCOPES },
    counters: COUNTERS.map((counter) => ({ counter, window: PERIOD, blockedUntil: 0, usage: [] })),
  };
  const state = createTenant(load, START);
  const ask = (amount: number, limit: number, at: number) => {
    state.advance(at, 10);
    const request = { kind: "large", amount } as const;
    const money = { ...moneyOf(request), hardLimit: BigInt(limit) * CENT };
    const outcome = state.execute(
      {
        ...{ kind: "check", key: "", content: "", ttlMs: 0, dimensions: dimensionsOf("large") },
        ...{ charges: chargesOf(request), money },
      },
      at,
      { keys: 10, combinations: 10 },
    );
    if (outcome.kind !== "decided") throw new Error(outcome.kind);
    return outcome;
  };
  // Three lost on both lines of tokens: 0.5 and 1.5 of what costs 0.2 and 0.1 without.
  const first = ask(1, 250, START);
  expect(first).toMatchObject({ allowed: false, deniedByLoss: true, retryAt: until });
  expect(first.money).toMatchObject({ used: 30n * CENT, reserved: 170n * CENT, lost: 170n * CENT, asked: 100n * CENT });
  expect(ask(1, 39, START)).toMatchObject({ allowed: false, deniedByLoss: false, retryAt: null });
  expect(ask(1, 250, until)).toMatchObject({ allowed: true, money: { reserved: 0n, lost: 0n } });
});

test("a decision rates the lines that it asks for, and those that changed since the last one", () => {
  let rated = 0;
  const many = Array.from({ length: 100 }, (_, n) => ({
    ...{ counter: `m${n}|BILLING_PERIOD`, meter: `m${n}`, asked: n === 7 ? UNIT : 0n },
    rating: {
      highest(_: bigint, to: bigint) {
        rated += 1;
        return to / 100n;
      },
    },
  }));
  const load: TenantLoad = {
    ...{ tenantId: "t", epoch: "e", seq: 0, hasOwnClock: false, lost: [], scopes: SCOPES },
    counters: many.map(({ counter }) => ({
      ...{ counter, window: PERIOD, blockedUntil: 0, usage: [{ at: START - 1_000_000, used: UNIT }] },
    })),
  };
  const state = createTenant(load, START);
  const ask = () => {
    rated = 0;
    const charge = { counter: "m7|BILLING_PERIOD", meter: "m7", window: PERIOD, amount: UNIT, hardLimit: null };
    const outcome = state.execute(
      {
        ...{ kind: "consume", key: `k${state.seq()}`, content: "one", meter: "m7", ttlMs: TTL_MS },
        charges: [{ ...charge, laterLimits: [], bounded: false }],
        money: { ...moneyOf(), lines: many },
      },
      START,
      { keys: 10, combinations: 10 },
    );
    expect(outcome).toMatchObject({ allowed: true });
    return rated;
  };
  expect(ask()).toBeGreaterThanOrEqual(100);
  const totals = [{ counter: "m3|BILLING_PERIOD", periodStart: START - 1_000_000, total: 2n * UNIT }];
  const counted = many.map(({ counter }) => counter);
  state.settle({ tenantId: "t", previousSeq: 0, seq: 1, now: START, counted, events: [], totals }, START);
  expect(ask()).toBeLessThan(10);
});

test("with many reservations on two prices, a denied request fits when enough of them have ended", () => {
  const load: TenantLoad = {
    ...{ tenantId: "t", epoch: "e", seq: 0, hasOwnClock: false, scopes: SCOPES },
    lost: [{ id: "m|calls", bound: 2n * UNIT, until: START + 250_000 }],
    counters: COUNTERS.map((counter) => ({ counter, window: PERIOD, blockedUntil: 0, usage: [] })),
  };
  const state = createTenant(load, START);
  const ask = (key: string, of: Pick<Held, "kind" | "amount">, ttlMs: number, hardLimit: bigint | null) => {
    const outcome = state.execute(
      {
        ...{ kind: "consume", key, content: key, meter: meterOf(of.kind), ttlMs, dimensions: dimensionsOf(of.kind) },
        ...{ charges: chargesOf(of), money: { ...moneyOf(of), hardLimit } },
      },
      START,
      { keys: 1_000, combinations: 10 },
    );
    return outcome.kind === "decided" ? outcome.retryAt : outcome.kind;
  };
  const many: Held[] = Array.from({ length: 400 }, (_, n) => ({
    ...{ kind: n % 2 === 0 ? "large" : "calls", amount: 1, until: START + (n + 1) * 1_000 },
  }));
  for (const [n, one] of many.entries()) expect(ask(`k${n}`, one, one.until - START, null)).toBe(null);
  const asked = { kind: "large", amount: 3 } as const;
  const all = [...many, { kind: "calls", amount: 2, until: START + 250_000 } as const];
  for (const limit of [14_000, 9_000, 5_300, 2_000, 331, 330, 329]) {
    const ends = all.map(({ until }) => until).sort((a, b) => a - b);
    const fits = ends.find((end) => highest([0, 0, 0], all, end, asked) <= limit) ?? null;
    expect(`${limit} ${ask("wants", asked, 1_000, BigInt(limit) * CENT)}`).toBe(`${limit} ${fits}`);
  }
});

test("a request is too large only where it would not fit even if nothing were reserved", () => {
  const isTooLarge = (before: number, reserved: number, amount: number, limit: number) => {
    const usage = [{ at: START - 1_000_000, used: BigInt(before) * UNIT }];
    const load: TenantLoad = {
      ...{ tenantId: "t", epoch: "e", seq: 0, hasOwnClock: false, lost: [], scopes: SCOPES },
      counters: COUNTERS.map((counter, line) => ({
        ...{ counter, window: PERIOD, blockedUntil: 0, usage: line === 1 ? usage : [] },
      })),
    };
    const state = createTenant(load, START);
    const ask = (of: number, hardLimit: bigint | null) => {
      const request = { kind: "small", amount: of } as const;
      const outcome = state.execute(
        {
          ...{ kind: "consume", key: `k${of}`, content: `${of}`, meter: "tokens", ttlMs: TTL_MS },
          ...{ dimensions: dimensionsOf("small"), charges: chargesOf(request) },
          money: { ...moneyOf(request), hardLimit },
        },
        START,
        { keys: 10, combinations: 10 },
      );
      if (outcome.kind !== "decided") throw new Error(outcome.kind);
      return outcome;
    };
    if (reserved > 0) ask(reserved, null);
    const { allowed, money } = ask(amount, BigInt(limit) * CENT);
    return allowed ? "allowed" : money?.isTooLarge === true;
  };
  // Without any usage the other price costs 20. Five cost 250, six 180.
  expect(isTooLarge(0, 0, 6, 269)).toBe(true);
  expect(isTooLarge(-3, 0, 6, 179)).toBe("allowed");
  expect(isTooLarge(-3, 2, 6, 179)).toBe(false);
  expect(isTooLarge(6, 0, 3, 290)).toBe("allowed");
  expect(isTooLarge(6, 1, 3, 290)).toBe("allowed");
  // Of ten to thirteen, 200 to 260.
  expect(isTooLarge(10, 0, 2, 261)).toBe("allowed");
  expect(isTooLarge(10, 3, 2, 261)).toBe(false);
  expect(isTooLarge(10, 0, 6, 261)).toBe(true);
});

test("a request that is larger than the limit only in the dearest tier is not too large beyond it", () => {
  const tiers = [
    { upTo: "10", unitAmount: "4", flatAmount: "0" },
    { upTo: null, unitAmount: "1", flatAmount: "0" },
  ];
  const rating = createRating(price({ model: "VOLUME", tiers }), "EUR");
  const counter = "tokens|BILLING_PERIOD";
  const load: TenantLoad = {
    ...{ tenantId: "t", epoch: "e", seq: 0, hasOwnClock: false, lost: [], scopes: SCOPES },
    counters: [{ counter, window: PERIOD, blockedUntil: 0, usage: [{ at: START - 1_000_000, used: 20n * UNIT }] }],
  };
  const state = createTenant(load, START);
  const ask = (key: string, amount: bigint) => {
    const charge = { counter, meter: "tokens", window: PERIOD, amount: amount * UNIT, hardLimit: null };
    const line = { counter, meter: "tokens", asked: amount * UNIT, rating };
    const outcome = state.execute(
      {
        ...{ kind: "consume", key, content: key, meter: "tokens", ttlMs: TTL_MS },
        charges: [{ ...charge, laterLimits: [], bounded: false }],
        money: { ...moneyOf(), hardLimit: 35n * UNIT, lines: [line] },
      },
      START,
      { keys: 10, combinations: 10 },
    );
    if (outcome.kind !== "decided") throw new Error(outcome.kind);
    return [outcome.allowed, outcome.money?.isTooLarge === true];
  };
  expect(ask("a", 10n)).toEqual([true, false]);
  // Ten alone cost 40, but 32 cost 32: it fits once the first reservation ends.
  expect(ask("b", 12n)).toEqual([false, false]);
  expect(ask("c", 36n)).toEqual([false, true]);
});

test("a denied request fits when terms to come let it: another limit, another period or another price", () => {
  const load: TenantLoad = {
    ...{ tenantId: "t", epoch: "e", seq: 0, hasOwnClock: false, lost: [], scopes: SCOPES },
    counters: COUNTERS.map((counter) => ({
      ...{ counter, window: PERIOD, blockedUntil: 0, usage: [{ at: START - 1_000_000, used: 4n * UNIT }] },
    })),
  };
  const state = createTenant(load, START);
  const request = { kind: "large", amount: 2 } as const;
  const retryAt = (later: MoneyCharge["later"]) => {
    const outcome = state.execute(
      {
        ...{ kind: "check", key: "", content: "", ttlMs: 0, dimensions: dimensionsOf("large") },
        ...{ charges: chargesOf(request), money: { ...moneyOf(request), hardLimit: 100n * CENT, later } },
      },
      START,
      { keys: 10, combinations: 10 },
    );
    return outcome.kind === "decided" ? outcome.retryAt : outcome.kind;
  };
  const same = { start: START - 1_000_000, lines: lines(request) };
  expect(retryAt([])).toBe(null);
  expect(retryAt([{ ...same, at: START + 5, hardLimit: 150n * CENT }])).toBe(null);
  expect(
    retryAt([
      { ...same, at: START + 5, hardLimit: 150n * CENT },
      { ...same, at: START + 9, hardLimit: 1_000n * CENT },
    ]),
  ).toBe(START + 9);
  expect(retryAt([{ ...same, at: START + 7, hardLimit: null }])).toBe(START + 7);
  expect(retryAt([{ ...same, start: START + 7, at: START + 7, hardLimit: 100n * CENT }])).toBe(START + 7);
  expect(retryAt([{ at: START + 8, start: START - 1_000_000, lines: [], hardLimit: 0n }])).toBe(START + 8);
});
