import type { Clock } from "#kernel/clock.js";
import { newUuid } from "#platform/lifecycle/random.js";
import {
  type BoundNeed,
  type CounterCharge,
  type CounterReading,
  type DecideOutcome,
  type DecideRequest,
  type QuotaCounters,
  REMEMBERED_MS,
  REMEMBERED_TEXTS,
  type SettledEvent,
  type SettleOutcome,
  type SettleRequest,
  type TenantLoad,
} from "../counters.js";
import { type Counter, createCounter, type TenantCounters, tenantCounters } from "./state.js";

export interface MemoryQuotaCountersOptions {
  /** A monotonic clock: a jump of the other clock against it counts as a loss. */
  readonly steadyMs?: () => number;
}

const CLOCK_TOLERANCE_MS = 2_000;

/**
 * Counters in this process: each start is a loss, except after an orderly stop, when `save` and `restore` transfer the state. A
 * call completes within one turn of the event loop, which makes it atomic.
 */
export function createMemoryQuotaCounters(clock: Clock, options: MemoryQuotaCountersOptions = {}): QuotaCounters {
  let incarnation = { name: newUuid(), since: clock.now() };
  const tenants = new Map<string, TenantCounters>();
  const offset = (): number => (options.steadyMs === undefined ? 0 : clock.now() - options.steadyMs());
  let lastOffset = offset();
  const stored = new Map<string, readonly { readonly at: number; readonly text: string }[]>();

  /** Drops everything when the clock jumped (or the machine slept): windows would be wrong. */
  function watchClock(): void {
    const before = lastOffset;
    lastOffset = offset();
    if (Math.abs(lastOffset - before) <= CLOCK_TOLERANCE_MS) return;
    tenants.clear();
    incarnation = { name: newUuid(), since: clock.now() };
  }

  function decide(request: DecideRequest): DecideOutcome {
    watchClock();
    const state = tenants.get(request.tenantId);
    if (state === undefined) return { kind: "unknown" };
    const now = state.advance(request.now ?? clock.now());
    const involved = involve(state, request.charges, now);
    if (involved === undefined) return { kind: "unknown" };
    const existing = state.reservation(request.reservation);
    if (existing !== undefined && request.mode === "consume") {
      const readings = involved.map((one) => readAllowed(one, now));
      return { kind: "decided", allowed: true, repeated: true, now, expiresAt: existing.expiresAt, readings };
    }
    const before = involved.map((one) => read(one, now));
    const allowed = !before.some((reading) => reading.denies);
    if (!allowed || request.mode === "check") {
      return { kind: "decided", allowed, repeated: false, now, expiresAt: null, readings: before };
    }
    const expiresAt = now + request.ttlMs;
    const needs = involved.flatMap((one) => boundNeed(one, expiresAt));
    if (needs.length > 0) return { kind: "bounds", needs };
    for (const { charge, counter, start } of involved) {
      const bucket = counter.bucket(start);
      if (charge.settles) bucket.reserved += charge.amount;
      else bucket.used += charge.amount;
    }
    state.reserve(request.reservation, {
      expiresAt,
      open: true,
      charges: involved.map(({ charge, start }) => ({
        counter: charge.counter,
        bucketStart: start,
        amount: charge.amount,
        settles: charge.settles,
      })),
    });
    const readings = involved.map((one) => readAllowed(one, now));
    return { kind: "decided", allowed: true, repeated: false, now, expiresAt, readings };
  }

  function load(request: TenantLoad): void {
    if (request.incarnation !== incarnation.name) return;
    const state = tenants.get(request.tenantId) ?? tenantCounters(request.seq);
    tenants.set(request.tenantId, state);
    for (const loaded of request.counters) {
      if (state.counters.has(loaded.counter)) continue;
      const counter = createCounter(loaded.blockedUntil);
      state.counters.set(loaded.counter, counter);
      for (const { start, used, bound, boundUntil } of loaded.buckets) {
        const bucket = counter.bucket(start);
        bucket.used = used + (loaded.settles ? 0 : bound);
        bucket.bound = bound;
        bucket.boundUntil = boundUntil;
        if (!loaded.settles || bound === 0) continue;
        bucket.reserved = bound;
        state.reserve(`!lost|${loaded.counter}|${start}`, {
          expiresAt: boundUntil,
          open: true,
          charges: [{ counter: loaded.counter, bucketStart: start, amount: bound, settles: true }],
        });
      }
    }
  }

  function repair(request: TenantLoad): void {
    const state = tenants.get(request.tenantId);
    if (state === undefined || request.seq <= state.seq) return;
    state.seq = request.seq;
    for (const { counter: id, window, settles, buckets } of request.counters) {
      const counter = state.counters.get(id);
      if (counter === undefined || !settles) continue;
      for (const { start, used } of buckets) {
        const bucket = counter.bucket(start);
        bucket.used = window.kind === "period" ? used : Math.max(bucket.used, used);
      }
    }
  }

  function settle(request: SettleRequest): SettleOutcome {
    const state = tenants.get(request.tenantId);
    if (state === undefined) return "unknown";
    if (state.seq >= request.seq) return "applied";
    if (state.seq < request.previousSeq) return "behind";
    state.seq = request.seq;
    for (const id of state.counters.keys()) if (!request.inForce.includes(id)) state.counters.delete(id);
    for (const event of request.events) settleEvent(state, event);
    for (const { counter, bucketStart, total } of request.totals) {
      const known = state.counters.get(counter);
      if (known !== undefined) known.bucket(bucketStart).used = total;
    }
    return "applied";
  }

  return {
    incarnations: async (tenantIds) => tenantIds.map(() => incarnation),
    now: async () => clock.now(),
    decide: async (request) => decide(request),
    load: async (request) => load(request),
    repair: async (request) => repair(request),
    settle: async (request) => settle(request),
    async correct(tenantId, seq, totals) {
      const state = tenants.get(tenantId);
      if (state?.seq !== seq) return false;
      for (const { counter, bucketStart, total } of totals) {
        const known = state.counters.get(counter);
        if (known !== undefined) known.bucket(bucketStart).used = total;
      }
      return true;
    },
    async grant(tenantId, grants) {
      for (const { counter, bucketStart, bound, until } of grants) {
        const bucket = tenants.get(tenantId)?.counters.get(counter)?.bucket(bucketStart);
        if (bucket === undefined) continue;
        bucket.bound = Math.max(bucket.bound, bound);
        bucket.boundUntil = Math.max(bucket.boundUntil, until);
      }
    },
    async release(tenantId, reservation, now) {
      const state = tenants.get(tenantId);
      if (state === undefined) return false;
      state.advance(now ?? clock.now());
      return state.giveBack(reservation);
    },
    positions: async (ids) => ids.map((id) => tenants.get(id)?.seq),
    async remember(tenantId, texts) {
      const at = clock.now();
      const all = [...texts.map((text) => ({ at, text })).reverse(), ...(stored.get(tenantId) ?? [])];
      stored.set(tenantId, all.slice(0, REMEMBERED_TEXTS));
    },
    async recall(tenantId) {
      const since = clock.now() - REMEMBERED_MS;
      return (stored.get(tenantId) ?? []).filter(({ at }) => at > since).map(({ text }) => text);
    },
    save: () => ({
      incarnation: incarnation.name,
      tenants: new Map([...tenants].map(([id, state]) => [id, state.toJSON()])),
    }),
    restore(tenantId, saved) {
      if (!tenants.has(tenantId)) tenants.set(tenantId, tenantCounters(saved));
      return true;
    },
    stop: async () => tenants.clear(),
  };
}

