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
        find: "if (mark !== known) options.onMovedElsewhere?.(partition);",
        put: "if (known === undefined) options.onMovedElsewhere?.(partition);",
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
  {
    name: "next-plan-ignored-in-retry-after",
    wrong: "a client that waits for `Retry-After` is denied again, by a limit of the plan that begins meanwhile",
    breaks: "`Retry-After` is the earliest time as far as is known",
    reverses: {
      fix: "Consider limits that only the next plan has in Retry-After",
      ownTest: "workers/quota/http/retry-after.test.ts",
    },
    edits: [
      {
        file: "workers/quota/counters/tenant/later.ts",
        find: "beginsAt(charge) > retryAt)) return retryAt;",
        put: "beginsAt(charge) > state.now)) return retryAt;",
      },
    ],
  },
  {
    name: "prunes-by-its-own-clock",
    wrong: "a process whose clock is ahead deletes totals and bounds that still count, and hard limits are overspent",
    breaks: "hard limits are never overspent",
    reverses: { fix: "Prune quota's usage by the counters' clock", ownTest: "workers/quota/store/pruning.test.ts" },
    edits: [
      {
        file: "workers/quota/prune.ts",
        find: "now: await counters.now(), testClocks",
        put: "now: Math.max(Date.now(), await counters.now()), testClocks",
      },
    ],
  },
  {
    name: "bounds-pruned-by-the-systems-clock",
    wrong: "a tenant whose test clock is in the past loses its bounds, and overspends a hard limit after a restart",
    breaks: "hard limits are never overspent",
    reverses: {
      fix: "Rebuild quota's counters as one exact state machine",
      ownTest: "workers/quota/store/pruning.test.ts",
    },
    edits: [
      {
        file: "workers/quota/store/pruning.ts",
        find: "WHERE t.expires_at < h.before AND",
        put: "WHERE t.expires_at < h.before OR FALSE AND",
      },
    ],
  },
  {
    name: "rebuilt-hour-has-two-hours",
    wrong: "after a loss an hourly limit counts the usage of two hours, and denies too much",
    breaks: "a window counts what is in it",
    reverses: {
      fix: "Decide by the counters' clock, briefly awaited, and what holds then",
      ownTest: "workers/quota/counters/tenant/window.test.ts",
    },
    edits: [
      { file: "workers/quota/gate/loader.ts", find: "    now: at,\n", put: "    now: at - 3_600_000,\n" },
      { file: "workers/quota/counters/tenant/window.ts", find: "    if (now === 0) return;\n", put: "" },
    ],
  },
  {
    name: "released-after-midnight-from-the-new-day",
    wrong:
      "a request that is released just after midnight is given back to the new day, which then admits one too many",
    breaks: "a release gives back what was taken, where it was taken",
    reverses: {
      fix: "Give a released request back to the day that it was counted in",
      ownTest: "workers/quota/counters/tenant/tenant.test.ts",
    },
    edits: [
      {
        file: "workers/quota/counters/tenant/admitting.ts",
        find: "found.countedAt ?? found.admittedAt",
        put: "found.admittedAt",
      },
    ],
  },
  {
    name: "tenant-without-a-plan-stays-behind",
    wrong: "quota is unready for ever once it missed usage of a tenant that it does not know",
    breaks: "readiness ends with its cause",
    reverses: {
      fix: "Bring up tenants without a plan, and drop what no usage reaches",
      ownTest: "workers/quota/reconciliation/catch-up.test.ts",
    },
    edits: [
      {
        file: "workers/quota/reconciliation/catch-up.ts",
        find: "    if (unknown.length > 0) await loader.repair(unknown);\n",
        put: "",
      },
    ],
  },
  {
    name: "denials-forgotten-at-a-restart",
    wrong: "why a request was denied cannot be asked after an orderly restart",
    breaks: "an orderly restart keeps everything",
    reverses: {
      fix: "Save explanations of denials with counters in the process",
      ownTest: "workers/quota/counters/memory/memory.test.ts",
    },
    edits: [
      {
        file: "workers/quota/counters/memory/memory.ts",
        find: "if (part.part === TEXTS_PART) texts.restore(part);",
        put: "if (part.part < TEXTS_PART) texts.restore(part);",
      },
    ],
  },
  {
    name: "restart-of-redis-is-a-loss",
    wrong: "each restart of Redis takes up to 2 % of every hard limit, though it lost nothing",
    breaks: "a restart that keeps its data is no loss",
    reverses: {
      fix: "Keep quota's counters across a restart of Redis that lost nothing",
      ownTest: "workers/quota/counters/redis/lives.test.ts",
    },
    edits: [
      {
        file: "workers/quota/counters/redis/lives.ts",
        find: "or (run_id ~= ARGV[1] and ARGV[4] == '') then",
        put: "or run_id ~= ARGV[1] then",
      },
    ],
  },
  {
    name: "older-life-of-redis-comes-back",
    wrong: "a Redis that was restored from an old copy decides without what was admitted since",
    breaks: "hard limits are never overspent",
    reverses: {
      fix: "Count a life of Redis as over once another one has followed it",
      ownTest: "workers/quota/counters/redis/lives.test.ts",
    },
    edits: [
      {
        file: "workers/quota/store/counter-writers.ts",
        find: "FROM counter_writer WHERE life <> $1)`",
        put: "FROM counter_writer WHERE life < $1 AND life > $1)`",
      },
    ],
  },
  {
    name: "redis-that-went-back-goes-on",
    wrong: "a Redis that loaded an earlier copy without a restart decides without what was admitted since",
    breaks: "hard limits are never overspent",
    reverses: {
      fix: "Count a Redis that went back without a restart as another one",
      ownTest: "workers/quota/counters/redis/lives.test.ts",
    },
    edits: [
      {
        file: "workers/quota/counters/redis/lua.ts",
        find: "return number < tonumber(confirmed) and 'back' or number",
        put: "return number",
      },
    ],
  },
  {
    name: "restart-with-another-clock-is-no-loss",
    wrong: "after a restart of Redis whose clock is ahead, admissions leave their window early",
    breaks: "hard limits are never overspent",
    reverses: {
      fix: "Count a restart of Redis with another clock as a loss",
      ownTest: "workers/quota/counters/redis/lives.test.ts",
    },
    edits: [
      {
        file: "workers/quota/counters/redis/server.ts",
        find: "jumped(runId, redisNow, sentAt) ?? notThis",
        put: "notThis",
      },
    ],
  },
  {
    name: "second-loss-hides-admissions",
    wrong: "what was admitted before a second loss, while counters were built after a first one, is admitted again",
    breaks: "hard limits are never overspent",
    reverses: {
      fix: "Build a tenant's counters only where their facts still apply",
      ownTest: "workers/quota/counters/memory/memory.test.ts",
    },
    edits: [
      {
        file: "workers/quota/counters/memory/memory.ts",
        find: `      if (tokenOf(tenantId) !== token) return;
      if (absences.delete(tenantId)) tenants`,
        put: "      if (absences.delete(tenantId) || !tenants.has(tenantId)) tenants",
      },
    ],
  },
  {
    name: "warns-of-each-event",
    wrong: "an override of a limit makes it tell thousands of warnings in a window",
    breaks: "a window tells at most 1,000 multiples",
    reverses: {
      fix: "Bound the alerts of warnEvery at any limit and override",
      ownTest: "workers/quota/rules/thresholds.test.ts",
    },
    edits: [
      {
        file: "workers/quota/rules/thresholds.ts",
        find: "const step = warningStep(limit, warnEvery);",
        put: "const step = warnEvery;",
      },
      {
        file: "workers/quota/rules/thresholds.ts",
        find: "Decimal.min(after.div(step).floor(), MOST_MULTIPLES)",
        put: "after.div(step).floor()",
      },
    ],
  },
  {
    name: "refused-write-is-an-error",
    wrong: "a Redis that is full answers requests with internal errors, and settlements are lost",
    breaks: "a store that refuses counts as one that does not answer",
    reverses: {
      fix: "Rebuild quota's counters as one exact state machine",
      ownTest: "workers/quota/counters/redis/refusals.test.ts",
    },
    edits: [
      {
        file: "workers/quota/counters/redis/server.ts",
        find: "if (error instanceof CountersUnavailable || error instanceof TypeError) throw error;",
        put: "if (error instanceof CountersUnavailable || isReplyError(error)) throw error;",
      },
    ],
  },
  {
    name: "combinations-of-last-period",
    wrong: "users of last month count as known in this one, so that more are admitted than ingestion records",
    breaks: "a hard limit denies a new combination beyond the number",
    reverses: {
      fix: "Count combinations of a period exactly, also those looked at before",
      ownTest: "workers/quota/counters/tenant/how-many.test.ts",
    },
    edits: [
      {
        file: "workers/quota/counters/tenant/combinations.ts",
        find: "else if (held.period < period) renew(state, key);",
        put: "else if (held.period > period) renew(state, key);",
      },
    ],
  },
  {
    name: "copy-remembers-dropped-combinations",
    wrong:
      "beside another process, a tenant gets more combinations than it may have, and memory of those that are gone stays",
    breaks: "a hard limit denies a new combination beyond the number",
    reverses: {
      fix: "Count combinations of a period exactly, also those looked at before",
      ownTest: "workers/quota/counters/tenant/how-many.test.ts",
    },
    edits: [
      {
        file: "workers/quota/counters/tenant/storing.ts",
        find: "if (known?.recorded) reservations.forgetRecorded(known.series);",
        put: "if (known?.recorded && packed !== null) reservations.forgetRecorded(known.series);",
      },
    ],
  },
  {
    name: "soft-limit-keeps-every-invented-user",
    wrong: "a client that invents users under a soft limit on requests fills the memory",
    breaks: "idle combinations cost no memory, and their number is bounded",
    reverses: {
      fix: "Count combinations of a period exactly, also those looked at before",
      ownTest: "workers/quota/counters/tenant/how-many.test.ts",
    },
    edits: [
      {
        file: "workers/quota/counters/tenant/admitting.ts",
        find: "if (isUncounted === true) continue;",
        put: "if (isUncounted === true && charge.meter !== null) continue;",
      },
    ],
  },
];
