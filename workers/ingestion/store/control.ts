import { MetrlyError } from "#kernel/errors.js";
import type { Transaction } from "#platform/database/database.js";
import type { RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import type { EventState } from "../rules/resolve-event.js";
import { readEntry } from "./ledger.js";

/** Voids and resolutions; the cursor's lock is held throughout. */

export async function stateOf(tx: Transaction, partition: number, key: string): Promise<EventState> {
  const { rows } = await tx.query<{ seq: number | null; voided: boolean }>(
    `SELECT k.seq, v.event_seq IS NOT NULL AS voided FROM usage_key k
     LEFT JOIN voided_event v ON v.partition = k.partition AND v.event_seq = k.seq
     WHERE k.partition = $1 AND k.key = $2`,
    [partition, key],
  );
  return { seq: rows[0]?.seq, voided: rows[0]?.voided ?? false };
}

/** The event at a position to which a key refers. Throws CONFLICT while its month is archived. */
export async function recordedEventAt(
  from: Pick<Transaction, "query">,
  partition: number,
  seq: number,
): Promise<RecordedEvent> {
  const entry = await readEntry(from, partition, seq);
  if (entry === undefined)
    throw new MetrlyError(
      "CONFLICT",
      `The event was recorded (partition ${partition}, seq ${seq}), but its month of the ledger is archived: attach it first`,
    );
  if (entry.kind !== "event") throw new Error(`a key refers to ${partition}/${seq}, which is not an event`);
  return entry;
}

export async function saveVoid(
  tx: Transaction,
  partition: number,
  { eventSeq, voidSeq, reason, actor }: { eventSeq: number; voidSeq: number; reason: string; actor: string },
): Promise<void> {
  await tx.query(
    "INSERT INTO voided_event (partition, event_seq, void_seq, reason, actor) VALUES ($1, $2, $3, $4, $5)",
    [partition, eventSeq, voidSeq, reason, actor],
  );
}

export interface PendingEvent {
  readonly tenantId: string;
  readonly source: string;
  readonly id: string;
  readonly type: string;
  readonly time: number;
  readonly receivedAt: number;
  readonly data: string;
  /** As uuid text. */
  readonly fingerprint: string;
  readonly imported?: true;
}

/** The oldest pending event in quarantine under this key. */
export async function oldestPending(
  tx: Transaction,
  partition: number,
  key: string,
): Promise<PendingEvent | undefined> {
  const { rows } = await tx.query<Omit<PendingEvent, "imported"> & { readonly imported: boolean }>(
    `SELECT tenant_id AS "tenantId", source, id, type, time_ms AS "time", received_at_ms AS "receivedAt", data, fingerprint, imported
     FROM quarantined_event WHERE partition = $1 AND key = $2 AND status = 'QUARANTINED' ORDER BY position LIMIT 1`,
    [partition, key],
  );
  const [first] = rows;
  if (first === undefined) return undefined;
  const { imported, ...event } = first;
  return { ...event, ...(imported && { imported }) };
}

export interface Resolution {
  readonly key: string;
  readonly fingerprint: string;
  readonly status: "ACCEPTED" | "REFUSED";
  readonly reason: string;
  readonly actor: string;
  readonly at: number;
}

export async function saveResolution(tx: Transaction, partition: number, resolution: Resolution): Promise<void> {
  const { key, fingerprint, status, reason, actor, at } = resolution;
  await tx.query(
    `UPDATE quarantined_event SET status = $4, resolution = $5, resolved_by = $6, resolved_at_ms = $7
     WHERE partition = $1 AND key = $2 AND fingerprint = $3`,
    [partition, key, fingerprint, status, reason, actor, at],
  );
}

/** Gives the key to the event accepted from quarantine. */
export async function passKey(
  tx: Transaction,
  partition: number,
  { key, fingerprint, seq }: { key: string; fingerprint: string; seq: number },
): Promise<void> {
  await tx.query("UPDATE usage_key SET fingerprint = $3, seq = $4 WHERE partition = $1 AND key = $2", [
    partition,
    key,
    fingerprint,
    seq,
  ]);
}
