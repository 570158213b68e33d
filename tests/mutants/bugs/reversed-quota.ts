import type { Bug } from "./bug.js";

/** Faults of quota that were there, back in today's code. */
export const REVERSED_QUOTA: readonly Bug[] = [
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
];
