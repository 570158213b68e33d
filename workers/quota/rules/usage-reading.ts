import type { Decimal } from "#kernel/decimal.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";

/** The contribution of one ledger entry to one meter. */
export interface UsageReading {
  readonly seq: number;
  readonly meter: string;
  /** The event that settles reservations; undefined for an imported one, a void and a backfill, which settle none. */
  readonly eventId: string | undefined;
  readonly value: Decimal;
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
