import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { LedgerEntry } from "#schema/events/usage-recorded.v1.js";

/** A ledger entry as the database keeps it. */
export interface LedgerRow {
  readonly seq: number;
  readonly recorded_at_ms: number;
  readonly received_at_ms: number | null;
  readonly time_ms: number | null;
  readonly tenancy_version: number;
  readonly kind: string;
  readonly tenant_id: string | null;
  readonly source: string | null;
  readonly id: string | null;
  readonly type: string | null;
  readonly data: string;
}

export function rowOf(entry: LedgerEntry): LedgerRow {
  const { seq, recordedAt, tenancyVersion, kind, ...own } = entry;
  const row = { ...EMPTY, seq, recorded_at_ms: recordedAt, tenancy_version: tenancyVersion, kind };
  if (entry.kind === "event") {
    const { tenantId, source, id, type, time, receivedAt, data } = entry;
    return { ...row, tenant_id: tenantId, source, id, type, time_ms: time, received_at_ms: receivedAt, data };
  }
  return {
    ...row,
    // What a tick says is in `data` like of any control record; here it can be searched.
    time_ms: entry.kind === "tick" ? entry.at : null,
    tenant_id: "tenantId" in entry ? entry.tenantId : null,
    data: JSON.stringify(own),
  };
}

const EMPTY = { received_at_ms: null, time_ms: null, tenant_id: null, source: null, id: null, type: null } as const;

/** The entry that a row was made of. Throws when the row is not one that `rowOf` made. */
export function entryOf(row: LedgerRow): LedgerEntry {
  const common = { seq: row.seq, recordedAt: row.recorded_at_ms, tenancyVersion: row.tenancy_version };
  if (row.kind !== "event") {
    const own: unknown = JSON.parse(row.data);
    return Value.Parse(LedgerEntry, { ...Value.Parse(Own, own), ...common, kind: row.kind });
  }
  const { tenant_id, source, id, type, time_ms, received_at_ms, data } = row;
  if (
    tenant_id === null ||
    source === null ||
    id === null ||
    type === null ||
    time_ms === null ||
    received_at_ms === null
  )
    throw new TypeError(`ledger row ${row.seq} lacks a part of its event`);
  return {
    kind: "event",
    ...common,
    tenantId: tenant_id,
    source,
    id,
    type,
    time: time_ms,
    receivedAt: received_at_ms,
    data,
  };
}

const Own = Type.Record(Type.String(), Type.Unknown());
