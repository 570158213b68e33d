import { HOUR_MS } from "#kernel/duration.js";
import type { DimensionMatchState } from "#schema/events/tenancy-changed.v1.js";

/**
 * The counters behind quota decisions: fast, atomic per tenant, and never the only copy of durable facts. Amounts are exact,
 * in 10^-12 of a unit (`rules/amount.ts`); times are epoch ms on the counters' own clock, or the tenant's test clock where one
 * is passed. A tenant's counters are one state machine (`tenant/`); the adapters differ in where they keep its state.
 */
export type Amount = bigint;

/** Values of dimensions, by name. */
export type Dimensions = ReadonlyMap<string, string>;

/** What a limit with `by` or `where` counts, beside its meter and window. */
export interface Scope {
  /** The same for every limit with these dimensions and conditions, in any order. */
  readonly id: string;
  /** Ascending. */
  readonly by: readonly string[];
  /** Ascending by dimension. */
  readonly where: readonly DimensionMatchState[];
  /** Of what a catch-all price claims: usage that has all values of one of these is not in it. */
  readonly except?: readonly (readonly DimensionMatchState[])[];
}

export type CounterWindow =
  /** SECOND and MINUTE: what was asked for counts at the moment of its admission, other usage by its own time. */
  | { readonly kind: "admission"; readonly windowMs: number }
  /** HOUR and DAY: usage counts by its own time, an open reservation until it ends. */
  | { readonly kind: "sliding"; readonly windowMs: number }
  /** [start, end): as `sliding`. */
  | { readonly kind: "period"; readonly start: number; readonly end: number };

export interface CounterCharge {
  /** Id of the counter within its tenant, as `counterId` makes it. */
  readonly counter: string;
  /** Of a limit with `by` or `where`: it counts what is within. */
  readonly scope?: Scope;
  /** Of a combination of a meter's usage: start of the billing period whose combinations are counted. */
  readonly period?: number;
  /** Reserved until usage of this meter settles it or it is released; null: requests, consumed by the admission itself. */
  readonly meter: string | null;
  readonly window: CounterWindow;
  readonly amount: Amount;
  /** The smallest hard limit on the counter; null: it never denies. */
  readonly hardLimit: Amount | null;
  /** Hard limits that are known to replace it (an override begins or ends, the next period's plan), ascending. */
  readonly laterLimits: readonly { readonly at: number; readonly hardLimit: Amount | null }[];
  /** Whether admissions need a granted bound, because they must survive a loss of the counters: a hard limit, or one to come. */
  readonly bounded: boolean;
}

/** What a quantity costs under one price, as its line on an invoice is rounded; amounts of money in 10^-12, too. */
export interface LineRating {
  /** The highest that any quantity from one to another costs. */
  highest(from: Amount, to: Amount): Amount;
}

/** What one price of a plan claims. */
export interface MoneyLine {
  /** The counter of billing periods with the quantity. */
  readonly counter: string;
  readonly meter: string;
  /** The quantity asked for that the price claims. */
  readonly asked: Amount;
  readonly rating: LineRating;
}

export interface MoneyTerms {
  readonly at: number;
  /** Start of the billing period. */
  readonly start: number;
  /** The smallest hard limit; null: it never denies. */
  readonly hardLimit: Amount | null;
  /** One for each price of the plan. */
  readonly lines: readonly MoneyLine[];
}

/** Of limits in money: what all usage of a billing period costs. */
export interface MoneyCharge extends Omit<MoneyTerms, "at"> {
  readonly end: number;
  /** Terms that are known to replace these, ascending. */
  readonly later: readonly MoneyTerms[];
}

export type Operation =
  | {
      readonly kind: "check" | "consume";
      /** The idempotency key; identity of the reservation within the tenant. Not used by a check. */
      readonly key: string;
      /** The meters and amounts asked for, as text (`rules/asked.ts`): the same key with another content is a conflict. */
      readonly content: string;
      readonly ttlMs: number;
      /** Values of every dimension that limits count by; absent: none does. */
      readonly dimensions?: Dimensions;
      /** Of each meter the same amount, which its usage settles. */
      readonly charges: readonly CounterCharge[];
      /** On counters that only limits to come are on: they decide nothing but when a denied request fits. */
      readonly laterCharges?: readonly CounterCharge[];
      /** Absent: no limit in money, nor one to come. What it asks for is also charged, on the counters of its lines. */
      readonly money?: MoneyCharge;
    }
  | { readonly kind: "release"; readonly key: string };

