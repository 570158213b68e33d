import type { Clock } from "#kernel/clock.js";
import { MINUTE_MS } from "#kernel/duration.js";
import { MetrlyError } from "#kernel/errors.js";
import { readingAt } from "#kernel/upgrade-required.js";
import type { EventLog, LogConsumer, LogRecord } from "#platform/event-log/event-log.js";
import { readUntil } from "#platform/event-log/read-until.js";
import {
  type ApiKeyState,
  type MeterState,
  type PlanState,
  readTenancyChanged,
  type SellerState,
  type TenancyChangedV1,
  type TenantState,
} from "#schema/events/tenancy-changed.v1.js";
import { TENANCY_CHANGED } from "#schema/topics.js";
import { createJoinedReads } from "./joined-reads.js";

/** A copy without news for this long is stale: READ and ADMIN fail closed, ingest and quota continue. */
export const STALE_AFTER_MS = MINUTE_MS;

/**
 * This process's copy of tenancy, read from the compacted topic at start and followed from then on. `version()` is the last
 * version applied, and everything up to it is present.
 */
export interface TenancyCopy {
  version(): number;
  /** Resolves once everything up to `version` is applied; rejects when the copy stops or `signal` aborts first. */
  reached(version: number, signal?: AbortSignal): Promise<void>;
  /**
   * Resolves once the copy has reached an end of the log that was read after this call: what is unknown then does not exist.
   * Rejects with UNAVAILABLE or BUSY, each a 503.
   */
  caughtUp(): Promise<void>;
  isStale(): boolean;
  tenant(id: string): TenantState | undefined;
  tenants(): Iterable<TenantState>;
  apiKeyByHash(hash: string): ApiKeyState | undefined;
  meter(key: string): MeterState | undefined;
  meters(): Iterable<MeterState>;
  metersOfType(eventType: string): readonly MeterState[];
  plan(id: string): PlanState | undefined;
  plans(): Iterable<PlanState>;
  /**
   * Keys of the topic (`kind:id`) whose last record is older than one before it, from a process that was frozen while it published:
   * compaction would keep that one.
   */
  outdated(): ReadonlySet<string>;
  /** Undefined: no seller was ever named. */
  seller(): SellerState | undefined;
  /** Notes that a key was used now, for `takeKeyUses`. */
  noteKeyUse(keyId: string): void;
  /** The last use of each key used since the last call, epoch ms. */
  takeKeyUses(): ReadonlyMap<string, number>;
  /** Calls back for each change, after it is applied. Returns the unsubscribe function. */
  onChange(listener: (state: TenancyChangedV1) => void): () => void;
  stop(): Promise<void>;
}

