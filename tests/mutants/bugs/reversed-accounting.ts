import type { Bug } from "./bug.js";

/** Faults of the log, the ledger, ingestion and billing that were there, back in today's code. */
export const REVERSED_ACCOUNTING: readonly Bug[] = [
  {
    name: "empty-answer-is-the-end",
    wrong: "a process takes a slow broker's empty answer for the end of the log, and refuses what exists",
    breaks: "what was answered is true at once",
    reverses: {
      fix: "Take no answer without records for the end of the log",
      ownTest: "platform/event-log/read-until.test.ts",
    },
    edits: [
      {
        file: "platform/event-log/read-until.ts",
        find: "< PATIENCE_MS) await sleep(PAUSE_MS);",
        put: "< PATIENCE_MS) return sleep(PAUSE_MS);",
      },
    ],
  },
  {
    name: "one-tenant-takes-all-close-workers",
    wrong: "a tenant with many periods to close keeps all others waiting",
    breaks: "a tenant occupies one close worker at a time",
    reverses: {
      fix: "Let a tenant occupy one close worker at a time",
      ownTest: "workers/billing/closing/one-per-tenant.test.ts",
    },
    edits: [
      {
        file: "workers/billing/closing/one-per-tenant.ts",
        find: "      running.set(tenantId, true);\n      return;",
        put: "      running.set(tenantId, true);\n      return work(tenantId);",
      },
    ],
  },
  {
    name: "newer-version-is-poison",
    wrong: "usage sent right after a meter was created is set aside as unreadable",
    breaks: "an acknowledged event is never lost",
    reverses: {
      fix: "Set records of tenancy versions that do not exist aside as poison",
      ownTest: "workers/ingestion/recorder/known-versions.test.ts",
    },
    edits: [
      {
        file: "workers/ingestion/recorder/known-versions.ts",
        find: "  await tenancy.caughtUp();\n",
        put: "",
      },
    ],
  },
  {
    name: "batch-is-never-halved",
    wrong: "a batch that is too much for a slow database is tried for ever",
    breaks: "failures delay billing, they never stop it",
    reverses: {
      fix: "Halve a batch that takes longer than a transaction may",
      ownTest: "platform/database/transaction-sizes.test.ts",
    },
    edits: [
      {
        file: "platform/database/transaction-sizes.ts",
        find: "sizes.set(partition, Math.max(1, Math.floor(units / 2)));",
        put: "sizes.set(partition, Math.max(1, units));",
      },
    ],
  },
  {
    name: "one-tenants-backfill-is-busy-for-ever",
    wrong: "a rebuild of one tenant is refused at a backfill behind others' entries",
    breaks: "usage can be rebuilt from the ledger",
    reverses: {
      fix: "Rebuild one tenant's backfill behind others' entries",
      ownTest: "workers/billing/rebuild/rebuild.test.ts",
    },
    edits: [
      {
        file: "workers/billing/store/backfills.ts",
        find: "WHERE partition = $1 AND seq < $2",
        put: "WHERE partition = $1 AND seq = $2 - 1",
      },
    ],
  },
  {
    name: "export-lacks-what-came-after-a-void",
    wrong: "an export lacks the event that was sent again after a void",
    breaks: "an export has every event that counts",
    reverses: {
      fix: "Export the event that was accepted after a voided one of its key",
      ownTest: "cli/show/export-events.test.ts",
    },
    edits: [
      { file: "cli/show/export-events.ts", find: "new Set<number>()", put: "new Set<string>()" },
      { file: "cli/show/export-events.ts", find: "voided.add(entry.event.seq)", put: "voided.add(entry.event.id)" },
      { file: "cli/show/export-events.ts", find: "!voided.has(entry.seq)", put: "!voided.has(entry.id)" },
    ],
  },
  {
    name: "damaged-head-waits-for-an-upgrade",
    wrong: "a damaged record stops its partition, which asks for an upgrade that does not exist",
    breaks: "a malformed record is set aside, and stops nothing",
    reverses: {
      fix: "Let a flipped bit of a block's head be damage, not an upgrade",
      ownTest: "schema/columns/hostile.test.ts",
    },
    edits: [
      {
        file: "schema/columns/sealed.ts",
        find: "crc32(record.subarray(CRC_END), crc32(record.subarray(0, CRC_AT)));",
        put: "crc32(record.subarray(CRC_END), crc32(record.subarray(0, CRC_AT - 1)));",
      },
    ],
  },
  {
    name: "missed-reports-say-nothing",
    wrong: "a process of before an upgrade waits at usage that it cannot read, though it had reported in time",
    breaks: "usage is written in columns only while every process reads them",
    reverses: {
      fix: "Bound published blocks, and count missed reports as unknown",
      ownTest: "workers/ingestion/readers/usage-readers.test.ts",
    },
    edits: [
      {
        file: "workers/ingestion/readers/usage-readers.ts",
        find: "      next = end - MAX_BEHIND;\n      declared.takeUnreadable(monotonicMs());\n",
        put: "      next = end - MAX_BEHIND;\n",
      },
    ],
  },
  {
    name: "block-is-published-whatever-its-size",
    wrong: "a sender's strange names make records of more than 1 MiB",
    breaks: "a record stays below the broker's limit",
    reverses: {
      fix: "Bound published blocks, and count missed reports as unknown",
      ownTest: "workers/ingestion/recorder/recorded-records.test.ts",
    },
    edits: [
      {
        file: "workers/ingestion/recorder/recorded-records.ts",
        find: " || block.packed.length > MAX_RECORD_BYTES) {",
        put: ") {",
      },
    ],
  },
  {
    name: "publisher-skips-what-it-forgot",
    wrong: "usage is published with a gap, which every consumer has to fill from the ledger",
    breaks: "usage.recorded has no gaps",
    edits: [
      {
        file: "workers/ingestion/recorder/publisher.ts",
        find: "if (first === undefined || first.first_seq > published + 1) {",
        put: "if (first === undefined) {",
      },
    ],
  },
  {
    name: "published-cursor-without-compare",
    wrong: "the published position moves back after a takeover, and everything since is published again",
    breaks: "the published position never moves back",
    edits: [
      {
        file: "workers/ingestion/store/ledger.ts",
        find: "WHERE partition = $1 AND published = $2",
        put: "WHERE partition = $1 AND published >= $2",
      },
    ],
  },
  {
    name: "dimension-memory-of-before-the-takeover",
    wrong: "a meter gets more combinations of dimensions than its limit after a takeover",
    breaks: "the limit on dimension values is exact",
    edits: [
      {
        file: "workers/ingestion/dimensions/dimension-limit.ts",
        find: "if (validAt.get(partition) !== next) forget(partition);",
        put: "if (!validAt.has(partition)) forget(partition);",
      },
    ],
  },
  {
    name: "headers-decide-the-mode",
    wrong:
      "an event in the body is lost: a `ce-id` header, which a proxy may add, makes the body the data of another event",
    breaks: "the content type decides how a CloudEvent is read",
    reverses: { fix: "Read CloudEvents as their HTTP binding says", ownTest: "workers/ingestion/http/body.test.ts" },
    edits: [
      {
        file: "workers/ingestion/http/body.ts",
        find: '  if (mediaType === ONE) return structured(text, "object");',
        put: `  if (headers["ce-id"] !== undefined) return [binaryEvent(headers, text, mediaType)];
  if (mediaType === ONE) return structured(text, "object");`,
      },
    ],
  },
  {
    name: "hour-24-is-the-next-day",
    wrong: "usage with the time 24:00 is billed on the next day, or in the next period",
    breaks: "a time that RFC 3339 does not have is refused",
    reverses: { fix: "Refuse hour 24, and judge conflicts at a constant cost", ownTest: "kernel/rfc3339.test.ts" },
    edits: [{ file: "kernel/rfc3339.ts", find: "[Tt](?:[01]\\d|2[0-3])", put: "[Tt](?:[01]\\d|2[0-4])" }],
  },
  {
    name: "voided-event-stays-the-last",
    wrong: "`lastEventAt` shows the time of an event that was voided",
    breaks: "what is voided does not count",
    reverses: {
      fix: "Tell the last event of an hour exactly after any voids",
      ownTest: "workers/billing/rules/event-times.test.ts",
    },
    edits: [
      {
        file: "workers/billing/rules/event-times.ts",
        find: "  else yield* storedTimes(times);",
        put: "  else for (let n = 0; n < count; n += 1) yield last;",
      },
    ],
  },
  {
    name: "earlier-invoices-are-unreadable",
    wrong: "an invoice that was stored before its document had a buyer is an error",
    breaks: "a closed invoice stays readable",
    reverses: {
      fix: "Read invoices of version 2 without the members added since",
      ownTest: "workers/billing/invoice-versions.test.ts",
    },
    edits: [
      { file: "schema/events/invoice.v2.ts", find: '|| "buyer" in value) return', put: '|| "lines" in value) return' },
    ],
  },
  {
    name: "aborted-backfill-keeps-its-place",
    wrong: "after an error, a backfill and all usage behind it wait until the failed attempt is taken for dead",
    breaks: "a repetition begins at once",
    reverses: {
      fix: "Begin a backfill again at once after a failure",
      ownTest: "workers/billing/rebuild/rebuild.test.ts",
    },
    edits: [
      {
        file: "workers/billing/store/backfills.ts",
        find: 'await q.query("DELETE FROM backfill_attempt WHERE partition = $1 AND attempt = $2", [partition, id]);',
        put: 'await q.query("SELECT FROM backfill_attempt WHERE partition = $1 AND attempt = $2", [partition, id]);',
      },
    ],
  },
  {
    name: "unpriced-usage-fills-invoices",
    wrong: "a sender of usage makes an invoice so large that no operation can read it",
    breaks: "senders do not decide how large an invoice is",
    reverses: {
      fix: "Bound the unpriced usage that an invoice lists by its bytes",
      ownTest: "workers/billing/rules/unpriced.test.ts",
    },
    edits: [
      {
        file: "workers/billing/rules/unpriced.ts",
        find: "if (!isFew || bytes > bytesLeft) return",
        put: "if (!isFew) return",
      },
    ],
  },
  {
    name: "ledger-searched-by-moments-of-recording",
    wrong: "after a recorder's clock had jumped, a comparison with the ledger misses usage, and a repair takes it away",
    breaks: "what is derived from the ledger has all of it",
    reverses: {
      fix: "Find a period's start in the ledger by events' times, not clocks",
      ownTest: "workers/ingestion/rules/reach.test.ts",
    },
    edits: [
      {
        file: "workers/ingestion/rules/reach.ts",
        find: "const hour = hourOf(entry.time);",
        put: "const hour = hourOf(entry.recordedAt);",
      },
    ],
  },
  {
    name: "malformed-record-stops-its-partition",
    wrong: "one record that cannot be read keeps all usage behind it from billing, for ever",
    breaks: "failures delay billing, they never stop it",
    reverses: {
      fix: "Raise an alarm for malformed records instead of retrying them for ever",
      ownTest: "platform/ledger/consumer.test.ts",
    },
    edits: [
      {
        file: "platform/event-log/read-records.ts",
        find: "if (error instanceof UpgradeRequired) throw error;",
        put: "if (error instanceof Error) throw error;",
      },
    ],
  },
  {
    name: "log-asked-before-the-cursor",
    wrong: "notification says after a takeover that events may have expired, and reads a partition from its beginning",
    breaks: "a takeover loses no position",
    reverses: {
      fix: "Ask the log again before a partition's cursor is called lost",
      ownTest: "workers/notification/store/intake.test.ts",
    },
    edits: [
      {
        file: "workers/notification/store/intake.ts",
        find: `  const cursor = await findCursor(pool, topic, partition);
  const bounds = await boundsOf();`,
        put: `  const bounds = await boundsOf();
  const cursor = await findCursor(pool, topic, partition);`,
      },
    ],
  },
  {
    name: "stored-events-are-refused",
    wrong: "a process that was busy answers 503 for events that the log has stored",
    breaks: "what is stored is answered 202",
    reverses: {
      fix: "Read the log's answer before its deadline is judged",
      ownTest: "workers/ingestion/intake/appender.test.ts",
    },
    edits: [
      {
        file: "workers/ingestion/intake/appender.ts",
        find: "    nextTurn(() => part.failed(unavailable(undefined))),",
        put: "    part.failed(unavailable(undefined)),",
      },
    ],
  },
  {
    name: "no-leader-is-an-internal-error",
    wrong: "while a partition of Kafka changes its leader, clients get an internal error",
    breaks: "what may be retried says so",
    reverses: {
      fix: "Answer LOG_UNAVAILABLE while a partition has no leader",
      ownTest: "platform/event-log/kafka/answered.test.ts",
    },
    edits: [
      {
        file: "platform/event-log/kafka/answered.ts",
        find: 'new Set(["LEADER_NOT_AVAILABLE", "NOT_LEADER_FOR_PARTITION"])',
        put: 'new Set(["LEADER_NOT_AVAILABLE"])',
      },
    ],
  },
  {
    name: "archived-month-is-an-internal-error",
    wrong: "an event whose month is archived is an internal error, without a word about what to attach",
    breaks: "every refused operation says why",
    reverses: {
      fix: "Name the archived month of an event that is asked for",
      ownTest: "workers/ingestion/graph/resolvers.test.ts",
    },
    edits: [
      {
        file: "workers/ingestion/store/control.ts",
        find: "  if (entry === undefined)\n    throw new MetrlyError(",
        put: "  if (entry?.kind === undefined && seq < 0)\n    throw new MetrlyError(",
      },
      {
        file: "workers/ingestion/store/control.ts",
        find: 'if (entry.kind !== "event") throw',
        put: 'if (entry?.kind !== "event") throw',
      },
    ],
  },
  {
    name: "takeover-is-an-error",
    wrong: "operators get an alarm each time that another process takes over a partition",
    breaks: "an error in the log is something that somebody must mend",
    reverses: {
      fix: "Log a takeover of a partition as a warning, not an error",
      ownTest: "platform/ledger/consumer.test.ts",
    },
    edits: [
      {
        file: "platform/ledger/consumer.ts",
        find: 'throw new MetrlyError("BUSY", `the mark of',
        put: 'throw new MetrlyError("INTERNAL", `the mark of',
      },
    ],
  },
  {
    name: "refused-read-is-tried-for-ever",
    wrong: "a read of the ledger that ingestion refuses is repeated as if that might help, without an alarm",
    breaks: "what may be retried says so, and nothing else does",
    reverses: {
      fix: "Call a refused read of the ledger an internal error",
      ownTest: "workers/ingestion/http/ledger.test.ts",
    },
    edits: [
      {
        file: "platform/ledger/client.ts",
        find: "status >= 500 || PASSING.has(status)",
        put: "status >= 400 || PASSING.has(status)",
      },
    ],
  },
  {
    name: "part-of-the-ledger-is-the-whole",
    wrong: "a comparison with a ledger that lacks its end corrects totals to less than was used",
    breaks: "what is derived from the ledger has all of it",
    reverses: { fix: "Read ranges of the ledger by one loop", ownTest: "platform/ledger/pages.test.ts" },
    edits: [
      {
        file: "platform/ledger/pages.ts",
        find: "if (nextSeq <= from) throw",
        put: "if (nextSeq <= from) return;\n    if (nextSeq < 0) throw",
      },
    ],
  },
];