export interface CounterReading {
  /** For requests it includes what a loss may have hidden. */
  readonly used: Amount;
  /** For meters it includes what a loss may have hidden. */
  readonly reserved: Amount;
  /** The part of `used` or `reserved` that stands for admissions lost with earlier counters; it ends by itself. */
  readonly lost: Amount;
  /** Not trustworthy before this moment: a short window may hold admissions from before a loss. 0: trustworthy. */
  readonly blockedUntil: number;
  /** When all that counts now no longer counts, if nothing else comes. */
  readonly resetAt: number;
  /** Whether this counter denies the request. */
  readonly denies: boolean;
  /** It denies because the tenant has as many combinations of the limit as it may have. */
  readonly full?: true;
  /** Of money: what the request may add at most to what is used and reserved. */
  readonly asked?: Amount;
  /** Of money: the request costs more than the limit, even if nothing were reserved. */
  readonly isTooLarge?: true;
}

/** Combinations of one limit that a tenant may have, recorded in the billing period or reserved; of requests, in the window. */
export const MOST_COMBINATIONS = 100_000;

/** An admission that needs a higher bound on what only the counters know. */
export interface BoundNeed {
  /** What is bounded: the open reservations of a meter, or the requests in one bucket of a window (`tenant/bounds.ts`). */
  readonly id: string;
  /** What only the counters know now. */
  readonly exposure: Amount;
  readonly amount: Amount;
  /** When the admission ends by itself. */
  readonly until: number;
  /** What blocks are a part of. */
  readonly hardLimit: Amount;
  /** What only the counters know, and all that the limit leaves: no bound need be higher. */
  readonly room: Amount;
  /** The limit is on a part of what the bound covers, so that it bounds nothing of it. */
  readonly isOfPart?: true;
}

export type Outcome =
  /**
   * The tenant or one of the counters is not loaded: `load`, then continue with this operation. `missing`: only these, of single
   * combinations, are not, so that `extend` is enough, unless the tenant does not know their scope.
   */
  | { readonly kind: "unknown"; readonly missing?: readonly string[]; readonly isOfNewScope?: true }
  /** Nothing was charged: raise these bounds durably, report them with `grant`, then continue with this operation. */
  | { readonly kind: "bounds"; readonly epoch: string; readonly needs: readonly BoundNeed[] }
  /** The key stands for another request. */
  | { readonly kind: "conflict"; readonly held: string }
  /** The tenant has as many keys alive as it may have. */
  | { readonly kind: "full"; readonly most: number }
  | { readonly kind: "released"; readonly released: boolean }
  | Decided;

export interface Decided {
  readonly kind: "decided";
  readonly allowed: boolean;
  /** The reservation existed already: nothing was charged. */
  readonly repeated: boolean;
  readonly now: number;
  /** Expiry of the reservation; null when there is none. */
  readonly expiresAt: number | null;
  /** Of a denial: the earliest time at which this very request fits if nothing else comes; null: waiting does not help. */
  readonly retryAt: number | null;
  /** Whether the request would fit but for what a loss may have hidden. */
  readonly deniedByLoss: boolean;
  /** In the order of the charges; after the charge if allowed. */
  readonly readings: readonly CounterReading[];
  /** Of the limits in money, if the operation has them: used and reserved are what it costs. */
  readonly money?: CounterReading;
}

/** Usage from the database, up to the position of the load. */
export interface LoadedUsage {
  /** The latest moment at which it may have happened; of a period, its start. */
  readonly at: number;
  readonly used: Amount;
}

export interface LoadedCounter {
  readonly counter: string;
  readonly window: CounterWindow;
  readonly blockedUntil: number;
  readonly usage: readonly LoadedUsage[];
  /** Of one combination: whether usage of it was recorded in the scope's period. */
  readonly recorded?: boolean;
}

