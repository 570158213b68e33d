import { HOUR_MS } from "#kernel/duration.js";

/**
 * The counters behind quota decisions: fast, atomic per tenant, and never the only copy of durable facts. Amounts are whole
 * numbers at the counter's scale, limits at most 10^15 and single amounts at most 9 * 10^15, so that doubles compare exactly;
 * times are epoch ms on the counters' own clock, or the tenant's test clock where one is passed.
 */

/** Sliding: a ring of sub-buckets, each counted in full while it overlaps the window. Period: one bucket, [start, end). */
export type CounterWindow =
  | { readonly kind: "sliding"; readonly windowMs: number; readonly bucketMs: number }
  | { readonly kind: "period"; readonly start: number; readonly end: number };

export interface CounterCharge {
  /** Id of the counter within its tenant. */
  readonly counter: string;
  readonly window: CounterWindow;
  readonly amount: number;
  /** The smallest hard limit on the counter; null: it never denies. */
  readonly hardLimit: number | null;
  /** True: reserved until usage settles it or it is released. False: consumed by the admission itself (requests). */
  readonly settles: boolean;
  /** Whether admissions need a granted bound, because they must survive a loss of the counters. */
  readonly bounded: boolean;
}

export interface DecideRequest {
  readonly tenantId: string;
  readonly mode: "check" | "consume";
  /** Identity of the reservation within the tenant. */
  readonly reservation: string;
  readonly ttlMs: number;
  /** The tenant's test clock. */
  readonly now: number | undefined;
  readonly charges: readonly CounterCharge[];
}

export interface CounterReading {
  readonly used: number;
  readonly reserved: number;
  /** Not trustworthy before this moment: admissions before a loss may still count. 0: trustworthy. */
  readonly blockedUntil: number;
  /** When all usage counted now has left the window. */
  readonly resetAt: number;
  /** For a denial: when the amount fits if nothing else is admitted; `resetAt` if it never does, or for an admission. */
  readonly retryAt: number;
  /** Whether this counter denies the request. */
  readonly denies: boolean;
}

/** An admission that needs a higher bound on usage known only to the counters, in one bucket. */
export interface BoundNeed {
  readonly counter: string;
  readonly bucketStart: number;
  /** The usage known only to the counters now. */
  readonly exposure: number;
  readonly amount: number;
  /** Expiry of the reservation. */
  readonly until: number;
}

export type DecideOutcome =
  /** The tenant or one of the counters is not loaded in this incarnation: `load`, then retry. */
  | { readonly kind: "unknown" }
  /** Nothing was charged: raise these bounds durably, report them with `grant`, retry. */
  | { readonly kind: "bounds"; readonly needs: readonly BoundNeed[] }
  | {
      readonly kind: "decided";
      readonly allowed: boolean;
      /** The reservation existed already: nothing was charged. */
      readonly repeated: boolean;
      readonly now: number;
      /** Expiry of the reservation; null when there is none. */
      readonly expiresAt: number | null;
      /** In the order of the charges; after the charge if allowed. */
      readonly readings: readonly CounterReading[];
    };

export interface LoadedBucket {
  readonly start: number;
  /** Settled usage, from the database. */
  readonly used: number;
  /** The granted bound: usage possibly admitted and lost. Added to `used`; released at `boundUntil` if the counter settles. */
  readonly bound: number;
  readonly boundUntil: number;
}

export interface LoadedCounter {
  readonly counter: string;
  readonly window: CounterWindow;
  readonly settles: boolean;
  readonly blockedUntil: number;
  readonly buckets: readonly LoadedBucket[];
}

export interface TenantLoad {
  readonly tenantId: string;
  readonly incarnation: string;
  /** The ledger position up to which `used` is complete. */
  readonly seq: number;
  readonly counters: readonly LoadedCounter[];
}

export interface SettledCharge {
  readonly counter: string;
  readonly amount: number;
  /** Arrival bucket for usage without a reservation. */
  readonly bucketStart: number;
}

export interface SettledEvent {
  /** The reservations it settles, one per meter, each with the actual amounts of that meter's sliding counters. */
  readonly meters: readonly { readonly reservation: string; readonly charges: readonly SettledCharge[] }[];
}

export interface SettleRequest {
  readonly tenantId: string;
  /** The tenant's position before and after this settlement. */
  readonly previousSeq: number;
  readonly seq: number;
  /** Every counter of the active limits; others are dropped, so that none goes stale unnoticed. */
  readonly inForce: readonly string[];
  readonly events: readonly SettledEvent[];
  /** Period counters are set to their total, not incremented. */
  readonly totals: readonly { readonly counter: string; readonly bucketStart: number; readonly total: number }[];
}

/**
 * `applied`: now or before; `unknown`: the tenant is not loaded, nothing to do; `behind`: an earlier settlement is missing,
 * `repair` from the database.
 */
export type SettleOutcome = "applied" | "unknown" | "behind";

/** Thrown by every method while the counters do not answer. */
export class CountersUnavailable extends Error {
  override readonly name = "CountersUnavailable";
}

export interface SavedCounters {
  readonly incarnation: string;
  readonly tenants: ReadonlyMap<string, unknown>;
}

export interface Incarnation {
  readonly name: string;
  /** When this incarnation began, on the counters' clock: admissions of an earlier one happened before. */
  readonly since: number;
}

export interface QuotaCounters {
  /**
   * Identifies, for each tenant, the incarnation of its counters: another value means that all admissions before may be lost.
   * Queries the store, so that a loss is detected before anything is loaded.
   */
  incarnations(tenantIds: readonly string[]): Promise<readonly Incarnation[]>;
  /** The counters' clock, epoch ms. */
  now(): Promise<number>;
  /** One atomic evaluation: admits all charges or none. */
  decide(request: DecideRequest): Promise<DecideOutcome>;
  /** Adds counters that are not loaded in this incarnation yet; loaded ones are unchanged. */
  load(load: TenantLoad): Promise<void>;
  /** Raises settled usage to the database's value, if that is ahead; open reservations stay. */
  repair(load: TenantLoad): Promise<void>;
  settle(request: SettleRequest): Promise<SettleOutcome>;
  /**
   * Sets period counters to these totals if the tenant is settled up to exactly `seq`; false: it is not, or is not loaded. For
   * operators: counters settled in order need no correction.
   */
  correct(tenantId: string, seq: number, totals: SettleRequest["totals"]): Promise<boolean>;
  /** Reports a durable bound. */
  grant(tenantId: string, grants: readonly BoundGrant[]): Promise<void>;
  /** Releases an open reservation. Returns false when there is none. */
  release(tenantId: string, reservation: string, now: number | undefined): Promise<boolean>;
  /** Last settled position of each tenant; undefined: not loaded. */
  positions(tenantIds: readonly string[]): Promise<readonly (number | undefined)[]>;
  /** Stores texts about a tenant for an hour, its newest 256 at most: best effort, not part of the counters. */
  remember(tenantId: string, texts: readonly string[]): Promise<void>;
  /** The stored texts, newest first. */
  recall(tenantId: string): Promise<readonly string[]>;
  /**
   * State that dies with the process, for `restore` after an orderly stop; no tenants when the counters survive on their own.
   */
  save(): SavedCounters;
  /** Restores the result of `save`; false when these counters don't need it. */
  restore(tenantId: string, state: unknown): boolean;
  stop(): Promise<void>;
}

export const REMEMBERED_TEXTS = 256;
export const REMEMBERED_MS = HOUR_MS;

export interface BoundGrant {
  readonly counter: string;
  readonly bucketStart: number;
  readonly bound: number;
  readonly until: number;
}
