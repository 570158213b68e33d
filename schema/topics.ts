import { DAY_MS, HOUR_MS } from "#kernel/duration.js";

/** The topics of the event log. Those with `keyedByTenant` have the deployment's partition count; others have one. */
export interface Topic {
  readonly name: string;
  readonly keyedByTenant: boolean;
  /** Keeps the last record of each key; default: every record. */
  readonly compacted?: boolean;
  /** Default: kept until its consumer trims it. */
  readonly retentionMs?: number | undefined;
  /**
   * Concurrent appends to one partition, 1 by default. With more, concurrent appends may be reordered; an append that starts
   * after another completed still follows it.
   */
  readonly concurrentAppends?: number;
}

/** Acknowledged usage and control records. Trimmed below the recorder's cursor. */
export const USAGE_RECEIVED: Topic = { name: "usage.received", keyedByTenant: true, concurrentAppends: 2 };
/**
 * The ledger's entries, in `seq` order per partition, with duplicates but without gaps. Transport only: the ledger is complete.
 */
export const USAGE_RECORDED: Topic = { name: "usage.recorded", keyedByTenant: true, retentionMs: 7 * DAY_MS };
/** Tenancy's current state, one record per `kind:id`, in version order; a single partition, so that a version is a position. */
export const TENANCY_CHANGED: Topic = { name: "tenancy.changed", keyedByTenant: false, compacted: true };
/** Which tenancy version each process acts on, every few seconds: its newest records tell, older ones mean nothing. */
export const TENANCY_APPLIED: Topic = { name: "tenancy.applied", keyedByTenant: false, retentionMs: HOUR_MS };
/** `quota.warning` and `quota.exceeded`, in one topic so that a tenant's alerts keep their order. */
export const QUOTA_ALERTS: Topic = { name: "quota.alerts", keyedByTenant: true, retentionMs: 30 * DAY_MS };
/** What billing tells: closed periods and invoices, in the order of their transaction, and usage that nobody pays for. */
export const BILLING_EVENTS: Topic = { name: "billing.events", keyedByTenant: true, retentionMs: 30 * DAY_MS };

/** When API keys were used, for `ApiKey.lastUsedAt`: hints that may be lost. */
export const API_KEYS_USED: Topic = { name: "api.keys.used", keyedByTenant: false, retentionMs: DAY_MS };

/** Changes through the graph outside tenancy, for tenancy's audit log. */
export const AUDIT_RECORDED: Topic = { name: "audit.recorded", keyedByTenant: false, retentionMs: 30 * DAY_MS };

export const TOPICS: readonly Topic[] = [
  USAGE_RECEIVED,
  USAGE_RECORDED,
  TENANCY_CHANGED,
  TENANCY_APPLIED,
  QUOTA_ALERTS,
  BILLING_EVENTS,
  API_KEYS_USED,
  AUDIT_RECORDED,
];
