import type { Decimal } from "#kernel/decimal.js";
import type { MeterState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { QuotaWindow } from "#schema/vocabulary.js";
import {
  combinationId,
  type Dimensions,
  isWithin,
  type Scope,
  seriesOf,
  UNPLANNED,
  unplannedDimensions,
  unplannedValues,
} from "./scopes.js";

/** What limits with `by` or `where` count of a meter, at a moment and tenancy version. */
export interface CountedScope {
  readonly meter: string;
  readonly scope: Scope;
  readonly windows: ReadonlySet<QuotaWindow>;
}

/** What usage of a moment counts in; "no plan": nobody knows yet. */
export type CountedScopes = readonly CountedScope[] | "no plan";

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

/** A reading of a meter with dimensions that nobody knows yet by what to count. */
export function unplannedReading(
  { id, dimensions }: Pick<MeterState, "id" | "dimensions">,
  of: readonly string[],
): ScopedReading {
  const values = unplannedValues(dimensions, of);
  const combination = combinationId(values);
  const counted = { meter: id, scope: UNPLANNED, windows: BILLING_PERIOD };
  return { counted, values, combination, series: seriesOf(id, UNPLANNED, combination) };
}
const BILLING_PERIOD: ReadonlySet<QuotaWindow> = new Set<QuotaWindow>(["BILLING_PERIOD"]);

/** The dimensions of usage that nobody knew by what to count; undefined: it is none. */
export function unplannedOf({ scoped }: Pick<UsageReading, "scoped">): Dimensions | undefined {
  const found = scoped?.find(({ counted }) => counted.scope === UNPLANNED);
  return found && unplannedDimensions(found.values);
}

/** Usage of a billing period that was recorded before anybody knew by what it would be counted. */
export interface UnplannedTotal {
  readonly tenantId: string;
  readonly meter: string;
  readonly dimensions: Dimensions;
  /** Start of the billing period. */
  readonly bucketStart: number;
  readonly total: Decimal;
}

/** What of a meter's usage is claimed as a whole, in the billing period: by a price, or a limit with `where` only. */
export interface ClaimedSeries {
  readonly meter: string;
  readonly scope: Scope;
}

export const isClaimed = ({ scope }: ClaimedSeries, dimensions: Dimensions): boolean =>
  isWithin(scope, dimensions) === true;

export interface TenantUsage {
  readonly tenant: TenantState;
  readonly readings: readonly UsageReading[];
  readonly previousSeq: number;
  readonly seq: number;
}
