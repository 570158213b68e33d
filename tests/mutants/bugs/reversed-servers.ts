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
  {
    name: "failure-outlives-success",
    wrong:
      "an endpoint that takes everything counts as failing for ever, because of a failure whose transaction was open when a success was noted",
    breaks: "an endpoint is disabled only if its receiver is gone or has failed for five days",
    reverses: {
      fix: "Let no failure outlive a success that was noted while it was",
      ownTest: "workers/notification/store/deliveries.test.ts",
    },
    edits: [
      {
        file: "workers/notification/store/deliveries.ts",
        find: "rowCount === 0 && (await hasFailedSince(tx, key))",
        put: "rowCount === -1 && (await hasFailedSince(tx, key))",
      },
    ],
  },
  {
    name: "unauthenticated-connection-kept",
    wrong:
      "after one late answer to an authentication, a process cannot read single records of the log until it is restarted",
    breaks: "when a fault ends, everything recovers without intervention",
    reverses: {
      fix: "Close a connection to Kafka whose authentication failed",
      ownTest: "platform/event-log/kafka/sasl.faults.test.ts",
    },
    edits: [
      {
        file: "platform/event-log/kafka/client.ts",
        find: "    await this.connection.disconnect();\n",
        put: "",
      },
    ],
  },
  {
    name: "cursor-read-once",
    wrong: "an owner of before stops with a false alarm where the log was trimmed behind the next owner's cursor",
    breaks: "when a fault ends, everything recovers without intervention",
    reverses: {
      fix: "Read a cursor again before the log is said to lack it",
      ownTest: "platform/event-log/postgres/log.test.ts",
    },
    edits: [
      {
        file: "platform/event-log/position.ts",
        find: "    if (position === looked) return false;\n    looked = position;\n    return true;\n",
        put: "    looked = position;\n    return false;\n",
      },
    ],
  },
  {
    name: "dates-in-the-roles-style",
    wrong: "tenancy stops where somebody changed the database's `DateStyle`",
    breaks: "rows are read in one form whatever the server is set to",
    reverses: {
      fix: "Read rows in one form whatever a database or role sets",
      ownTest: "platform/database/profiles.test.ts",
    },
    edits: [{ file: "platform/database/session.ts", find: '  datestyle: "ISO",\n', put: "" }],
  },
  {
    name: "broken-connection-is-a-bug",
    wrong: "a connection to PostgreSQL that breaks is an internal error and an alarm",
    breaks: "what may be retried says so",
    reverses: {
      fix: "Name statements whose connection breaks as refused for now",
      ownTest: "platform/database/session.test.ts",
    },
    edits: [
      {
        file: "platform/database/session.ts",
        find: "error.constructor === Error && sqlStateOf(error) === undefined",
        put: "error.constructor === Error && sqlStateOf(error) === NO_CONNECTION",
      },
    ],
  },
  {
    name: "slow-query-is-an-internal-error",
    wrong:
      "a query that takes the database too long is an internal error, without a word about what to ask for instead",
    breaks: "every refused operation says why",
    reverses: {
      fix: "Answer what to ask for when a query takes the database too long",
      ownTest: "platform/graphql/subgraph.test.ts",
    },
    edits: [
      {
        file: "kernel/database-time.ts",
        find: "  if (isOutOfTime(error))\n    return new MetrlyError(",
        put: "  if (isOutOfTime(error) && isContended(error))\n    return new MetrlyError(",
      },
    ],
  },
  {
    name: "frozen-transaction-blocks-its-partition",
    wrong: "a process that is frozen in a transaction blocks its partition until it ends",
    breaks: "another process takes over a partition within 15 s",
    reverses: {
      fix: "Give every session of PostgreSQL a profile with limits",
      ownTest: "platform/database/profiles.test.ts",
    },
    edits: [
      {
        file: "platform/database/session.ts",
        find: "idle_in_transaction_session_timeout: limits.idleInTransactionMs,",
        put: "idle_in_transaction_session_timeout: limits.idleMs,",
      },
    ],
  },
  {
    name: "consumers-wait-behind-clients",
    wrong: "many slow reads of clients stop recording and billing",
    breaks: "consumers never wait behind clients",
    reverses: {
      fix: "Let no consumer wait for a connection behind clients",
      ownTest: "workers/ingestion/http/lookups.test.ts",
    },
    edits: [
      {
        file: "platform/database/database.ts",
        find: '({ ...database, ...database.under("requests") });',
        put: "({ ...database });",
      },
    ],
  },
  {
    name: "start-ends-at-a-broken-session",
    wrong: "a start ends because the database ended one session in the middle of it",
    breaks: "a start waits for servers that are not there yet",
    reverses: {
      fix: "Go on with a start whose database session ended in the middle of it",
      ownTest: "platform/process/wait-until-reachable.test.ts",
    },
    edits: [
      {
        file: "platform/process/wait-until-reachable.ts",
        find: '  if (isOutOfTime(error) || NO_SESSION.test(sqlStateOf(error) ?? "")) return true;\n',
        put: "",
      },
    ],
  },
  {
    name: "job-queues-never-connect-again",
    wrong: "a process whose first connection of the job queues fails uses a whole core for ever, and ignores signals",
    breaks: "a failure that passes is not remembered",
    reverses: {
      fix: "Let job queues connect again after a first failure",
      ownTest: "platform/job-queue/bullmq/queues.faults.test.ts",
    },
    edits: [
      {
        file: "platform/job-queue/bullmq/queues.ts",
        find: '      Reflect.set(connecting, "readyPromise", undefined);\n',
        put: "",
      },
    ],
  },
  {
    name: "standstill-is-the-logs-silence",
    wrong: "ingestion is unready after its process stood still for a moment",
    breaks: "readiness says what is wrong, and nothing else",
    reverses: {
      fix: "Keep ingestion ready after a standstill of its process",
      ownTest: "workers/ingestion/recorder/readiness.test.ts",
    },
    edits: [
      {
        file: "workers/ingestion/recorder/readiness.ts",
        find: "import { awakeSignal } from",
        put: "import { timeoutSignal as awakeSignal } from",
      },
    ],
  },
];
