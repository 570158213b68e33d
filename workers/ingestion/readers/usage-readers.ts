import { readUntil } from "#platform/event-log/read-until.js";
import { repeat } from "#platform/lifecycle/repeat.js";
import { monotonicMs } from "#platform/lifecycle/time.js";
import type { ServiceContext } from "#platform/process/service.js";
import { COLUMNS_ENCODING } from "#schema/columns/sealed.js";
import { tenancyAppliedV1 } from "#schema/events/tenancy-applied.v1.js";
import { TENANCY_APPLIED } from "#schema/topics.js";
import { createDeclaredEncodings } from "./declared-encodings.js";

const READ_EVERY_MS = 3_000;
/** Reports before the newest so many are passed over: who sent them is seen again before its lease ends. */
const MAX_BEHIND = 10_000;

export interface UsageReaders {
  /** Whether usage may be written in columns: every process that reads it has declared that it reads them. */
  writesColumns(): boolean;
  stop(): Promise<void>;
}

/**
 * Follows what processes declare in `tenancy.applied` (docs/decisions/0021). While that cannot be read, and at first, the answer is
 * no. A process that is alone reads what it writes.
 */
export function followUsageReaders(
  { config, log, self }: Pick<ServiceContext, "config" | "log" | "self">,
  onError: (error: unknown) => void,
): UsageReaders {
  if (self === undefined || config.usageEncoding === "text")
    return { writesColumns: () => config.usageEncoding !== "text", stop: async () => undefined };
  const declared = createDeclaredEncodings();
  let next = 0;

  async function read(): Promise<void> {
    const startedAtMs = monotonicMs();
    const { first, next: end } = await log.bounds(TENANCY_APPLIED, 0);
    // Beyond the end: the log was deleted and began anew.
    if (next > end) next = first;
    next = Math.max(next, first);
    if (end - next > MAX_BEHIND) {
      next = end - MAX_BEHIND;
      declared.takeUnreadable(monotonicMs());
    }
    await readUntil(end, {
      next: () => next,
      read: (from, maxRecords) => log.read(TENANCY_APPLIED, 0, from, maxRecords),
      take(records) {
        for (const { value, offset } of records) {
          try {
            declared.take(tenancyAppliedV1.read(value.toString("utf8")), monotonicMs());
          } catch {
            declared.takeUnreadable(monotonicMs());
          }
          next = offset + 1;
        }
      },
    });
    declared.taken(startedAtMs);
  }

  const reading = repeat({ everyMs: READ_EVERY_MS, run: read, onError });
  return {
    writesColumns: () => declared.areAllReading(COLUMNS_ENCODING, monotonicMs()),
    stop: reading.stop,
  };
}
