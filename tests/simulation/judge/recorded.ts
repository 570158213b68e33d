import type { SentEvent } from "../terms/requests.js";
import type { Judged } from "./judged.js";

export interface LedgerRow {
  readonly partition: number;
  readonly seq: number;
  readonly kind: string;
  /** Of tenancy, as the entry has it. */
  readonly version: number;
  /** Of the event that is recorded or void. */
  readonly key: string | null;
}

/** All entries of the ledger, in order. */
export const LEDGER = `SELECT entry.partition, entry.seq, entry.kind, entry.tenancy_version AS version, event.tenant_id || '/' || event.source || '/' || event.id AS key
  FROM ledger entry
  LEFT JOIN voided_event void ON void.partition = entry.partition AND void.void_seq = entry.seq
  LEFT JOIN ledger event ON event.partition = entry.partition AND event.seq = coalesce(void.event_seq, entry.seq)
  ORDER BY entry.partition, entry.seq, entry.kind`;

/** An entry of the ledger. */
export interface Recorded extends Pick<LedgerRow, "partition" | "seq" | "version"> {
  readonly event: SentEvent;
  /** It counts no more. */
  readonly isVoid: boolean;
}

/** What clients sent and took back and the ledger has, in its order. */
export async function recordedOf({ ingestion, history }: Judged): Promise<Recorded[]> {
  const rows = await ingestion<LedgerRow>(LEDGER);
  return rows.flatMap(({ key, kind, partition, seq, version }) => {
    const event = key === null ? undefined : history.events.get(key)?.event;
    return event === undefined ? [] : [{ partition, seq, version, event, isVoid: kind === "void" }];
  });
}

/** The events that count, in the ledger's order. */
export function countedOf(recorded: readonly Recorded[]): SentEvent[] {
  const voided = new Set(recorded.filter(({ isVoid }) => isVoid).map(({ event }) => event));
  return recorded.flatMap(({ event, isVoid }) => (isVoid || voided.has(event) ? [] : [event]));
}
