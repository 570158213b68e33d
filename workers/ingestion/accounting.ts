import { MetrlyError } from "#kernel/errors.js";
import { partitionOf } from "#kernel/partition.js";
import { hourOf } from "#kernel/period.js";
import type { Database } from "#platform/database.js";
import type { LogTail } from "./log-tail.js";
import type { AccountingQuestion } from "./rules/accounting-id.js";

export interface AccountingAnswer {
  readonly accepted: number;
  readonly duplicates: number;
  readonly quarantined: number;
  readonly inFlight: number;
}

const ATTEMPTS = 3;

/**
 * Measures ingestion's half of `accepted = counted + duplicates + unmetered + quarantined + inFlight`: the recorded part in
 * one snapshot, the rest from the log's tail behind that snapshot's cursor. Nothing is computed from the identity, so it can
 * fail. Ask after billing, so that nothing that billing counted is missing here.
 */
export async function measureAccounting(
  database: Database,
  logTail: LogTail,
  partitionCount: number,
  question: AccountingQuestion,
): Promise<AccountingAnswer> {
  const partition = partitionOf(question.tenantId, partitionCount);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const recorded = await readRecorded(database, partition, question);
    const tail = await logTail.count(partition, recorded.next, { tenantId: question.tenantId, ...hoursOf(question) });
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

const MAX_INSTANT_MS = 8.64e15;

/** Hours that start in [from, to), as the instants they cover. */
function hoursOf({ from, to }: AccountingQuestion): { from: number; to: number } {
  return { from: from === null ? -MAX_INSTANT_MS : hourUp(from), to: to === null ? MAX_INSTANT_MS : hourUp(to) };
}

const hourUp = (ms: number): number => (hourOf(ms) === ms ? ms : hourOf(ms) + 3_600_000);
