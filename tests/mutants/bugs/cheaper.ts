import type { Bug } from "./bug.js";

/** Slips in what makes counting an event cheaper. */
export const CHEAPER: readonly Bug[] = [
  {
    name: "own-appends-hide-others",
    wrong: "a process that appends to the log passes over what another one appended in between",
    breaks: "nothing that the log held is dropped silently",
    edits: [
      {
        file: "platform/event-log/postgres/tails.ts",
        find: "if (endOf(place) !== first.offset) byPlace.set(place, []);",
        put: "if (endOf(place) === undefined) byPlace.set(place, []);",
      },
    ],
  },
  {
    name: "held-mark-outlives-a-takeover",
    wrong: "a consumer whose partition another one took for a moment never goes on",
    breaks: "when a fault ends, everything recovers without intervention",
    edits: [{ file: "platform/ledger/consumer.ts", find: "        held.delete(batch.partition);\n", put: "" }],
  },
  {
    name: "merged-behind-what-is-judged",
    wrong: "an alert tells less usage than there was when it was caused",
    breaks: "alerts do not depend on how usage is divided into batches",
    edits: [
      {
        file: "workers/quota/usage-recorded.ts",
        find: "usage.readings.push(...usage.merged.finish(), ...readings);",
        put: "usage.readings.push(...readings, ...usage.merged.finish());",
      },
    ],
  },
  {
    name: "limited-beside-unlimited",
    wrong: "usage of a meter with a limit settles no reservation if another meter without one counts the same events",
    breaks: "the recorded event settles its reservation",
    edits: [
      {
        file: "workers/quota/rules/merged-readings.ts",
        find: "if (!meters.every((meter) => isUnlimited(",
        put: "if (!meters.some((meter) => isUnlimited(",
      },
    ],
  },
  {
    name: "backlog-between-two-looks",
    wrong: "an edge takes far more usage than may wait while it does not look",
    breaks: "what waits to be recorded is bounded",
    edits: [
      {
        file: "workers/ingestion/intake/backlog.ts",
        find: "seen.bytes + own - seen.own;",
        put: "seen.bytes + 0 * (own - seen.own);",
      },
    ],
  },
  {
    name: "other-payload-is-a-repeat",
    wrong:
      "an event that was sent again with other content is answered as a duplicate, and is never shown as a conflict",
    breaks: "same key, another fingerprint: quarantined",
    edits: [
      {
        file: "workers/ingestion/intake/recently-acknowledged.ts",
        find: "!== word(key, index) || table",
        put: "!== word(key, index) && table",
      },
    ],
  },
  {
    name: "backlog-by-its-newest-records",
    wrong:
      "large usage that waits counts for nothing as soon as small usage follows: the log grows far beyond its limit",
    breaks: "what waits to be recorded is bounded",
    reverses: {
      fix: "Measure what waits to be recorded by the records that wait",
      ownTest: "workers/ingestion/intake/backlog.test.ts",
    },
    edits: [
      {
        file: "workers/ingestion/intake/backlog.ts",
        find: "return left + countOf(added) * (await sizeOf([added]));",
        put: "return 0 * left + countOf(waiting) * (await sizeOf([added]));",
      },
    ],
  },
  {
    name: "no-disk-left-to-record",
    wrong: "usage is taken until the embedded database's disk has no space left to record it",
    breaks: "everything drains afterwards",
    reverses: {
      fix: "Measure what waits to be recorded by the records that wait",
      ownTest: "workers/ingestion/intake/backlog.test.ts",
    },
    edits: [
      {
        file: "workers/ingestion/intake/backlog.ts",
        find: "(free - minFreeBytes) / RECORDING_TAKES;",
        put: "(free - minFreeBytes) * Number.MAX_SAFE_INTEGER * RECORDING_TAKES;",
      },
    ],
  },
  {
    name: "pauses-add-up",
    wrong: "with many partitions under load usage is in the totals a second late, also that of tenants without load",
    breaks: "usage is in the totals within 300 ms",
    reverses: {
      fix: "Let the recorder's pauses not add up, nor slow a log that is behind",
      ownTest: "workers/ingestion/recorder/pace.test.ts",
    },
    edits: [
      {
        file: "workers/ingestion/recorder/pace.ts",
        find: "Math.min(1, PARTITIONS_AT_ONCE / partitions)",
        put: "Math.max(1, partitions / partitions / PARTITIONS_AT_ONCE)",
      },
    ],
  },
  {
    name: "stopped-before-it-began",
    wrong: "a consumer that was stopped still works on what its process appended",
    breaks: "stop delivers nothing after it",
    reverses: {
      fix: "Deliver nothing to a consumer that was stopped before it began",
      ownTest: "platform/event-log/postgres/log.test.ts",
    },
    edits: [
      {
        file: "platform/event-log/postgres/consumer.ts",
        find: "      if (stopping.aborted) return;\n      let records",
        put: "      let records",
      },
    ],
  },
];
