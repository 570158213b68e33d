import { MetrlyError } from "#kernel/errors.js";
import { partitionOf } from "#kernel/partition.js";
import { hourOf } from "#kernel/period.js";
import type { Database } from "#platform/database.js";
import type { EventLog, LogRecord } from "#platform/event-log.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import type { AccountingQuestion } from "./rules/accounting-id.js";
import { decodeRecord } from "./rules/decode-record.js";

export interface AccountingAnswer {
  readonly accepted: number;
  readonly duplicates: number;
  readonly quarantined: number;
  readonly inFlight: number;
}

/** More than this behind, counting the tail for one answer would cost too much. */
const MAX_TAIL_BYTES = 64 << 20;
const RECORDS_PER_READ = 500;
const ATTEMPTS = 3;

/**
 * Measures ingestion's half of `accepted = counted + duplicates + unmetered + quarantined + inFlight`: the recorded part in
 * one snapshot, the rest from the log's tail behind that snapshot's cursor. Nothing is computed from the identity, so it can
 * fail. Ask after billing, so that nothing that billing counted is missing here.
 */
export async function measureAccounting(
  database: Database,
  log: EventLog,
  partitionCount: number,
  question: AccountingQuestion,
): Promise<AccountingAnswer> {
  const partition = partitionOf(question.tenantId, partitionCount);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const recorded = await readRecorded(database, partition, question);
    const tail = await countTail(log, partition, partitionCount, recorded.next, question);
    if (tail === "trimmed") continue;
    return {
      accepted: recorded.accepted + tail,
      duplicates: recorded.duplicates,
      quarantined: recorded.quarantined,
      inFlight: recorded.uncounted + tail,
    };
  }
  throw new MetrlyError("UNAVAILABLE", "The log is trimmed faster than its tail can be read; try again");
}

interface RecordedPart {
  readonly next: number;
  readonly accepted: number;
  readonly duplicates: number;
  readonly quarantined: number;
  /** Events of the ledger behind the mark. */
  readonly uncounted: number;
}

/** One statement is one snapshot. */
const RECORDED = `
SELECT coalesce((SELECT next FROM recorder_cursor WHERE partition = $1), 0)::bigint AS next,
  (SELECT count(*) FROM ledger_block b CROSS JOIN LATERAL json_array_elements(b.entries::json) WITH ORDINALITY AS e (entry, n)
    WHERE b.partition = $1 AND b.last_seq > $3 AND b.tenants @> ARRAY[$2::text] AND json_typeof(entry) = 'array'
      AND entry ->> 0 = $2 AND b.first_seq + n - 1 > $3
      AND (entry ->> 5)::bigint >= $4 AND (entry ->> 5)::bigint < $5) AS uncounted,
  coalesce(sum(accepted), 0)::bigint AS accepted, coalesce(sum(duplicates), 0)::bigint AS duplicates,
  coalesce(sum(quarantined), 0)::bigint AS quarantined
FROM usage_account WHERE partition = $1 AND tenant_id = $2 AND hour_ms >= $4 AND hour_ms < $5`;

async function readRecorded(
  database: Database,
  partition: number,
  question: AccountingQuestion,
): Promise<RecordedPart> {
  const { from, to } = hoursOf(question);
  const { rows } = await database.pool.query<RecordedPart>(RECORDED, [
    partition,
    question.tenantId,
    question.mark,
    from,
    to,
  ]);
  return rows[0] ?? { next: 0, accepted: 0, duplicates: 0, quarantined: 0, uncounted: 0 };
}

/** Items of the tenant from `from` to the log's end; "trimmed": the recorder has passed and the log forgotten them meanwhile. */
async function countTail(
  log: EventLog,
  partition: number,
  partitionCount: number,
  next: number,
  question: AccountingQuestion,
): Promise<number | "trimmed"> {
  const { from, to } = hoursOf(question);
  const end = (await log.bounds(USAGE_RECEIVED, partition)).next;
  let count = 0;
  let bytes = 0;
  let offset = next;
  while (offset < end) {
    const records = await log.read(USAGE_RECEIVED, partition, offset, RECORDS_PER_READ);
    if (records[0]?.offset !== offset) return "trimmed";
    for (const record of records) {
      count += itemsIn(record, partition, partitionCount, question.tenantId, from, to);
      bytes += record.value.length;
      offset = record.offset + 1;
    }
    if (bytes > MAX_TAIL_BYTES)
      throw new MetrlyError("UNAVAILABLE", "Recording is too far behind to count what is in flight; try again later");
  }
  return count;
}

function itemsIn(
  record: LogRecord,
  partition: number,
  partitionCount: number,
  tenantId: string,
  from: number,
  to: number,
): number {
  const decoded = decodeRecord(record.value, partition, partitionCount);
  if (decoded.kind !== "items") return 0;
  return decoded.items.filter((item) => item.tenantId === tenantId && item.receivedAt >= from && item.receivedAt < to)
    .length;
}

const MAX_INSTANT_MS = 8.64e15;

/** Hours that start in [from, to), as the instants they cover. */
function hoursOf({ from, to }: AccountingQuestion): { from: number; to: number } {
  return { from: from === null ? -MAX_INSTANT_MS : hourUp(from), to: to === null ? MAX_INSTANT_MS : hourUp(to) };
}

const hourUp = (ms: number): number => (hourOf(ms) === ms ? ms : hourOf(ms) + 3_600_000);