/** Combinations of a scope that recorded usage is of, in one billing period. */
export interface RecordedCombinations extends Pick<LoadedScope, "key" | "period"> {
  /** How many were recorded in the period, these among them; undefined: as many as before. */
  readonly recorded: number | undefined;
  readonly series: readonly string[];
}

/** What limits with `by` or `where` count, and what was recorded of it. */
export interface LoadedScope extends Pick<Scope, "by" | "where" | "except"> {
  /** `meter|scope`; of requests the meter is empty. */
  readonly key: string;
  /** Start of the billing period in which `recorded` combinations were. */
  readonly period: number;
  readonly recorded: number;
}

/** Counters of single combinations, for a tenant that is loaded. */
export interface TenantExtension {
  readonly tenantId: string;
  readonly seq: number;
  readonly scopes: readonly LoadedScope[];
  readonly counters: readonly Omit<LoadedCounter, "blockedUntil">[];
}

/** A bound granted to counters that were lost: it counts in full until it ends. */
export interface LostBound {
  readonly id: string;
  readonly bound: Amount;
  readonly until: number;
}

export interface TenantLoad {
  readonly tenantId: string;
  /** Names the state built from this load, if it is the one that is kept. */
  readonly epoch: string;
  /** Whether the tenant has a test clock: its time moves with its operations only. */
  readonly hasOwnClock: boolean;
  /** The ledger position up to which usage is complete. */
  readonly seq: number;
  readonly counters: readonly LoadedCounter[];
  /** Of all limits that count usage or reservations by them. */
  readonly scopes?: readonly LoadedScope[];
  readonly lost: readonly LostBound[];
  /** When earlier counters were lost at the latest: short windows of combinations are blocked for their length. Absent: none were. */
  readonly lostBefore?: number;
}

/** What the counters hold of a tenant, before the facts for a load of it are read. */
export interface Observed {
  /**
   * When the current life of the tenant's store began, or the tenant was found to be lost within it, on the counters' clock: what
   * was admitted before a loss was admitted before this.
   */
  readonly since: number;
  /** Names the state that is there, or this very absence of one. */
  readonly token: string;
}

export interface SettledEvent {
  /** The key that it settles; undefined: none. */
  readonly key: string | undefined;
  /** The meters that count it: what is reserved of a meter is settled by usage of that meter. */
  readonly meters: readonly string[];
  /** Its usage in windows that are not periods, by its own time. */
  readonly charges: readonly { readonly counter: string; readonly amount: Amount; readonly at: number }[];
}

export interface SettleRequest {
  readonly tenantId: string;
  /** The tenant's position before and after this settlement. */
  readonly previousSeq: number;
  readonly seq: number;
  /** The tenant's test clock. */
  readonly now: number | undefined;
  /** Every counter, or family of them, that the usage was looked at for: of meters no other one stays, so that none goes stale unnoticed. */
  readonly counted: readonly string[];
  readonly events: readonly SettledEvent[];
  /** Absent: usage of no combination, or of none in a period that is judged. */
  readonly recorded?: readonly RecordedCombinations[];
  /** Period counters are set to their total, not incremented. */
  readonly totals: readonly PeriodTotal[];
}

export interface PeriodTotal {
  readonly counter: string;
  readonly periodStart: number;
  readonly total: Amount;
}

/**
 * `applied`: now or before; `unknown`: the tenant is not loaded, nothing to do; `behind`: an earlier settlement is missing,
 * which is repeated from the ledger.
 */
export type SettleOutcome = "applied" | "unknown" | "behind";

/** Thrown by every method while the counters do not answer, or answer with a refusal or an error of any kind. */
export class CountersUnavailable extends Error {
  override readonly name = "CountersUnavailable";
}

export interface BoundGrant {
  readonly id: string;
  readonly bound: Amount;
  readonly until: number;
  /** The row's version, from one sequence for all rows: a grant at or under the version that was lowered is refused. */
  readonly version: number;
}

/** A bound that exceeds what is open: the counters admit under the lower one from now on, the database follows. */
export interface LoweredBound extends BoundGrant {
  readonly tenantId: string;
  readonly epoch: string;
}

