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
  /** Where to go on; beyond `to` when all of it is sent. */
  readonly nextSeq: number;
}

/**
 * Sends a piece of the ledger to usage.recorded once more, from `from` on and at most up to `to`. Readers skip what they have,
 * so it is safe at any time. Never ahead of the publisher: what that has not sent would come out of order. Throws INVALID when
 * `from` lies there.
 */
export async function republish(
  { database, log }: RepublishOptions,
  partition: number,
  from: number,
  to: number,
): Promise<Republished> {
  const published = await readPublished(database, partition);
  if (from > published)
    throw new MetrlyError("INVALID", `from: partition ${partition} is published up to ${published} only`);
  const page = await readLedger(database, { partition, from, limit: MAX_ENTRIES_PER_SEND });
  const entries = page.entries.filter(({ seq }) => seq <= Math.min(to, published));
  const [first, last] = [entries[0], entries.at(-1)];
  if (first === undefined || last === undefined || first.seq !== from)
    throw new MetrlyError("NOT_FOUND", `Entry ${from} of partition ${partition} is archived: attach its month first`);
  await log.append(USAGE_RECORDED, partition, recordsOf(partition, entries));
  return { entries: entries.length, nextSeq: last.seq < published ? last.seq + 1 : to + 1 };
}
