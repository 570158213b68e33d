import { MetrlyError } from "#kernel/errors.js";
import type { Database } from "#platform/database/database.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { USAGE_RECORDED } from "#schema/topics.js";
import { readLedger, readPublished } from "../store/ledger.js";
import { MAX_ENTRIES_PER_SEND, recordsOf } from "./recorded-records.js";

export interface RepublishOptions {
  readonly database: Database;
  readonly log: Pick<EventLog, "append">;
}

export interface Republished {
  readonly entries: number;
  /** The next position; beyond `to` when finished. */
  readonly nextSeq: number;
}

/**
 * Publishes a range of the ledger to usage.recorded again, from `from` and at most up to `to`. Safe at any time, since
 * consumers skip duplicates. Never ahead of the publisher, which would break the order: throws INVALID when `from` is not
 * published yet.
 */
export async function republish(
  { database, log }: RepublishOptions,
  partition: number,
  from: number,
  to: number,
): Promise<Republished> {
  const published = await readPublished(database, partition);
  if (from > published)
    throw new MetrlyError("INVALID", `from: partition ${partition} is published only up to ${published}`);
  const page = await readLedger(database, { partition, from, limit: MAX_ENTRIES_PER_SEND });
  const entries = page.entries.filter(({ seq }) => seq <= Math.min(to, published));
  const [first, last] = [entries[0], entries.at(-1)];
  if (first === undefined || last === undefined || first.seq !== from)
    throw new MetrlyError("NOT_FOUND", `Entry ${from} of partition ${partition} is archived: attach its month first`);
  await log.append(USAGE_RECORDED, partition, recordsOf(partition, entries));
  return { entries: entries.length, nextSeq: last.seq < published ? last.seq + 1 : to + 1 };
}
