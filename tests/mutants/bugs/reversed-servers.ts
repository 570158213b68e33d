import type { Bug } from "./bug.js";

/** Faults with databases, queues and a machine that stands still that were there, back in today's code. */
export const REVERSED_SERVERS: readonly Bug[] = [
  {
    name: "one-caller-holds-all-connections",
    wrong: "one tenant's slow reads keep all others from a service's database",
    breaks: "no tenant takes all of what others share",
    reverses: {
      fix: "Leave connections of a service to others than the busiest caller",
      ownTest: "platform/database/fair-pool.test.ts",
    },
    edits: [
      {
        file: "platform/database/fair-pool.ts",
        find: "perCaller: Math.max(1, config.max - LEFT_TO_OTHERS)",
        put: "perCaller: Math.max(LEFT_TO_OTHERS, config.max)",
      },
    ],
  },
  {
    name: "standby-is-an-internal-error",
    wrong: "while PostgreSQL fails over, clients get an internal error instead of `UNAVAILABLE`",
    breaks: "what may be retried says so",
    reverses: {
      fix: "Keep one list of what a database refuses for now, one deferred promise",
      ownTest: "kernel/errors.test.ts",
    },
    edits: [{ file: "kernel/database-time.ts", find: "|57(?!014)|25006)/", put: "|57(?!014))/" }],
  },
];
