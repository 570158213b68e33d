import type { Bug } from "./bug.js";

/** Faults that were there, back in today's code. */
export const REVERSED_FIXES: readonly Bug[] = [
  {
    name: "settlement-under-way-denies",
    wrong: "a tenant is denied with room to spare while its last usage is being settled",
    breaks: "a request within the limit is allowed",
    reverses: {
      fix: "Wait for a settlement that counters lack instead of denying at once",
      ownTest: "workers/quota/reconciliation/catch-up.test.ts",
    },
    edits: [
      {
        file: "workers/quota/gate/gate.ts",
        find: "    await options.repaired(tenantId);\n    return freshness.confirm(tenantId);",
        put: "    return false;",
      },
    ],
  },
  {
    name: "fragments-with-a-prototype",
    wrong: "an operation that spreads a fragment named `constructor` ends in an internal error",
    breaks: "every refused operation says why",
    reverses: { fix: "Look fragments up without a prototype", ownTest: "gateway/operations/limits.test.ts" },
    edits: [{ file: "gateway/operations/fragments.ts", find: "    null,\n", put: "    Object.prototype,\n" }],
  },
  {
    name: "attempt-never-ends-after-101",
    wrong: "a receiver that answers 101 holds a worker until the time-out, for every delivery",
    breaks: "an attempt ends with its answer",
    reverses: {
      fix: "End attempts that a receiver answers with 101",
      ownTest: "workers/notification/delivery/send.test.ts",
    },
    edits: [
      {
        file: "workers/notification/delivery/send.ts",
        find: 'outgoing.on("close", () => reject(',
        put: 'outgoing.on("abort", () => reject(',
      },
    ],
  },
  {
    name: "revoked-key-works-on-a-slow-clock",
    wrong: "a revoked key works on a server whose clock is behind",
    breaks: "a revoked credential is refused",
    reverses: {
      fix: "Refuse a revoked key whatever time it is here",
      ownTest: "platform/auth/api-keys.test.ts",
    },
    edits: [
      {
        file: "platform/auth/api-keys.ts",
        find: "if (key.revokedAt !== null) throw",
        put: "if (key.revokedAt !== null && key.revokedAt <= clock.now()) throw",
      },
    ],
  },
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
    name: "older-state-outlives-the-newer",
    wrong: "after a frozen process published an old state, a later start acts on it",
    breaks: "a copy of tenancy ends at the newest state",
    reverses: {
      fix: "Publish the newest state again when an older one follows it",
      ownTest: "workers/tenancy/main.test.ts",
    },
    edits: [{ file: "platform/tenancy-client/copy.ts", find: "outdated.add(key);", put: "outdated.delete(key);" }],
  },
  {
    name: "trusted-after-another-settled",
    wrong: "decisions lack usage that another process recorded and died before settling",
    breaks: "hard limits are never overspent",
    reverses: {
      fix: "Compare a partition again when another process settled in it",
      ownTest: "platform/ledger/consumer.test.ts",
    },
    edits: [
      {
        file: "platform/ledger/consumer.ts",
        find: "if (mark !== left.get(partition)) options.onMovedElsewhere?.(partition);",
        put: "if (!left.has(partition)) options.onMovedElsewhere?.(partition);",
      },
    ],
  },
  {
    name: "lowering-taken-back",
    wrong: "after a loss of Redis a hard limit is overspent, because a bound rose again in the counters alone",
    breaks: "a durable bound is at least what the counters may admit",
    reverses: {
      fix: "Never take back a lowering of a bound that nobody confirmed",
      ownTest: "workers/quota/counters/tenant/bounds.test.ts",
    },
    edits: [
      {
        file: "workers/quota/counters/tenant/bounds.ts",
        find: `  if (held.bound >= exposure + spare) return { bound: exposure + spare, until };
  return { bound: held.bound > exposure ? held.bound : exposure, until };`,
        put: "  return { bound: exposure + spare, until };",
      },
    ],
  },
  {
    name: "loss-blocks-soft-limits-in-retry",
    wrong: "`Retry-After` is longer than the request has to wait",
    breaks: "`Retry-After` is the earliest time as far as is known",
    reverses: {
      fix: "Let a loss block limits in Retry-After only while they are hard",
      ownTest: "workers/quota/counters/tenant/retry.test.ts",
    },
    edits: [
      {
        file: "workers/quota/counters/tenant/retry.ts",
        find: "let at = from;",
        put: "let at = Math.max(from, counter.blockedUntil);",
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
    name: "rotated-key-outlives-its-issuer",
    wrong: "a key that is about to end gives itself a successor without an end",
    breaks: "no key outlives the key that issued it",
    reverses: {
      fix: "Let no API key outlive the key that issued it",
      ownTest: "workers/tenancy/rules/api-key.test.ts",
    },
    edits: [{ file: "workers/tenancy/rules/api-key.ts", find: ": Math.min(wanted, issuerEnd),", put: ": wanted," }],
  },
  {
    name: "one-silent-store-stops-all-lowering",
    wrong: "limits of all tenants deny too much while one Redis of several does not answer",
    breaks: "a store that fails concerns its own tenants only",
    reverses: {
      fix: "Lower other tenants' bounds while some counters do not answer",
      ownTest: "workers/quota/model/model.test.ts",
    },
    edits: [
      {
        file: "workers/quota/gate/bounds.ts",
        find: "          if (!(error instanceof CountersUnavailable)) throw error;",
        put: "          throw error;",
      },
    ],
  },
  {
    name: "short-window-open-after-a-tenants-loss",
    wrong: "a rate limit is exceeded after Redis evicted the tenant",
    breaks: "short windows deny for their length after a loss",
    reverses: {
      fix: "Block short windows since the moment when a single tenant was lost",
      ownTest: "workers/quota/counters/redis/redis.test.ts",
    },
    edits: [
      {
        file: "workers/quota/counters/redis/node.ts",
        find: "since: Math.max(since, lostAt(token))",
        put: "since: Math.min(since, lostAt(token) || since)",
      },
    ],
  },
  {
    name: "versions-of-other-tenants-are-shown",
    wrong: "a tenant sees the prices that were negotiated with others",
    breaks: "no tenant sees another tenant's data",
    reverses: {
      fix: "Show tenants their own and public plan versions only",
      ownTest: "workers/tenancy/graph/resolvers.test.ts",
    },
    edits: [
      {
        file: "schema/plan-visibility.ts",
        find: "version.public === true || own.has(version.version)",
        put: "version.public === true || own.size > 0",
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
    name: "soft-admissions-uncovered-before-a-hard-limit",
    wrong: "after a loss of Redis a new plan's hard limit is overspent by what the old one admitted",
    breaks: "hard limits are never overspent",
    reverses: {
      fix: "Cover what soft limits admit before a hard one follows",
      ownTest: "workers/quota/gate/loss.test.ts",
    },
    edits: [
      {
        file: "workers/quota/counters/tenant/bounds.ts",
        find: "if (!charge.bounded) return undefined;",
        put: "if (!charge.bounded || charge.hardLimit === null) return undefined;",
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
    name: "untold-bounds-stay",
    wrong: "after an error of Redis, a limit denies what nobody uses until its bound ends",
    breaks: "a bound that nobody needs is lowered",
    reverses: {
      fix: "Lower bounds that the counters were never told of",
      ownTest: "workers/quota/gate/bounds.test.ts",
    },
    edits: [
      {
        file: "workers/quota/gate/bounds.ts",
        find: "      noteUntold(tenantId);\n      throw error;",
        put: "      throw error;",
      },
    ],
  },
  {
    name: "trust-in-others-does-not-end",
    wrong: "decisions lack the usage of a tenant whose settling process died minutes ago",
    breaks: "a decision lacks at most three seconds of usage",
    reverses: {
      fix: "Let trust in tenants that another process settles end",
      ownTest: "workers/quota/gate/freshness.test.ts",
    },
    edits: [
      {
        file: "workers/quota/gate/freshness.ts",
        find: "return now - one.soundAt < TRUST_MS;",
        put: "return now - one.soundAt < 100 * TRUST_MS;",
      },
    ],
  },
  {
    name: "reused-id-ends-the-next-operation",
    wrong:
      "a client that completes an operation and uses its id again at once gets the first one's answer, and a source stays open for ever",
    breaks: "an operation ends with its client",
    reverses: {
      fix: "Let an id of a WebSocket be used again behind complete",
      ownTest: "platform/graphql/sockets/reused-ids.test.ts",
    },
    edits: [
      {
        file: "platform/graphql/sockets/socket.ts",
        find: "{ ...withReusedIds(options.protocol), isProd",
        put: "{ ...(options.protocol ?? withReusedIds(options.protocol)), isProd",
      },
    ],
  },
  {
    name: "query-outlives-its-client",
    wrong: "a query on a socket goes on reading for a client that has left",
    breaks: "an operation ends with its client",
    reverses: { fix: "End a query when its client leaves", ownTest: "gateway/graph.test.ts" },
    edits: [
      {
        file: "gateway/operations/left-clients.ts",
        find: "      client.abort(clientLeft());\n",
        put: "",
      },
    ],
  },
  {
    name: "change-of-a-key-sets-its-last-use-back",
    wrong: "a key that is in use shows an older `lastUsedAt` after a change of it",
    breaks: "what was noted stays noted",
    reverses: {
      fix: "Keep the last use of a key out of the key's state",
      ownTest: "workers/tenancy/store/store.test.ts",
    },
    edits: [
      {
        file: "workers/tenancy/store/rows.ts",
        find: "export function apiKeyState({ lastUsedAt: _, ...row }: ",
        put: "export function apiKeyState(row: ",
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
    name: "four-signals-at-once-hurry",
    wrong: "two quick Ctrl-C under npm end the server before it has drained",
    breaks: "a stop drains what was accepted",
    reverses: {
      fix: "Count signals of one moment as one request to stop",
      ownTest: "cli/server/stop-signals.test.ts",
    },
    edits: [
      {
        file: "cli/server/stop-signals.ts",
        find: 'if (isSameRequest) return "nothing";',
        put: 'if (isSameRequest && signals === 2) return "nothing";',
      },
    ],
  },
  {
    name: "secret-shows-where-an-answer-is-cut",
    wrong: "viewers see a receiver's secret up to its last letter where its answer was cut",
    breaks: "an address of a receiver is shown to nobody",
    reverses: {
      fix: "Mask a receiver's address however it is spelled, and where it is cut",
      ownTest: "kernel/masked-url.test.ts",
    },
    edits: [{ file: "kernel/masked-url.ts", find: "return begun === 0 ? whole :", put: "return begun >= 0 ? whole :" }],
  },
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
    name: "decides-by-its-own-clock",
    wrong: "a process with a wrong clock decides in another billing period, and a hard limit is overspent",
    breaks: "hard limits are never overspent",
    reverses: {
      fix: "Decide by the clock of the counters, not of the process",
      ownTest: "workers/quota/wrong-clock.test.ts",
    },
    edits: [
      {
        file: "workers/quota/gate/tenant-limits.ts",
        find: "counters.nowOf(tenantId) ?? clock.now()",
        put: "clock.now()",
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
        find: "if (from === -1 || state.waiting[from]?.seq !== published + 1) {",
        put: "if (from === -1) {",
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
        file: "workers/ingestion/recorder/dimension-limit.ts",
        find: "if (validAt.get(partition) !== next) forget(partition);",
        put: "if (!validAt.has(partition)) forget(partition);",
      },
    ],
  },
];
