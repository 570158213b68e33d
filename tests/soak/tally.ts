import { amount, plain } from "../oracle/amounts.js";

/** An event as the bulk load sends it; its values are what all aggregations read. */
export interface BulkEvent {
  readonly timeMs: number;
  /** Plain decimal text. */
  readonly n: string;
  readonly user: string;
  readonly model: string;
}

/** What each aggregation must show of some events; of bounded size, however many there are. */
export interface Tally {
  /** Each event once; no two with the same time. */
  add(event: BulkEvent): void;
  readonly count: () => number;
  /** Quantities by meter, as plain decimal text; the names are those of `metersOf`. */
  quantities(): Readonly<Record<string, string>>;
  /** Those of the meters with the dimension, by its value. */
  byModel(): Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export function createTally(name: string): Tally {
  let [count, sum] = [0, 0n];
  let peak: bigint | undefined;
  let last: { readonly timeMs: number; readonly n: bigint } | undefined;
  const users = new Set<string>();
  const models = new Map<string, { count: number; sum: bigint }>();
  const counted = (of: { readonly count: number; readonly sum: bigint }) => ({
    [`${name}_calls`]: String(of.count),
    [`${name}_sum`]: plain(of.sum),
  });
  return {
    count: () => count,
    add({ timeMs, n, user, model }) {
      const value = amount(n);
      count += 1;
      sum += value;
      if (peak === undefined || value > peak) peak = value;
      if (last === undefined || timeMs > last.timeMs) last = { timeMs, n: value };
      users.add(user);
      const one = models.get(model) ?? { count: 0, sum: 0n };
      models.set(model, { count: one.count + 1, sum: one.sum + value });
    },
    quantities: () => ({
      ...counted({ count, sum }),
      [`${name}_peak`]: plain(peak ?? 0n),
      [`${name}_users`]: String(users.size),
      [`${name}_last`]: plain(last?.n ?? 0n),
    }),
    byModel: () => Object.fromEntries([...models].map(([model, of]) => [model, counted(of)])),
  };
}
