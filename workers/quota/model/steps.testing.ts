import fc from "fast-check";
import { type Exact, ONE } from "./amounts.testing.js";
import { ZONES } from "./calendar.testing.js";
import { type Limit, WINDOWS } from "./limits.testing.js";
import { type Money, PRICE_KINDS } from "./money.testing.js";

/** What stories are made of: tenants with plans, and steps that name tenants, keys and events by small numbers. */

const thousandths = (least: number, most: number) =>
  fc.integer({ min: least, max: most }).map((n) => (BigInt(n) * ONE) / 1000n);
const halves = (least: number, most: number) =>
  fc.integer({ min: least, max: most }).map((n) => (BigInt(n) * ONE) / 2n);
const finest = fc.constantFrom(1n, ONE / 10n, ONE / 3n, 123_456_789_012_345_678n * ONE);

const meter = fc.constantFrom("units", "units", "units", "units", "calls", "calls", "weight", "later");

const limitOf: fc.Arbitrary<Limit> = fc.record({
  meter: fc.oneof({ weight: 3, arbitrary: meter }, { weight: 1, arbitrary: fc.constant(null) }),
  window: fc.constantFrom(...WINDOWS, "HOUR", "DAY", "BILLING_PERIOD"),
  by: fc.constant(false),
  hard: fc.boolean().chain((soft) => fc.constantFrom(true, true, true, !soft)),
  limit: fc.oneof(
    { weight: 6, arbitrary: halves(1, 16) },
    { weight: 1, arbitrary: fc.constant(0n) },
    { weight: 2, arbitrary: thousandths(1, 4000) },
    { weight: 2, arbitrary: fc.constantFrom(100n * ONE, 1000n * ONE) },
  ),
  warnAt: fc.constantFrom([], ["0.8"], ["0.5", "0.8"], ["0.333333333333"]),
  warnAtAmounts: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.constantFrom([ONE], [ONE / 2n, 3n * ONE], [4n * ONE, 40n * ONE]) },
  ),
  warnEvery: fc.option(halves(1, 6), { freq: 1, nil: undefined }),
});

const isSame = (a: Limit, b: Limit): boolean => a.meter === b.meter && a.window === b.window;

const planOf = fc.uniqueArray(limitOf, {
  minLength: 1,
  maxLength: 5,
  selector: (one) => `${one.meter} ${one.window}`,
});

/** Of requests in short windows, and of meters; usage of before a meter does not count by users. */
const mayBeBy = ({ meter, window }: Limit): boolean =>
  meter === null ? window === "SECOND" || window === "MINUTE" : meter !== "later";

/**
 * The next plan has some of the limits with other values, and others; a window does not turn from soft to hard. Usage counts by users
 * from the assignment on: such limits are in both plans.
 */
const plansOf = fc
  .tuple(
    planOf,
    fc.array(fc.tuple(fc.boolean(), halves(0, 16), fc.boolean()), { minLength: 5, maxLength: 5 }),
    fc.array(limitOf, { maxLength: 2 }),
  )
  .map(([limits, changes, others]) => {
    const first = limits.map((limit, index) => {
      const [isKept, , isBy] = changes[index] ?? [true, limit.limit, false];
      return { ...limit, by: isKept && isBy && mayBeBy(limit) };
    });
    const kept = first.flatMap((limit, index) => {
      const [isKept, value] = changes[index] ?? [true, limit.limit];
      return isKept ? [{ ...limit, limit: value }] : [];
    });
    const own = others.filter((one, n) => ![...first, ...others.slice(0, n)].some((other) => isSame(one, other)));
    return { first, second: [...kept, ...own] };
  });

