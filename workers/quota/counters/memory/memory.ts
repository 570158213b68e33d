import type { Clock } from "#kernel/clock.js";
import { MINUTE_MS } from "#kernel/duration.js";
import { newUuid } from "#platform/lifecycle/random.js";
import { monotonicMs, nextTurn } from "#platform/lifecycle/time.js";
import {
  type LoweredBound,
  MOST_COMBINATIONS,
  type Observed,
  type Operation,
  type Outcome,
  type QuotaCounters,
  type SavedPart,
} from "../counters.js";
import { createTenant, type TenantState } from "../tenant/tenant.js";
import { opening, partsOf } from "./saved.js";
import { createTexts, TEXTS_PART } from "./texts.js";

export interface MemoryQuotaCountersOptions {
  /** A monotonic clock: a jump of the other clock against it counts as a loss. */
  readonly steadyMs?: () => number;
  /** Keys that a tenant may have alive. */
  readonly maxKeys: number;
  /** Combinations of one limit that a tenant may have. */
  readonly maxCombinations?: number;
}

/** In the place of a tenant's id, before all of them: when the life began that an orderly restart goes on with. */
const LIFE = "";

const CLOCK_TOLERANCE_MS = 2_000;
/** Reservations that end, and operations, in one turn of the event loop. */
const ENDED_PER_TURN = 1_000;
const OPERATIONS_PER_TURN = 200;
/** Work in one turn of the event loop, so that nobody waits long for another tenant's. */
const TURN_MS = 10;
/** A tenant that nobody asked about for so long, and of which nothing but the database's usage counts, is forgotten. */
const IDLE_MS = 10 * MINUTE_MS;
const LOOKED_AT_PER_TURN = 200;

/**
 * Counters in this process: each start is a loss, except after an orderly stop, when `save` and `restore` transfer the state.
 */
