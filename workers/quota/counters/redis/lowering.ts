import type { LoweredBound } from "../counters.js";
import type { Step, Tenant } from "./replica.js";

export interface LoweringOptions {
  run<T>(tenantId: string, step: Step<T>): Promise<T>;
  /** When the tenant's bounds may be lowered, if that is known and not now. */
  lowersAgainAt(tenantId: string, now: number): number | undefined;
  /** Whether the tenant has a test clock, which only moves with its operations. */
  hasOwnClock(tenantId: string): boolean;
  /** Redis' clock; undefined: not known. */
  now(): number | undefined;
}

/** Looks for bounds that may be lowered, in the tenants that this process changes. */
export function createLowering({ run, lowersAgainAt, hasOwnClock, now }: LoweringOptions) {
  const news = new Set<string>();
  /** Tenants to look at when their next reservation ends. */
  const later = new Map<string, number>();

  async function lowerOne(tenantId: string): Promise<readonly LoweredBound[]> {
    const isOwn = hasOwnClock(tenantId);
    const known = isOwn ? undefined : lowersAgainAt(tenantId, now() ?? 0);
    if (known !== undefined) {
      if (known < Number.POSITIVE_INFINITY) later.set(tenantId, known);
      return [];
    }
    const { lowered, againAt } = await run(tenantId, { at: isOwn ? null : undefined, work: 1, run: lowerIn });
    const isNow = lowered.length > 0 || againAt <= (now() ?? 0);
    // Looked at again until the database has followed and nothing is admitted any more.
    if (isNow) news.add(tenantId);
    else if (againAt < Number.POSITIVE_INFINITY && !isOwn) later.set(tenantId, againAt);
    return lowered.map((bound) => ({ ...bound, tenantId }));
  }

  return {
    /** The tenant changed. */
    note: (tenantId: string): unknown => news.add(tenantId),
    /** Those of tenants that failed are lowered another time: that the database's are higher is safe. */
    async lower(most: number): Promise<readonly LoweredBound[]> {
      const time = now() ?? 0;
      for (const [tenantId, at] of later) if (at <= time && later.delete(tenantId)) news.add(tenantId);
      const some = [...news].slice(0, most);
      for (const tenantId of some) news.delete(tenantId);
      const settled = await Promise.allSettled(some.map(lowerOne));
      const lowered: LoweredBound[] = [];
      let failure: PromiseRejectedResult | undefined;
      for (const [index, one] of settled.entries()) {
        if (one.status === "fulfilled") lowered.push(...one.value);
        else {
          failure = one;
          news.add(some[index] ?? "");
        }
      }
      if (failure !== undefined && lowered.length === 0) throw failure.reason;
      return lowered;
    },
  };
}

function lowerIn(tenant: Tenant): { lowered: Omit<LoweredBound, "tenantId">[]; againAt: number } {
  const state = tenant.state();
  if (state === undefined) return { lowered: [], againAt: Number.POSITIVE_INFINITY };
  const lowered = state.lower(0).map((bound) => ({ ...bound, epoch: state.epoch() }));
  return { lowered, againAt: state.lowersAgainAt() };
}
