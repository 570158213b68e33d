import { HOUR_MS, MAX_INSTANT_MS } from "#kernel/duration.js";
import { MetrlyError } from "#kernel/errors.js";
import { partitionOf } from "#kernel/partition.js";
import { hourOf } from "#kernel/period.js";
import type { Database } from "#platform/database/database.js";
import type { AccountingQuestion } from "../rules/accounting-id.js";
import { type RecordedPart, readRecorded } from "../store/accounting.js";
import type { LogTail } from "./log-tail.js";

export interface AccountingAnswer {
  readonly accepted: number;
  readonly duplicates: number;
  readonly quarantined: number;
  readonly inFlight: number;
}

const ATTEMPTS = 3;

/**
 * Measures ingestion's part of `accepted = counted + duplicates + unmetered + quarantined + inFlight`: the recorded part in one
 * snapshot, the rest from the log's tail after that snapshot's cursor. No term is derived from the identity, so it can fail.
 * Query billing first, so that everything billing counted is included here. Returns in the order of the queries, with as many
 * statements for many as for one.
 */
export async function measureAccountings(
  database: Database,
  logTail: LogTail,
  partitionCount: number,
  questions: readonly AccountingQuestion[],
): Promise<AccountingAnswer[]> {
  const answers = new Map<AccountingQuestion, AccountingAnswer>();
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const open = questions
      .filter((question) => !answers.has(question))
      .map((question) => ({ question, partition: partitionOf(question.tenantId, partitionCount) }));
    const recorded = await readRecorded(
      database,
      open.map(({ question, partition }) => ({ ...question, ...hoursOf(question), partition })),
    );
    await Promise.all(
      open.map(async ({ question, partition }, index) => {
        const part = recorded[index] ?? NOTHING;
        const tail = await logTail.count(partition, part.next, { tenantId: question.tenantId, ...hoursOf(question) });
        if (tail !== "trimmed") answers.set(question, answerOf(part, tail));
      }),
    );
    if (answers.size === questions.length) break;
  }
  return questions.map((question) => {
    const answer = answers.get(question);
    if (answer !== undefined) return answer;
    throw new MetrlyError("UNAVAILABLE", "The log was trimmed while its tail was being read; try again");
  });
}

const answerOf = ({ accepted, duplicates, quarantined, uncounted }: RecordedPart, tail: number): AccountingAnswer => ({
  accepted: accepted + tail,
  duplicates,
  quarantined,
  inFlight: uncounted + tail,
});

const NOTHING: RecordedPart = { next: 0, accepted: 0, duplicates: 0, quarantined: 0, uncounted: 0 };

/** Hours that start in [from, to), as the instants they cover. */
function hoursOf({ from, to }: AccountingQuestion): { from: number; to: number } {
  return { from: from === null ? -MAX_INSTANT_MS : hourUp(from), to: to === null ? MAX_INSTANT_MS : hourUp(to) };
}

const hourUp = (ms: number): number => (hourOf(ms) === ms ? ms : hourOf(ms) + HOUR_MS);
