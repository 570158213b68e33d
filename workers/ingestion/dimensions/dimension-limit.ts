import { LRUCache } from "lru-cache";
import type { Transaction } from "#platform/database/database.js";
import type { DimensionScope, DimensionUse } from "../rules/event-reading.js";
import { readDimensionUses, readDimensionValues, saveDimensionValues } from "../store/dimensions.js";

export type DimensionLimit = ReturnType<typeof createDimensionLimit>;
/** The counted dimension values, as one transaction of a partition sees and extends them. */
export type CountedDimensions = Awaited<ReturnType<DimensionLimit["open"]>>;

/** How many values a scope may have. */
export type LimitOf = (scope: DimensionScope) => number;

interface Counted {
  readonly partition: number;
  /** How many there are. */
  readonly size: number;
  readonly values: ReadonlySet<string>;
  /** Whether `values` are all of them. */
  readonly isWhole: boolean;
  readonly isFull: boolean;
}

/** Total over all scopes; about 100 bytes each. */
const MAX_CACHED_VALUES = 250_000;
/** Scopes whose values are read whole for a transaction. Imports may have many more, of every period that there was. */
const MAX_WHOLE_SCOPES = 100;

/** Scopes that may have more values are not cached. */
const MAX_WHOLE_VALUES = 10_000;

/**
 * Caches counted dimension values, so that the database is queried once per scope. A partition's cache is valid only while its
 * cursor is where this process left it: another recorder may have added values.
 */
export function createDimensionLimit(limit: number | LimitOf, maxWholeScopes = MAX_WHOLE_SCOPES) {
  const limitOf: LimitOf = typeof limit === "number" ? () => limit : limit;
  const cache = new LRUCache<string, Counted>({
    maxSize: MAX_CACHED_VALUES,
    sizeCalculation: ({ values }) => values.size + 1,
  });
  const validAt = new Map<number, number>();

  function forget(partition: number): void {
    for (const [key, counted] of cache.entries()) if (counted.partition === partition) cache.delete(key);
  }

  return {
    limitOf,
    /**
     * In the transaction that holds the partition's cursor, which is at `next`. `usesOf`: those that it will ask for, when there are too many
     * scopes to read whole.
     */
    async open(
      tx: Transaction,
      partition: number,
      next: number,
      scopes: ReadonlyMap<string, DimensionScope>,
      usesOf: () => readonly DimensionUse[],
    ) {
      if (validAt.get(partition) !== next) forget(partition);
      const counted = new Map<string, Counted>();
      const missing: DimensionScope[] = [];
      for (const scope of scopes.values()) {
        const known = cache.get(scope.key);
        if (known === undefined) missing.push(scope);
        else counted.set(scope.key, known);
      }
      // Of a scope that may have very many, only what is asked for.
      const small = missing.filter((scope) => limitOf(scope) <= MAX_WHOLE_VALUES);
      const whole = small.slice(0, maxWholeScopes);
      for (const [key, values] of await readDimensionValues(tx, partition, whole))
        counted.set(key, { partition, size: values.size, values, isWhole: true, isFull: false });
      if (missing.length > whole.length) {
        const isWhole = new Set(whole);
        const rest = missing.filter((scope) => !isWhole.has(scope));
        const keys = new Set(rest.map(({ key }) => key));
        const uses = usesOf().filter(({ scope }) => keys.has(scope.key));
        for (const [key, read] of await readDimensionUses(tx, partition, rest, uses))
          counted.set(key, { partition, ...read, isWhole: false, isFull: false });
      }
      return countIn(partition, counted);
    },
  };

  function countIn(partition: number, counted: ReadonlyMap<string, Counted>) {
    const added = new Map<string, Set<string>>();
    const uses: DimensionUse[] = [];
    const full = new Map<string, DimensionScope>();
    const isCounted = ({ scope: { key }, value }: DimensionUse): boolean =>
      counted.get(key)?.values.has(value) === true || added.get(key)?.has(value) === true;
    const isFull = (scope: DimensionScope): boolean =>
      (counted.get(scope.key)?.size ?? 0) + (added.get(scope.key)?.size ?? 0) >= limitOf(scope);
    /** Counts an event's values regardless of the limit. */
    function count(fresh: readonly DimensionUse[]): void {
      for (const use of fresh) {
        if (isCounted(use)) continue;
        const values = added.get(use.scope.key) ?? new Set();
        added.set(use.scope.key, values.add(use.value));
        uses.push(use);
      }
    }
    return {
      /** Counts all of an event's values, or none and returns the scope that is full. */
      admit(asked: readonly DimensionUse[]): DimensionScope | undefined {
        const over = asked.find((use) => !isCounted(use) && isFull(use.scope));
        if (over === undefined) count(asked);
        else full.set(over.scope.key, over.scope);
        return over?.scope;
      },
      count,
      /** Scopes that refused a value here for the first time in this process. */
      newlyFull: () => [...full.values()].filter(({ key }) => counted.get(key)?.isFull === false),
      save: (tx: Transaction): Promise<void> => saveDimensionValues(tx, partition, uses),
      /** Only after the commit: the partition's cursor is at `next` now. */
      committed(next: number): void {
        for (const [key, before] of counted) {
          if (!before.isWhole) continue;
          const fresh = added.get(key);
          const values = fresh === undefined ? before.values : new Set([...before.values, ...fresh]);
          cache.set(key, {
            partition,
            size: values.size,
            values,
            isWhole: true,
            isFull: before.isFull || full.has(key),
          });
        }
        validAt.set(partition, next);
      },
    };
  }
}