interface Involved {
  readonly charge: CounterCharge;
  readonly counter: Counter;
  /** Start of the bucket that the charge would go to. */
  readonly start: number;
}

function involve(
  state: TenantCounters,
  charges: readonly CounterCharge[],
  now: number,
): readonly Involved[] | undefined {
  const involved: Involved[] = [];
  for (const charge of charges) {
    const counter = state.counters.get(charge.counter);
    if (counter === undefined) return undefined;
    const { window } = charge;
    counter.prune(window, now);
    const start = window.kind === "period" ? window.start : Math.floor(now / window.bucketMs) * window.bucketMs;
    involved.push({ charge, counter, start });
  }
  return involved;
}

function read({ charge, counter }: Involved, now: number): CounterReading {
  const { window, amount, hardLimit } = charge;
  const buckets = counter.inside(window);
  const used = buckets.reduce((sum, bucket) => sum + bucket.used, 0);
  const reserved = buckets.reduce((sum, bucket) => sum + bucket.reserved, 0);
  const over = hardLimit === null ? 0 : used + reserved + amount - hardLimit;
  const leavesAt = (start: number) =>
    window.kind === "period" ? window.end : start + window.bucketMs + window.windowMs;
  const counting = buckets.filter((bucket) => bucket.used + bucket.reserved !== 0);
  const last = counting.at(-1);
  const resetAt = window.kind === "period" ? window.end : last === undefined ? now : leavesAt(last.start);
  let freed = 0;
  const enough = counting.find((bucket) => {
    freed += bucket.used + bucket.reserved;
    return freed >= over;
  });
  const blocked = counter.blockedUntil > now;
  const denies = hardLimit !== null && (blocked || over > 0);
  const fitsAt = enough === undefined ? resetAt : leavesAt(enough.start);
  return {
    used,
    reserved,
    blockedUntil: blocked ? counter.blockedUntil : 0,
    resetAt,
    retryAt: denies ? (blocked ? counter.blockedUntil : fitsAt) : resetAt,
    denies,
  };
}

function readAllowed(one: Involved, now: number): CounterReading {
  const reading = read(one, now);
  return { ...reading, denies: false, retryAt: reading.resetAt };
}

function boundNeed({ charge, counter, start }: Involved, until: number): readonly BoundNeed[] {
  if (!charge.bounded) return [];
  const bucket = counter.bucket(start);
  const exposure = charge.settles ? bucket.reserved : bucket.used;
  const covered = exposure + charge.amount <= bucket.bound && (!charge.settles || until <= bucket.boundUntil);
  return covered ? [] : [{ counter: charge.counter, bucketStart: start, exposure, amount: charge.amount, until }];
}

/** A reservation counts with its actual amount in the bucket of its admission, other usage in that of its arrival. */
function settleEvent(state: TenantCounters, event: SettledEvent): void {
  for (const { reservation, charges } of event.meters) {
    const admitted = state.close(reservation);
    for (const { counter, amount, bucketStart } of charges) {
      const at = admitted?.charges.find((charge) => charge.counter === counter)?.bucketStart ?? bucketStart;
      const known = state.counters.get(counter);
      if (known !== undefined) known.bucket(at).used += amount;
    }
  }
}