/** The same prices name the user in both plans: usage counts by it from the assignment on. */
const moneyOf: fc.Arbitrary<{ readonly first: Money; readonly second: Money } | undefined> = fc.option(
  fc
    .record({
      ...{ hard: fc.constantFrom(true, true, false), isByUser: fc.boolean(), rest: fc.nat({ max: PRICE_KINDS - 1 }) },
      limits: fc.tuple(halves(1, 30), halves(0, 30)),
      kinds: fc.array(fc.nat({ max: PRICE_KINDS - 1 }), { minLength: 4, maxLength: 4 }),
      warnAt: fc.constantFrom([], ["0.8"], ["0.25", "0.5"]),
    })
    .map(({ hard, isByUser, rest, limits, kinds, warnAt }) => {
      const [a = 0, b = 0, c = 0, d = 0] = kinds;
      const common = { hard, rest: isByUser ? rest : undefined, warnAt };
      return {
        first: { ...common, limit: limits[0], units: a, calls: b },
        second: { ...common, limit: limits[1], units: c, calls: d },
      };
    }),
  { nil: undefined, freq: 1 },
);

export const tenantOf = fc.record({
  plans: plansOf,
  money: moneyOf,
  anchorDay: fc.constantFrom(1, 1, 15, 28),
  /** Before the end of its first period. */
  beforeEndMs: fc.oneof(fc.integer({ min: 1, max: 7_200_000 }), fc.integer({ min: 1, max: 2_000_000_000 })),
  zone: fc.constantFrom(...ZONES),
  /** Whether the story begins before a change of the zone's clock, and how long. */
  change: fc.option(
    fc.record({ which: fc.constantFrom(1 as const, 2 as const), beforeMs: fc.integer({ min: 1, max: 100_000_000 }) }),
    { freq: 3 },
  ),
  clock: fc.constantFrom("own" as const, "own" as const, "world" as const),
});
export type TenantSpec = typeof tenantOf extends fc.Arbitrary<infer T> ? T : never;

const tenant = fc.nat({ max: 2 });
const key = fc.nat({ max: 7 });
const via = fc.nat({ max: 1 });
const askedAmount: fc.Arbitrary<{ readonly kind: "plain" | "rest" | "beyond"; readonly value: Exact }> = fc.oneof(
  { weight: 5, arbitrary: halves(1, 10).map((value) => ({ kind: "plain" as const, value })) },
  { weight: 2, arbitrary: thousandths(1, 3000).map((value) => ({ kind: "plain" as const, value })) },
  { weight: 1, arbitrary: finest.map((value) => ({ kind: "plain" as const, value })) },
  { weight: 3, arbitrary: fc.constant({ kind: "rest" as const, value: 0n }) },
  { weight: 2, arbitrary: fc.constantFrom(1n, ONE / 1000n).map((value) => ({ kind: "beyond" as const, value })) },
);

/** Mostly one that the tenant has a limit on. */
const askedMeter = fc.oneof(
  { weight: 6, arbitrary: fc.nat({ max: 4 }) },
  { weight: 1, arbitrary: meter },
  { weight: 1, arbitrary: fc.constant(null) },
);
export type AskedMeter = string | number | null;
const ttlSeconds = fc.oneof(
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 20 }) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 200 }) },
  { weight: 1, arbitrary: fc.constantFrom(3_600, 86_400) },
);

const ask = fc.record({
  kind: fc.constantFrom("consume" as const, "consume" as const, "consume" as const, "check" as const),
  meter: askedMeter,
  amount: askedAmount,
  /** Of further meters, together with it. */
  also: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    {
      weight: 2,
      arbitrary: fc.array(fc.record({ meter: askedMeter, amount: halves(0, 6) }), { minLength: 1, maxLength: 2 }),
    },
  ),
  key,
  ttlSeconds,
});
export type Ask = typeof ask extends fc.Arbitrary<infer T> ? T : never;
const release = fc.record({ kind: fc.constant("release" as const), key });
const item = fc.oneof({ weight: 4, arbitrary: ask }, { weight: 1, arbitrary: release });
export type Item = typeof item extends fc.Arbitrary<infer T> ? T : never;

