import type { Bug } from "./bug.js";

const RECORDING = "workers/ingestion/recorder/recording.ts";

/** From ingestion, the ledger and billing. */
export const UNSEEN_ACCOUNTING: readonly Bug[] = [
  {
    name: "acknowledged-before-the-log",
    wrong: "a client is told that its events are accepted while the log may still refuse them",
    breaks: "an acknowledged event is never lost",
    unseen: true,
    edits: [
      {
        file: "workers/ingestion/intake/appender.ts",
        find: `      await options.log.append(USAGE_RECEIVED, partition, records);
      for (const part of group) part.done();`,
        put: `      for (const part of group) part.done();
      await options.log.append(USAGE_RECEIVED, partition, records);`,
      },
    ],
  },
  {
    name: "poison-lost-beside-items",
    wrong: "a record that cannot be read vanishes when it arrives together with good ones",
    breaks: "nothing that the log held is dropped silently",
    unseen: true,
    edits: [
      {
        file: RECORDING,
        find: "for (const poison of step.poison) await",
        put: "if (step.elements.length === 0) for (const poison of step.poison) await",
      },
    ],
  },
  {
    name: "repeated-void-hits-the-next-event",
    wrong: "a void that arrives twice also voids the event that was accepted under the key in between",
    breaks: "a void retracts exactly its event",
    unseen: true,
    edits: [
      {
        file: RECORDING,
        find: "if (eventSeq !== undefined && eventSeq !== state.seq) return [];",
        put: "if (eventSeq !== undefined && eventSeq > state.seq) return [];",
      },
    ],
  },
  {
    name: "released-event-stays-in-the-account",
    wrong: "an event accepted from quarantine is in the account both as recorded and as quarantined",
    breaks: "accepted = recorded + duplicates + quarantined",
    unseen: true,
    edits: [{ file: RECORDING, find: "duplicates: 0, quarantined: -1 }]", put: "duplicates: 0, quarantined: 0 }]" }],
  },
  {
    name: "tick-of-a-fast-clock",
    wrong: "a server whose clock is ahead closes periods early",
    breaks: "a period is closed only when its grace time has passed on two clocks",
    unseen: true,
    edits: [
      {
        file: "workers/ingestion/rules/plan-steps.ts",
        find: "Math.abs(control.at - timestamp) > MAX_CLOCK_SKEW_MS",
        put: "timestamp - control.at > MAX_CLOCK_SKEW_MS",
      },
    ],
  },
  {
    name: "one-account-for-all-tenants",
    wrong: "a tenant's account contains the events of others that arrived in the same hour",
    breaks: "each tenant's account adds up",
    unseen: true,
    edits: [
      {
        file: "workers/ingestion/rules/record-items.ts",
        find: `const key = \`\${hour} \${tenantId}\`;`,
        put: `const key = \`\${hour}\`;`,
      },
    ],
  },
  {
    name: "ledger-page-skips-its-end",
    wrong: "a tenant's ledger is read with a hole where a full page ends",
    breaks: "a reader of the ledger sees every entry",
    unseen: true,
    edits: [
      {
        file: "workers/ingestion/store/ledger.ts",
        find: "&& rows.length < limit;",
        put: "&& rows.length <= limit;",
      },
    ],
  },
  {
    name: "edge-capacity-leaks",
    wrong: "the edge answers BUSY for ever after some hours of large requests",
    breaks: "an idle edge accepts events",
    unseen: true,
    edits: [{ file: "workers/ingestion/intake/admission.ts", find: "hold(-own);", put: "hold(-REQUEST_BYTES);" }],
  },
  {
    name: "mark-moved-without-compare",
    wrong: "usage is counted twice when two consumers hold a partition for a moment",
    breaks: "every effect of the ledger happens once",
    unseen: true,
    edits: [
      {
        file: "platform/ledger/consumer.ts",
        find: "SET seq = $3, next_offset = greatest(next_offset, $4) WHERE partition = $1 AND seq = $2",
        put: "SET seq = greatest(seq, $3), next_offset = greatest(next_offset, $4) WHERE partition = $1 AND seq >= $2",
      },
    ],
  },
  {
    name: "minimum-before-discount",
    wrong: "with a discount a line costs less than the minimum of its price",
    breaks: "the order of an invoice line's arithmetic",
    unseen: true,
    edits: [
      {
        file: "schema/rating/pricing.ts",
        find: "...minimumSteps(price, total(discounted))]",
        put: "...minimumSteps(price, total(priced))]",
      },
    ],
  },
  {
    name: "volume-tier-ends-too-early",
    wrong: "usage of exactly a tier's upper bound is priced by the next tier",
    breaks: "`upTo` is inclusive",
    unseen: true,
    edits: [
      {
        file: "schema/rating/pricing.ts",
        find: "const index = tiers.findIndex((tier) => tier.upTo === null || quantity.lte(tier.upTo));",
        put: "const index = tiers.findIndex((tier) => tier.upTo === null || quantity.lt(tier.upTo));",
      },
    ],
  },
  {
    name: "period-billed-by-a-later-plan",
    wrong: "a plan changed after a period ended prices that period",
    breaks: "an invoice is a function of the ledger up to its watermark",
    unseen: true,
    edits: [
      {
        file: "workers/billing/rules/calendar.ts",
        find: "plan: assignedPlan(tenant, period.start, entry.tenancyVersion)",
        put: "plan: assignedPlan(tenant, period.end, tenant.version)",
      },
    ],
  },
  {
    name: "late-event-in-a-closed-invoice",
    wrong: "usage recorded after a period's watermark is on its invoice, and again as an adjustment",
    breaks: "entries up to the watermark belong to the invoice, later ones to the next",
    unseen: true,
    edits: [
      {
        file: "workers/billing/closing/derive.ts",
        find: "usageOf(input.tenantId, input.period, input.watermark),",
        put: "usageOf(input.tenantId, input.period, UNBOUNDED),",
      },
    ],
  },
  {
    name: "merge-across-a-waiting-close",
    wrong: "usage before a period's end disappears from its invoice when its close has to wait",
    breaks: "compaction changes no result",
    unseen: true,
    edits: [
      {
        file: "workers/billing/store/merging.ts",
        find: "AND p.watermark < t.seq) AS segment",
        put: "AND p.watermark < t.seq AND p.status = 'CLOSED') AS segment",
      },
    ],
  },
  {
    name: "void-restores-another-hour",
    wrong: "after a void, a maximum or latest value stays at what was voided, or falls to zero",
    breaks: "a void retracts exactly its event",
    unseen: true,
    hole: { ownTest: "workers/billing/derived.test.ts" },
    edits: [
      {
        file: "workers/billing/usage-recorded.ts",
        find: "hour: hourOf(entry.event.time) }]",
        put: "hour: hourOf(entry.event.receivedAt) }]",
      },
    ],
  },
  {
    name: "adjusts-another-tenants-period",
    wrong: "a tenant's late usage puts another tenant's adjustment on its invoice",
    breaks: "an invoice shows its tenant's usage only",
    unseen: true,
    edits: [
      {
        file: "workers/billing/store/periods.ts",
        find: "JOIN billing_period p ON p.tenant_id = late.tenant_id AND p.start_at < late.start_at",
        put: "JOIN billing_period p ON p.start_at < late.start_at",
      },
    ],
  },
  {
    name: "pause-from-midnight-charged",
    wrong: "the first day of a pause is charged though the pause covers it whole",
    breaks: "a day that a pause covers whole is not charged",
    unseen: true,
    edits: [
      {
        file: "workers/billing/rules/charged-days.ts",
        find: "if (inVersion > version || from > day.start) return false;",
        put: "if (inVersion > version || from >= day.start) return false;",
      },
    ],
  },
  {
    name: "half-cent-rounds-to-even",
    wrong: "an amount of half a cent is rounded down on every second invoice line",
    breaks: "lines are rounded half up",
    unseen: true,
    edits: [{ file: "kernel/money.ts", find: "Decimal.ROUND_HALF_UP", put: "Decimal.ROUND_HALF_EVEN" }],
  },
  {
    name: "periods-in-local-time",
    wrong: "billing periods begin at another hour on a server with another time zone",
    breaks: "periods start at 00:00 UTC",
    unseen: true,
    hole: { ownTest: "kernel/period.test.ts" },
    edits: [
      {
        file: "kernel/period.ts",
        find: "const monthsBack = at.getUTCDate() < anchorDay ? 1 : 0;",
        put: "const monthsBack = at.getDate() < anchorDay ? 1 : 0;",
      },
    ],
  },
  {
    name: "credits-pay-earlier-usage",
    wrong: "credits that are bought today pay for what was used before, so that they are gone at once",
    breaks: "usage draws from grants that were recorded before it",
    edits: [
      {
        file: "workers/billing/credits/fold.ts",
        find: `draws: { uncovered: read.rated, held: [] }, ...read };
    life.periods.set(period.start, begun);`,
        put: `draws: { uncovered: ZERO, held: [] }, ...read };
    life.periods.set(period.start, begun);
    draw(life, begun, stamp, read.rated, period.start);`,
      },
    ],
  },
  {
    name: "credits-by-time-of-recording",
    wrong: "usage that arrives after a grant has expired is not paid by it, though it happened before",
    breaks: "usage draws from grants that expire after its own time",
    edits: [
      {
        file: "workers/billing/credits/fold.ts",
        find: "draw(life, known, step, change, step.time);",
        put: "draw(life, known, step, change, step.recordedAt);",
      },
    ],
  },
  {
    name: "voided-top-value-stays-paid",
    wrong: "credits stay drawn for a maximum whose event was voided",
    breaks: "what usage no longer costs returns to the grants",
    edits: [
      {
        file: "workers/billing/rules/rated-period.ts",
        find: "top === key && after <= 0 ? topOf(values, order) : top;",
        put: "top;",
      },
    ],
  },
  {
    name: "credits-after-the-watermark",
    wrong: "an invoice has credits for usage that came after its period was closed, and the next one has them again",
    breaks: "a closed invoice and its adjustments are the invoice with full knowledge",
    edits: [
      {
        file: "workers/billing/credits/fold.ts",
        find: "      life.openStart = period.end;\n",
        put: "",
      },
    ],
  },
  {
    name: "voided-credits-still-pay",
    wrong: "credits that were taken back pay for usage of a period that had drawn from them before",
    breaks: "what returns to a voided grant counts as voided",
    edits: [
      {
        file: "schema/rating/draw-down.ts",
        find: "!isVoided && drawn.lt(amount);",
        put: "drawn.lt(amount);",
      },
    ],
  },
  {
    name: "early-credits-miss-the-first-period",
    wrong: "credits that were granted before a tenant's first period do not pay what is due at its start",
    breaks: "what is due without usage is drawn when a period begins",
    edits: [
      {
        file: "workers/billing/credits/fold.ts",
        find: "return atMs < first ? first : periodOf(tenant, atMs).end;",
        put: "return periodOf(tenant, Math.max(atMs, first)).end;",
      },
    ],
  },
  {
    name: "first-grant-reads-under-a-batchs-limit",
    wrong:
      "the first credits of a tenant with a million users stop billing of its partition for good: reading its month takes longer than a batch may",
    breaks: "a batch that needs longer than a transaction may take is applied nevertheless",
    edits: [
      {
        file: "workers/billing/credits/fold.ts",
        find: "  if (!fold.isLong) throw new NeedsLongTransaction();\n",
        put: "",
      },
    ],
  },
  {
    name: "used-up-grants-stay-in-line",
    wrong: "each event of a tenant with thousands of used-up grants looks at all of them",
    breaks: "a draw costs by what is left",
    edits: [
      {
        file: "schema/rating/draw-down.ts",
        find: "if (!isOpen(grant)) open.splice(place, 1);",
        put: "if (!isOpen(grant)) place += 1;",
      },
    ],
  },
];
