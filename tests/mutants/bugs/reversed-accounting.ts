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