const eventOf = fc.record({
  /** Of a reservation, or of nothing. */
  key: fc.option(key, { freq: 3 }),
  type: fc.constantFrom("units" as const, "units" as const, "calls" as const, "later" as const),
  amount: fc.oneof(
    { weight: 4, arbitrary: halves(0, 10) },
    { weight: 1, arbitrary: halves(-8, -1) },
    { weight: 2, arbitrary: thousandths(1, 1500) },
    { weight: 1, arbitrary: finest.filter((one) => one < ONE) },
  ),
  /** Own time before now; early ones are at most five minutes ahead. */
  ago: fc.oneof(
    { weight: 4, arbitrary: fc.constant(0) },
    { weight: 3, arbitrary: fc.integer({ min: -300_000, max: 4_000_000 }) },
    { weight: 2, arbitrary: fc.integer({ min: 0, max: 200_000_000 }) },
    { weight: 1, arbitrary: fc.constantFrom(1_000, 60_000, 3_600_000, 86_400_000, 59_999, 3_599_999) },
  ),
});
export type EventSpec = typeof eventOf extends fc.Arbitrary<infer T> ? T : never;

const waitOf = fc.oneof(
  { weight: 3, arbitrary: fc.record({ to: fc.constant("ms" as const), ms: fc.integer({ min: 1, max: 90_000 }) }) },
  { weight: 2, arbitrary: fc.record({ to: fc.constant("ms" as const), ms: fc.integer({ min: 1, max: 40_000_000 }) }) },
  /** The nearest moment at which something changes, or the one before it. */
  { weight: 4, arbitrary: fc.record({ to: fc.constant("change" as const), ms: fc.constantFrom(0, -1) }) },
  { weight: 1, arbitrary: fc.record({ to: fc.constant("period" as const), ms: fc.constantFrom(0, -1, 30_000) }) },
);
export type Wait = typeof waitOf extends fc.Arbitrary<infer T> ? T : never;

const of = <T extends string>(...kinds: T[]) => fc.record({ kind: fc.constantFrom(...kinds) });

export const stepOf = fc.oneof(
  { weight: 24, arbitrary: fc.record({ kind: fc.constant("ask" as const), tenant, via, ask }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("batch" as const),
      ...{ tenant, via },
      items: fc.array(item, { minLength: 2, maxLength: 6 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("burst" as const),
      ...{ tenant, meter: askedMeter },
      amounts: fc.array(halves(1, 6), { minLength: 2, maxLength: 8 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("release" as const), tenant, via, key }) },
  {
    weight: 7,
    arbitrary: fc.record({
      kind: fc.constant("record" as const),
      tenant,
      events: fc.array(eventOf, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("void" as const), tenant, event: fc.nat({ max: 20 }) }) },
  { weight: 2, arbitrary: of("meter", "meter", "backfill") },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("override" as const),
      ...{ tenant, limit: fc.nat({ max: 4 }), value: halves(0, 20) },
      forMs: fc.integer({ min: 1, max: 7_200_000 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom("endOverrides" as const, "plan" as const, "plan" as const), tenant }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("wait" as const), tenant, wait: waitOf }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("retry" as const), tenant }) },
  { weight: 1, arbitrary: of("restart") },
  { weight: 1, arbitrary: of("kill") },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("lose" as const), isCalm: fc.boolean() }) },
  { weight: 1, arbitrary: of("rest") },
  { weight: 1, arbitrary: of("refuse", "recover") },
  { weight: 1, arbitrary: of("second", "secondStops") },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("turn" as const, "killSettling" as const),
      tenant,
      events: fc.array(eventOf, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("expire" as const),
      tenant,
      limit: fc.nat({ max: 4 }),
      amount: halves(1, 6),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("settleLate" as const, "loseWhileLoading" as const),
      ...{ tenant, meter: askedMeter },
      amount: halves(1, 6),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("interruptStart" as const), statements: fc.nat({ max: 5 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("loseAtOnce" as const),
      ...{ tenant, meter: askedMeter },
      amounts: fc.array(halves(1, 6), { minLength: 4, maxLength: 12 }),
    }),
  },
);
export type Step = typeof stepOf extends fc.Arbitrary<infer T> ? T : never;
