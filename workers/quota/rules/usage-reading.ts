import type { Decimal } from "#kernel/decimal.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { QuotaWindow } from "#schema/vocabulary.js";
import type { Scope } from "./scopes.js";

/** What limits with `by` or `where` count of a meter, at a moment and tenancy version. */
export interface CountedScope {
  readonly meter: string;
  readonly scope: Scope;
  readonly windows: ReadonlySet<QuotaWindow>;
}

/** A reading in one of its scopes. */
export interface ScopedReading {
  readonly counted: CountedScope;
  /** In the order of the scope's `by`. */
  readonly values: readonly string[];
  /** Of the values; "": the scope has one counter for all. */
  readonly combination: string;
  readonly series: string;
}

/** The contribution of one ledger entry to one meter. */
export interface UsageReading {
  readonly seq: number;
  readonly meter: string;
  /** The event that settles reservations; undefined for an imported one, a void and a backfill, which settle none. */
  readonly eventId: string | undefined;
  readonly value: Decimal;
  /** The scopes that it counts in; absent: none. */
  readonly scoped?: readonly ScopedReading[] | undefined;
  /** Of an imported event: it raises no alert. */
  readonly imported?: true;
  /** Of a backfill: whether it counts in its billing period, and in windows of the calendar. */
  readonly backfilled?: { readonly period: boolean; readonly calendar: boolean };
  /** When the usage happened: decides the windows that it counts in. */
  readonly time: number;
  /** When it was recorded, by the tenant's clock: decides which windows have passed. */
  readonly arrivedAt: number;
  readonly recordedAt: number;
  readonly tenancyVersion: number;
}

export interface TenantUsage {
  readonly tenant: TenantState;
  readonly readings: readonly UsageReading[];
  readonly previousSeq: number;
  readonly seq: number;
}
