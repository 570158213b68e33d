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
        find: "seen.bytes + own.bytes - seen.ownBytes;",
        put: "seen.bytes + 0 * (own.bytes - seen.ownBytes);",
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
];
