import { Decimal } from "#kernel/decimal.js";
import { nextTurn } from "#platform/lifecycle/time.js";
import type { BoundNeed, QuotaCounters } from "../counters/counters.js";
import { type CounterKey, counterId, counterKey } from "../rules/limits.js";
import { fromUnits, unitsUp } from "../rules/scaling.js";
import type { QuotaStore, RaisedBound } from "../store/store.js";

/** Block size as a share of the limit: bounds both the cost of a loss and the rate of database writes. */
const BLOCK_SHARE = 0.02;
/** How long bounds outlast the requested expiry, so that not every reservation extends one. */
const LIFETIME_SLACK_MS = 600_000;

export interface BoundWant {
  readonly need: BoundNeed;
  readonly hardLimit: number;
}

export type Bounds = ReturnType<typeof createBounds>;

/** Group commit: requests of one tenant that arrive during a raise share the next one. */
export function createBounds(counters: QuotaCounters, store: QuotaStore) {
  const waiting = new Map<string, { readonly wants: BoundWant[]; readonly done: Promise<void> }>();
  const running = new Map<string, Promise<void>>();

  async function flush(tenantId: string, wants: readonly BoundWant[]): Promise<void> {
    const merged = mergeWants(wants);
    const raised = await store.raiseBounds(tenantId, rowsOf(merged));
    const grants = merged.flatMap(({ key, bucketStart }) => {
      const held = raised.find(
        (one) => one.meter === key.meter && one.window === key.window && one.bucketStart === bucketStart,
      );
      if (held === undefined) return [];
      return [{ counter: counterId(key), bucketStart, bound: unitsUp(held.bound, key.scale), until: held.expiresAt }];
    });
    await counters.grant(tenantId, grants);
  }

  return {
    /** Raises the bounds of usage known only to the counters, first in the database, then in the counters. */
    raise(tenantId: string, wants: readonly BoundWant[]): Promise<void> {
      const open = waiting.get(tenantId);
      if (open !== undefined) {
        open.wants.push(...wants);
        return open.done;
      }
      const mine = [...wants];
      const before = running.get(tenantId);
      const done = (async () => {
        // Its failure is reported to its requesters.
        await before?.catch(() => undefined);
        await new Promise<void>(nextTurn);
        waiting.delete(tenantId);
        await flush(tenantId, mine);
      })();
      waiting.set(tenantId, { wants: mine, done });
      running.set(tenantId, done);
      const forget = (): void => {
        if (running.get(tenantId) === done) running.delete(tenantId);
      };
      done.then(forget, forget);
      return done;
    },
  };
}

interface MergedWant {
  readonly key: CounterKey;
  readonly bucketStart: number;
  readonly bound: number;
  readonly until: number;
}

/** One bound per counter and bucket that covers all requests plus a block, but never more than the limit. */
export function mergeWants(wants: readonly BoundWant[]): readonly MergedWant[] {
  const groups = new Map<string, BoundWant[]>();
  for (const want of wants) {
    const id = `${want.need.counter} ${want.need.bucketStart}`;
    groups.set(id, [...(groups.get(id) ?? []), want]);
  }
  return [...groups.values()].flatMap((group) => {
    const first = group[0];
    if (first === undefined) return [];
    const { hardLimit, need } = first;
    const key = counterKey(need.counter);
    const exposure = Math.max(...group.map((want) => want.need.exposure));
    const amount = group.reduce((sum, want) => sum + want.need.amount, 0);
    const block = Math.max(1, Math.ceil(hardLimit * BLOCK_SHARE));
    const until = Math.max(...group.map((want) => want.need.until)) + LIFETIME_SLACK_MS;
    return [{ key, bucketStart: need.bucketStart, bound: Math.min(hardLimit, exposure + amount + block), until }];
  });
}

/**
 * Two scales of one meter and window share a row, and one statement can update a row only once: the higher bound covers both.
 */
function rowsOf(merged: readonly MergedWant[]): readonly RaisedBound[] {
  const rows = new Map<string, RaisedBound>();
  for (const { key, bucketStart, bound, until } of merged) {
    const id = `${key.meter ?? ""} ${key.window} ${bucketStart}`;
    const exact = fromUnits(bound, key.scale);
    const other = rows.get(id);
    rows.set(id, {
      meter: key.meter,
      window: key.window,
      bucketStart,
      bound: other === undefined ? exact : Decimal.max(other.bound, exact),
      expiresAt: Math.max(other?.expiresAt ?? 0, until),
    });
  }
  return [...rows.values()];
}
