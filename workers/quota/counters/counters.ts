import { HOUR_MS } from "#kernel/duration.js";

/**
 * The counters that quota decides on: fast, atomic per tenant, and never the only place that knows what they must not
 * forget. Amounts are whole numbers at the counter's scale, limits at most 10^15 and single amounts at most 9 * 10^15, so
 * that doubles compare exactly; times are epoch ms on the counters' own clock, or the tenant's test clock where one is passed.
 */

/** Sliding: a ring of sub-buckets counted whole while any moment of theirs is inside. Period: one bucket, [start, end). */
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
  /** True: reserved until usage settles it or it is given back. False: used up by the admission itself (requests). */
  readonly settles: boolean;
  /** Whether admissions need a granted bound, because they must outlive the counters. */
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
  /** Not trustworthy before this moment: what was admitted before a loss may still count. 0: trustworthy. */
  readonly blockedUntil: number;
  /** When all that counts now has left the window. */
  readonly resetAt: number;
  /** Where it denies: when the amount fits if nothing else is admitted. `resetAt` if it never does, or does not deny. */
  readonly retryAt: number;
  /** Whether this counter denies the request. */
  readonly denies: boolean;
}

/** An admission that needs a higher bound on what only the counters know, in one bucket. */
export interface BoundNeed {
  readonly counter: string;
  readonly bucketStart: number;
  /** What only the counters know now. */
  readonly exposure: number;
  readonly amount: number;
  /** Until when a reservation would live. */
  readonly until: number;
}

export type DecideOutcome =
  /** The tenant or one of the counters is not loaded in this incarnation: `load`, then ask again. */
  | { readonly kind: "unknown" }
  /** Nothing was charged: raise these bounds durably, tell by `grant`, ask again. */
  | { readonly kind: "bounds"; readonly needs: readonly BoundNeed[] }
  | {
      readonly kind: "decided";
      readonly allowed: boolean;
      /** The reservation was there already: nothing was charged. */
      readonly repeated: boolean;
      readonly now: number;
      /** End of the reservation; null when there is none. */
      readonly expiresAt: number | null;
      /** In the order of the charges; after the charge if allowed. */
      readonly readings: readonly CounterReading[];
    };

export interface LoadedBucket {
  readonly start: number;
  /** Settled usage, from the database. */
  readonly used: number;
  /** The granted bound: what was possibly admitted and lost. Counted on top of `used`; given back at `boundUntil` if the counter settles. */
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
  /** Arrival bucket for what was not asked for. */
  readonly bucketStart: number;
}

export interface SettledEvent {
  /** Reservations that it settles, one per meter, each with the actual amounts of that meter's sliding counters. */
  readonly meters: readonly { readonly reservation: string; readonly charges: readonly SettledCharge[] }[];
}

export interface SettleRequest {
  readonly tenantId: string;
  /** The tenant's position before and after this. */
  readonly previousSeq: number;
  readonly seq: number;
  /** Every counter of the limits in force; others are forgotten, so that none goes stale unseen. */
  readonly inForce: readonly string[];
  readonly events: readonly SettledEvent[];
  /** Period counters are set to their total, not added to. */
  readonly totals: readonly { readonly counter: string; readonly bucketStart: number; readonly total: number }[];
}

/**
 * `applied` also when it was before; `unknown`: the tenant is not loaded, nothing to do; `behind`: an earlier settlement
 * is missing, `repair` from the database.
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
  /** When it began, on the counters' clock: what an earlier one admitted, it admitted before. */
  readonly since: number;
}

export interface QuotaCounters {
  /**
   * Names, for each tenant, the unbroken life of the counters that hold its: another value means that everything admitted before
   * may be forgotten. Asks the store, so that a loss is seen before anything is loaded.
   */
  incarnations(tenantIds: readonly string[]): Promise<readonly Incarnation[]>;
  /** The counters' clock, epoch ms. */
  now(): Promise<number>;
  /** One atomic evaluation: all charges are admitted or none is. */
  decide(request: DecideRequest): Promise<DecideOutcome>;
  /** Adds counters that are not loaded in this incarnation yet; loaded ones stay as they are. */
  load(load: TenantLoad): Promise<void>;
  /** Raises settled usage to what the database says, if that is ahead; open reservations stay. */
  repair(load: TenantLoad): Promise<void>;
  settle(request: SettleRequest): Promise<SettleOutcome>;
  /**
   * Sets period counters to these totals if the tenant is settled up to exactly `seq`; false: it is not, or is not loaded. For
   * operators: counters that are settled in order are right by themselves.
   */
  correct(tenantId: string, seq: number, totals: SettleRequest["totals"]): Promise<boolean>;
  /** Tells of a bound that is durable. */
  grant(tenantId: string, grants: readonly BoundGrant[]): Promise<void>;
  /** Gives back an open reservation. Answers false when there is none. */
  release(tenantId: string, reservation: string, now: number | undefined): Promise<boolean>;
  /** Last settled position of each tenant; undefined: not loaded. */
  positions(tenantIds: readonly string[]): Promise<readonly (number | undefined)[]>;
  /** Keeps texts about a tenant for an hour, its newest 256 at most: they are no part of the counters and may be forgotten. */
  remember(tenantId: string, texts: readonly string[]): Promise<void>;
  /** What is remembered, newest first. */
  recall(tenantId: string): Promise<readonly string[]>;
  /** State that dies with the process, for `restore` after an orderly stop; no tenants when it survives by itself. */
  save(): SavedCounters;
  /** Takes over what `save` gave; false when these counters don't need that. */
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
