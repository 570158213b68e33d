import type { PriceState } from "#schema/events/tenancy-changed.v1.js";
import { type Exact, larger, ONE } from "./amounts.testing.js";

/** What usage costs, for the oracle: each kind of price once as published, and once by hand. Whole numbers of 10^-12. */
interface PriceKind {
  readonly published: Partial<PriceState> & Pick<PriceState, "model">;
  /** Unrounded, of a quantity that is not below zero: numerator and denominator. */
  cost(quantity: Exact): readonly [bigint, bigint];
  /** Where a dearer part ends, so that more may cost less. */
  readonly ends: readonly Exact[];
}

const tier = (upTo: string | null, unitAmount: string, flatAmount = "0") => ({ upTo, unitAmount, flatAmount });
const over = (n: bigint, d: bigint): bigint => (n <= 0n ? 0n : (n + d - 1n) / d);

const KINDS: readonly PriceKind[] = [
  {
    published: { model: "PER_UNIT", unitAmount: "0.3", divideBy: "3" },
    cost: (q) => [q, 10n],
    ends: [],
  },
  {
    published: { model: "GRADUATED", tiers: [tier("3", "1"), tier(null, "0.25", "0.3")] },
    cost: (q) => (q <= 3n * ONE ? [q, 1n] : [3n * ONE * 100n + (q - 3n * ONE) * 25n + 30n * ONE, 100n]),
    ends: [],
  },
  {
    published: { model: "VOLUME", tiers: [tier("2.5", "2"), tier("6", "1"), tier(null, "0.5")], maximumAmount: "40" },
    cost: (q) => {
      const doubled = q <= (5n * ONE) / 2n ? 4n * q : q <= 6n * ONE ? 2n * q : q;
      return [doubled > 80n * ONE ? 80n * ONE : doubled, 2n];
    },
    ends: [(5n * ONE) / 2n, 6n * ONE],
  },
  {
    published: { model: "PACKAGE", packageSize: "2", unitAmount: "0.75", included: "1", minimumAmount: "0.5" },
    cost: (q) => [larger(75n * over(q - ONE, 2n * ONE) * ONE, 50n * ONE), 100n],
    ends: [],
  },
  {
    published: { model: "PERCENTAGE", ratePercent: "12.5", discountPercent: "20" },
    cost: (q) => [q, 10n],
    ends: [],
  },
];
export const PRICE_KINDS = KINDS.length;

/** A plan's limit on what usage costs. */
export interface Money {
  readonly limit: Exact;
  readonly hard: boolean;
  /** The kinds of the prices of units and calls. */
  readonly units: number;
  readonly calls: number;
  /** Of what the price of units leaves, which is nothing, as it names the one user; undefined: it is for all. */
  readonly rest: number | undefined;
  readonly warnAt: readonly string[];
}

export interface Line {
  readonly meter: string;
  readonly kind: number;
  /** Whether usage is charged by it; but for what a loss may have hidden, nothing is charged by a price for the rest. */
  readonly isUsed: boolean;
}

export const linesOf = ({ units, calls, rest }: Money): readonly Line[] => [
  { meter: "units", kind: units, isUsed: true },
  { meter: "calls", kind: calls, isUsed: true },
  ...(rest === undefined ? [] : [{ meter: "units", kind: rest, isUsed: false }]),
];
export const isPriced = (meter: string | null): boolean => meter === "units" || meter === "calls";

const CENT = ONE / 100n;

/** Rounded half up to a hundredth. */
function lineCost(kind: PriceKind, quantity: Exact): Exact {
  const [n, d] = kind.cost(quantity < 0n ? 0n : quantity);
  return ((2n * n + CENT * d) / (2n * CENT * d)) * CENT;
}

/** The highest cost of any quantity from one to another. */
export function highestCost({ kind: index }: Line, from: Exact, to: Exact): Exact {
  const kind = kindOf(index);
  const ends = kind.ends.filter((end) => end >= from && end < to);
  return [...ends, to].map((quantity) => lineCost(kind, quantity)).reduce(larger);
}

export function pricesOf(money: Money, user: string): PriceState[] {
  return linesOf(money).map(({ meter, kind, isUsed }) => ({
    ...{ meter, included: "0", unitAmount: null, packageSize: null, ratePercent: null, tiers: [], divideBy: "1" },
    ...{ roundUp: false, minimumAmount: null, maximumAmount: null, discountPercent: "0" },
    where: meter === "units" && isUsed && money.rest !== undefined ? [{ dimension: "user", value: user }] : [],
    ...(!isUsed && { catchAll: true }),
    ...kindOf(kind).published,
  }));
}

function kindOf(index: number): PriceKind {
  const found = KINDS[index % KINDS.length];
  if (found === undefined) throw new RangeError(`no kind ${index}`);
  return found;
}