export function createMemoryQuotaCounters(clock: Clock, options: MemoryQuotaCountersOptions): QuotaCounters {
  const most = { keys: options.maxKeys, combinations: options.maxCombinations ?? MOST_COMBINATIONS };
  let since = clock.now();
  /** Tenants whose saved state could not be read: their life began with this process. */
  const unreadable = new Map<string, number>();
  const tenants = new Map<string, TenantState>();
  /** Tenants to look at for bounds that may be lowered. */
  const news = new Set<string>();
  /** Names the absence of tenants that are about to be loaded. */
  const absences = new Map<string, string>();
  const usedAt = new Map<string, number>();
  let sweeping = usedAt.entries();
  /** And those to look at when their next reservation ends. */
  const newsAt = new Map<string, number>();
  const offset = (): number => (options.steadyMs === undefined ? 0 : clock.now() - options.steadyMs());
  let lastOffset = offset();
  const texts = createTexts(clock);

  /** Drops everything when the clock jumped (or the machine slept): windows would be wrong. */
  function watchClock(): void {
    const before = lastOffset;
    lastOffset = offset();
    if (Math.abs(lastOffset - before) <= CLOCK_TOLERANCE_MS) return;
    tenants.clear();
    absences.clear();
    since = clock.now();
  }

  const tokenOf = (tenantId: string): string | undefined => tenants.get(tenantId)?.epoch() ?? absences.get(tenantId);

  function observed(tenantId: string): Observed {
    const token = tokenOf(tenantId) ?? newUuid();
    if (!tenants.has(tenantId)) absences.set(tenantId, token);
    return { since: Math.max(since, unreadable.get(tenantId) ?? 0), token };
  }

  function touch(tenantId: string): void {
    news.add(tenantId);
    usedAt.set(tenantId, monotonicMs());
  }

  /** Looks at some tenants in turn, and forgets those that are idle: they are built from the database when they come back. */
  function forgetIdle(): void {
    const before = monotonicMs() - IDLE_MS;
    for (let looked = 0; looked < LOOKED_AT_PER_TURN; looked += 1) {
      const { value, done } = sweeping.next();
      if (done === true) {
        sweeping = usedAt.entries();
        return;
      }
      const [tenantId, at] = value;
      if (at > before) continue;
      const state = tenants.get(tenantId);
      if (state?.hasOwnClock() === false) state.advance(clock.now(), ENDED_PER_TURN);
      if (state?.isIdle() === false) continue;
      tenants.delete(tenantId);
      usedAt.delete(tenantId);
    }
  }

  const untilNextTurn = () => new Promise<void>(nextTurn);

  /** The tenant with nothing due; undefined: it is not loaded. */
  async function ready(tenantId: string, now: number | undefined): Promise<TenantState | undefined> {
    for (;;) {
      watchClock();
      const state = tenants.get(tenantId);
      if (state === undefined || state.advance(now ?? clock.now(), ENDED_PER_TURN)) return state;
      await untilNextTurn();
    }
  }

  async function execute(
    tenantId: string,
    operations: readonly Operation[],
    now: number | undefined,
  ): Promise<readonly Outcome[]> {
    const [only] = operations;
    if (operations.length !== 1 || only === undefined) return executeMany(tenantId, operations, now);
    watchClock();
    const state = tenants.get(tenantId);
    const at = now ?? clock.now();
    if (state?.advance(at, ENDED_PER_TURN) !== true) return executeMany(tenantId, operations, now);
    touch(tenantId);
    return [state.execute(only, at, most)];
  }

  async function executeMany(
    tenantId: string,
    operations: readonly Operation[],
    now: number | undefined,
  ): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = [];
    while (outcomes.length < operations.length) {
      const state = await ready(tenantId, now);
      if (state === undefined) return [...outcomes, { kind: "unknown" }];
      touch(tenantId);
      const turnEnds = monotonicMs() + TURN_MS;
      const end = Math.min(operations.length, outcomes.length + OPERATIONS_PER_TURN);
      for (const operation of operations.slice(outcomes.length, end)) {
        const outcome = state.execute(operation, now ?? clock.now(), most);
        outcomes.push(outcome);
        if (outcome.kind === "unknown" || outcome.kind === "bounds" || monotonicMs() > turnEnds) break;
      }
      const last = outcomes.at(-1);
      if (last?.kind === "unknown" || last?.kind === "bounds") break;
      if (outcomes.length < operations.length) await untilNextTurn();
    }
    return outcomes;
  }

  /** Changes a tenant that is loaded. */
  function changed<T>(tenantId: string, change: (state: TenantState) => T): T | undefined {
    const state = tenants.get(tenantId);
    if (state === undefined) return undefined;
    touch(tenantId);
    return change(state);
  }

  async function openedInTurns(parts: readonly SavedPart[]): Promise<TenantState> {
    const steps = opening(parts);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      await untilNextTurn();
    }
  }

  async function lower(most: number): Promise<readonly LoweredBound[]> {
    const lowered: LoweredBound[] = [];
    const now = clock.now();
    for (const [tenantId, at] of newsAt) if (at <= now && newsAt.delete(tenantId)) news.add(tenantId);
    let turnEnds = monotonicMs() + TURN_MS;
    for (const tenantId of [...news].slice(0, most)) {
      if (monotonicMs() > turnEnds) {
        await untilNextTurn();
        turnEnds = monotonicMs() + TURN_MS;
      }
      news.delete(tenantId);
      const state = tenants.get(tenantId);
      if (state === undefined) continue;
      const hasOwnClock = state.hasOwnClock();
      if (!hasOwnClock) state.advance(now, ENDED_PER_TURN);
      const bounds = state.lower(0);
      for (const bound of bounds) lowered.push({ ...bound, tenantId, epoch: state.epoch() });
      // Looked at again until the database has followed and nothing is admitted any more.
      const again = state.lowersAgainAt();
      if (bounds.length > 0 || again <= now) news.add(tenantId);
      else if (again < Number.POSITIVE_INFINITY && !hasOwnClock) newsAt.set(tenantId, again);
    }
    return lowered;
  }

  return {
    now: async () => clock.now(),
    nowOf: clock.now,
    execute,
    async observe(tenantIds) {
      watchClock();
      return tenantIds.map(observed);
    },
    async load(load, token) {
      const { tenantId } = load;
      watchClock();
      if (tokenOf(tenantId) !== token) return;
      if (absences.delete(tenantId)) tenants.set(tenantId, createTenant(load, 0, false));
      changed(tenantId, (state) => state.load(load));
    },
    extend: async (extension) => void changed(extension.tenantId, (state) => state.extend(extension)),
    async settle(request) {
      const now = request.now ?? clock.now();
      await ready(request.tenantId, request.now);
      return changed(request.tenantId, (state) => state.settle(request, now)) ?? "unknown";
    },
    repair: async (load) => void changed(load.tenantId, (state) => state.repair(load)),
    correct: async (tenantId, seq, totals) => changed(tenantId, (state) => state.correct(seq, totals)) ?? false,
    grant: async (tenantId, epoch, grants) => void changed(tenantId, (state) => state.grant(epoch, grants)),
    async lower(most) {
      forgetIdle();
      return lower(most);
    },
    async lookAt(tenantIds) {
      for (const tenantId of tenantIds) if (tenants.has(tenantId)) news.add(tenantId);
    },
    async lowered(bounds) {
      for (const bound of bounds) {
        const state = tenants.get(bound.tenantId);
        if (state?.epoch() === bound.epoch) state.lowered([bound]);
      }
    },
    positions: async (ids) => ids.map((id) => tenants.get(id)?.seq()),
    remember: async (tenantId, some) => texts.remember(tenantId, some),
    recall: async (tenantId) => texts.recall(tenantId),
    async *save() {
      yield { tenantId: LIFE, part: 0, state: String(since) };
      for (const [tenantId, state] of tenants) {
        for (const part of partsOf(tenantId, state)) {
          yield part;
          await untilNextTurn();
        }
      }
      for (const part of texts.save()) {
        yield part;
        await untilNextTurn();
      }
    },
    async restore(parts: readonly SavedPart[]) {
      const ofState = parts.filter(({ part }) => part !== TEXTS_PART);
      const [first] = ofState;
      if (first?.tenantId === LIFE) {
        since = Number(first.state);
      } else if (first !== undefined && !tenants.has(first.tenantId)) {
        unreadable.set(first.tenantId, clock.now());
        tenants.set(first.tenantId, await openedInTurns(ofState));
        unreadable.delete(first.tenantId);
        touch(first.tenantId);
      }
      for (const part of parts) if (part.part === TEXTS_PART) texts.restore(part);
      return true;
    },
    stop: async () => tenants.clear(),
  };
}
