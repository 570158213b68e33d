import type { Database } from "#platform/database/database.js";
import { isPeriodWindow, WINDOW_MS } from "#schema/vocabulary.js";
import { isFamily, type LimitInForce } from "../rules/limits.js";
import { type Dimensions, seriesOf } from "../rules/scopes.js";
import { bucketStart, SUMMED_FROM } from "../rules/windows.js";
import { mostUsed } from "../store/combinations.js";
import type { LimitedTenant } from "./tenant-limits.js";

/** Combinations that are shown of each limit. */
const MOST_SHOWN = 200;

/**
 * The combinations of each limit with `by` that have recorded usage and these values, most used first: in a window that slides, by its
 * last two aligned windows, since its slices are a hundred for each. Where the values are those of one combination, that one, used or
 * not. Throws `DatabaseUnreachable`.
 */
export function createCombinationLists(database: Pick<Database, "pool">) {
  async function listOf(
    { tenant, now, inForce }: LimitedTenant,
    limit: LimitInForce,
    values: Dimensions,
  ): Promise<readonly (readonly string[])[]> {
    const { meter, window, bounds, counter } = limit;
    const { by } = counter.scope ?? { by: [] };
    const named = by.map((name) => values.get(name));
    const whole = named.flatMap((value) => value ?? []);
    if (whole.length === by.length) return [whole];
    if (meter === null || counter.scope === undefined || inForce === undefined) return [];
    const found = await mostUsed(
      database,
      {
        tenantId: tenant.id,
        scope: seriesOf(meter, counter.scope),
        // A window may have begun in the period before.
        periodsSince: inForce.period.start - 1,
        matches: named.flatMap((value, place) => (value === undefined ? [] : [{ place, value }])),
        grain: isPeriodWindow(window) ? SUMMED_FROM[window] : window,
        since: isPeriodWindow(window)
          ? (bounds?.start ?? now)
          : bucketStart(now - WINDOW_MS[window], WINDOW_MS[window]),
        until: bounds?.end ?? Number.MAX_SAFE_INTEGER / 2,
      },
      MOST_SHOWN,
    );
    return found.map((one) => one.values);
  }

  return async function combinations(
    limited: LimitedTenant,
    limits: readonly LimitInForce[],
    values: Dimensions,
  ): Promise<ReadonlyMap<LimitInForce, readonly (readonly string[])[]>> {
    const families = limits.filter((limit) => isFamily(limit.counter));
    const lists = await Promise.all(families.map((limit) => listOf(limited, limit, values)));
    return new Map(families.map((limit, index) => [limit, lists[index] ?? []]));
  };
}