/** A lowered bound that the database has now, under a later version. */
export interface StoredBound extends LoweredBound {
  readonly nextVersion: number;
}

/** A part of a tenant's state, small enough for one row. */
export interface SavedPart {
  readonly tenantId: string;
  /** 0 is the head; higher ones hold reservations, -1 texts. */
  readonly part: number;
  readonly state: string;
}

export interface QuotaCounters {
  /** The counters' clock, epoch ms. Throws while they cannot be used. */
  now(): Promise<number>;
  /** The counters' clock, as this process knows it without asking, epoch ms. Undefined before the first answer. */
  nowOf(tenantId: string): number | undefined;
  /**
   * Executes a tenant's operations in order, each atomically, and stops after one whose outcome is `unknown` or `bounds`: the
   * outcomes are those of the operations up to it.
   */
  execute(tenantId: string, operations: readonly Operation[], now: number | undefined): Promise<readonly Outcome[]>;
  observe(tenantIds: readonly string[]): Promise<readonly Observed[]>;
  /**
   * Adds the tenant or those of its counters that are missing; what is there is unchanged, its epoch too. Adds nothing where
   * `token` no longer names what is there, since another loss may have hidden more than the load says, nor to a tenant at
   * another position: its operations stay `unknown` until a load fits.
   */
  load(load: TenantLoad, token: string): Promise<void>;
  /** Adds counters that are missing to a tenant that is loaded and at this very position; nothing otherwise. */
  extend(extension: TenantExtension): Promise<void>;
  settle(request: SettleRequest): Promise<SettleOutcome>;
  /**
   * Brings used amounts to the database's, if that is ahead; open reservations stay, counters of meters that the load does not
   * have go. Where the ledger cannot be repeated.
   */
  repair(load: TenantLoad): Promise<void>;
  /**
   * Sets period counters to these totals if the tenant is settled up to exactly `seq`; false: it is not, or is not loaded. For
   * operators: counters settled in order need no correction.
   */
  correct(tenantId: string, seq: number, totals: readonly PeriodTotal[]): Promise<boolean>;
  /** Reports durable bounds; ignored where the tenant's state has another epoch. */
  grant(tenantId: string, epoch: string, grants: readonly BoundGrant[]): Promise<void>;
  /** Lowers bounds that exceed what is open, of up to `most` tenants with news since their last turn. */
  lower(most: number): Promise<readonly LoweredBound[]>;
  /** `lower` looks at these tenants too, whatever this process knows of them. */
  lookAt(tenantIds: readonly string[]): Promise<void>;
  /** The database followed. */
  lowered(bounds: readonly StoredBound[]): Promise<void>;
  /** Last settled position of each tenant; undefined: not loaded. */
  positions(tenantIds: readonly string[]): Promise<readonly (number | undefined)[]>;
  /** Stores texts about a tenant for an hour, its newest 256 at most: best effort. */
  remember(tenantId: string, texts: readonly string[]): Promise<void>;
  /** The stored texts, newest first. */
  recall(tenantId: string): Promise<readonly string[]>;
  /**
   * State that dies with the process, for `restore` after an orderly stop, in slices of the event loop; nothing when the
   * counters survive on their own.
   */
  save(): AsyncIterable<SavedPart>;
  /** Restores a result of `save`, all parts of a tenant in order, one in a turn. False when these counters don't need it. */
  restore(parts: readonly SavedPart[]): Promise<boolean>;
  stop(): Promise<void>;
}

export const REMEMBERED_TEXTS = 256;
export const REMEMBERED_MS = HOUR_MS;

/** The processes that write to a life of the store, where a loss of the store does not reach them. */
export interface WriterRows {
  /** From now on the process may write to that life. */
  enter(writer: string, life: string): Promise<void>;
  /** Who may have written to that life, and the number of its last write if it has stopped; nobody, if another life began later. */
  of(life: string): Promise<readonly { readonly writer: string; readonly last: number | null }[]>;
  /** The process has stopped after the write with this number. */
  leave(writer: string, last: number): Promise<void>;
  /** Nothing that these wrote can be lost any more without a loss of what others wrote. */
  forget(writers: readonly string[]): Promise<void>;
}