export interface TenancyCopyOptions {
  readonly log: EventLog;
  /** Unique per process: each needs the whole topic. */
  readonly group: string;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

/**
 * Starts following; resolves when the topic's content at the start is applied. That part is read without a group: joining one
 * can take seconds, which would delay a restart.
 */
export async function followTenancy(options: TenancyCopyOptions): Promise<TenancyCopy> {
  const { log } = options;
  const state = createTenancyState(options.clock);
  let applied = 0;
  function take(records: readonly LogRecord[]): void {
    for (const record of records) {
      if (record.offset < applied) continue;
      state.apply(readingAt(record.offset, () => readTenancyChanged(record.value.toString("utf8"))));
      applied = record.offset + 1;
    }
  }
  async function catchUp(): Promise<void> {
    const { next: end } = await log.bounds(TENANCY_CHANGED, 0);
    await readUntil(end, {
      next: () => applied,
      read: (from, maxRecords) => log.read(TENANCY_CHANGED, 0, from, maxRecords),
      take,
    });
  }
  async function catchUpOrRefuse(): Promise<void> {
    try {
      await catchUp();
    } catch (error) {
      if (!(error instanceof MetrlyError)) options.onError(error);
      throw new MetrlyError("UNAVAILABLE", "The event log cannot be read", { retryAfterSeconds: 1 });
    }
  }
  await catchUp();
  const consumer: LogConsumer = await log.consume({
    topic: TENANCY_CHANGED,
    group: options.group,
    startAt: async () => applied,
    onError: options.onError,
    async onBatch({ records }) {
      take(records);
      return { kind: "continue" };
    },
  });
  return {
    ...state.reads,
    caughtUp: createJoinedReads(catchUpOrRefuse),
    async stop() {
      await consumer.stop();
      state.close();
    },
  };
}

/** The applied state and its reads, without the log: services' tests drive it by `apply`. */
export function createTenancyState(clock: Clock) {
  const tenants = new Map<string, TenantState>();
  const keysById = new Map<string, ApiKeyState>();
  const keysByHash = new Map<string, ApiKeyState>();
  const meters = new Map<string, MeterState>();
  const metersByType = new Map<string, MeterState[]>();
  const plans = new Map<string, PlanState>();
  const sellers = new Map<string, SellerState>();
  const listeners = new Set<(state: TenancyChangedV1) => void>();
  const outdated = new Set<string>();
  const waiters = new Set<{ version: number; resolve: () => void; reject: (error: Error) => void }>();
  let uses = new Map<string, number>();
  let version = 0;
  let heardAt = clock.now();

  function apply(change: TenancyChangedV1): void {
    heardAt = clock.now();
    if (change.kind !== "heartbeat" && !isNewer(change)) return;
    store(change);
    version = Math.max(version, change.version);
    for (const waiter of waiters) {
      if (waiter.version <= version) waiter.resolve();
    }
    for (const listener of listeners) listener(change);
  }

  function isNewer(change: Exclude<TenancyChangedV1, { kind: "heartbeat" }>): boolean {
    const known = { tenant: tenants, apiKey: keysById, meter: meters, plan: plans, seller: sellers }[change.kind].get(
      change.id,
    );
    const key = `${change.kind}:${change.id}`;
    if (known !== undefined && change.version < known.version) outdated.add(key);
    else outdated.delete(key);
    return known === undefined || known.version < change.version;
  }

  function store(change: TenancyChangedV1): void {
    switch (change.kind) {
      case "tenant":
        tenants.set(change.id, change);
        break;
      case "plan":
        plans.set(change.id, change);
        break;
      case "apiKey": {
        const before = keysById.get(change.id);
        if (before !== undefined) keysByHash.delete(before.hash);
        keysById.set(change.id, change);
        keysByHash.set(change.hash, change);
        break;
      }
      case "meter": {
        meters.set(change.id, change);
        const others = (metersByType.get(change.eventType) ?? []).filter((meter) => meter.id !== change.id);
        metersByType.set(change.eventType, [...others, change]);
        break;
      }
      case "seller":
        sellers.set(change.id, change);
        break;
      case "heartbeat":
        break;
    }
  }

  const reads: Omit<TenancyCopy, "stop"> = {
    version: () => version,
    caughtUp: () => Promise.resolve(),
    reached(wanted, signal) {
      if (wanted <= version) return Promise.resolve();
      return new Promise((resolve, reject) => {
        const forget = (): void => {
          waiters.delete(waiter);
          signal?.removeEventListener("abort", onAbort);
        };
        const onAbort = (): void => {
          forget();
          reject(new Error(`tenancy is at version ${version}, ${wanted} was not reached in time`));
        };
        const waiter = {
          version: wanted,
          resolve: () => {
            forget();
            resolve();
          },
          reject,
        };
        waiters.add(waiter);
        if (signal?.aborted) onAbort();
        else signal?.addEventListener("abort", onAbort, { once: true });
      });
    },
    isStale: () => clock.now() - heardAt > STALE_AFTER_MS,
    tenant: (id) => tenants.get(id),
    tenants: () => tenants.values(),
    apiKeyByHash: (hash) => keysByHash.get(hash),
    meter: (key) => meters.get(key),
    meters: () => meters.values(),
    metersOfType: (type) => metersByType.get(type) ?? [],
    plan: (id) => plans.get(id),
    outdated: () => outdated,
    noteKeyUse: (keyId) => void uses.set(keyId, clock.now()),
    takeKeyUses() {
      const taken = uses;
      uses = new Map();
      return taken;
    },
    plans: () => plans.values(),
    seller: () => sellers.get("seller"),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };

  return {
    reads,
    apply,
    close(): void {
      for (const waiter of waiters) waiter.reject(new Error("the copy of tenancy is stopped"));
      waiters.clear();
    },
  };
}
