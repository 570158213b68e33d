import fc from "fast-check";
import { expect, test } from "vitest";
import { type Decimal, ZERO } from "#kernel/decimal.js";
import { DAY_MS, HOUR_MS, SECOND_MS } from "#kernel/duration.js";
import type { Transaction } from "#platform/database/database.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import type { MeterState, PriceState, QuotaLimitState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry, RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import { runs } from "../../tests/support/effort.js";
import type { PreparedBackfill } from "./backfill.js";
import type { QuotaCounters, SettleRequest } from "./counters/counters.js";
import { createTenantLimits } from "./gate/tenant-limits.js";
import { seriesOf, UNPLANNED, unplannedDimensions } from "./rules/scopes.js";
import type { QuotaAlert } from "./rules/thresholds.js";
import { usageReadings } from "./rules/usage.js";
import type { UnplannedTotal } from "./rules/usage-reading.js";
import type { UsedCombination } from "./store/combinations.js";
import type { QuotaStore, TotalDelta } from "./store/store.js";
import { createUsageRecorded } from "./usage-recorded.js";

const NOVEMBER = Date.UTC(2026, 10, 1);
const OCTOBER = NOVEMBER - 5 * DAY_MS;
const SEPTEMBER = NOVEMBER - 40 * DAY_MS;
/** In the middle of a second. */
const OVERRIDE_ENDS = NOVEMBER + 12 * HOUR_MS + 500;
const VERSIONS = [10, 11, 12] as const;

const meter = (id: string, changes: Partial<MeterState> = {}): MeterState => ({
  ...{ kind: "meter", id, version: 1, name: id, eventType: "call", aggregation: "COUNT", valueProperty: null },
  ...{ dimensions: [], unit: null, createdInVersion: 1, archivedInVersion: null },
  ...changes,
});
const SUM: Partial<MeterState> = { aggregation: "SUM", valueProperty: "n" };
const METERS = [
  meter("calls"),
  meter("tokens", { ...SUM, dimensions: ["user"] }),
  meter("peak", { ...SUM, aggregation: "MAX" }),
  meter("jobs", { eventType: "job" }),
  meter("seconds", { ...SUM, eventType: "job", archivedInVersion: 11 }),
  meter("later", { ...SUM, eventType: "job", createdInVersion: 12 }),
];
const limit = (changes: Partial<QuotaLimitState>): QuotaLimitState => ({
  ...{ meter: "calls", window: "BILLING_PERIOD", kind: "SOFT", warnAt: ["0.5"], limit: "4" },
  ...changes,
});
const price = (of: string): PriceState => ({
  ...{ meter: of, model: "PER_UNIT", included: "0", unitAmount: "1", packageSize: null, ratePercent: null },
  ...{ tiers: [], divideBy: "1", roundUp: false, minimumAmount: null, maximumAmount: null, discountPercent: "0" },
  where: [],
});
const PLANS: Readonly<Record<string, { limits: QuotaLimitState[]; prices: PriceState[] }>> = {
  plain: { limits: [limit({}), limit({ window: "MINUTE", limit: "3" }), limit({ meter: null })], prices: [] },
  days: { limits: [limit({ meter: "jobs", window: "CALENDAR_WEEK" }), limit({ meter: "seconds" })], prices: [] },
  users: { limits: [limit({ meter: "tokens", window: "HOUR", by: ["user"] })], prices: [] },
  money: {
    limits: [limit({ meter: null, unit: "MONEY", warnEvery: "2" })],
    prices: [price("tokens"), price("later")],
  },
  free: { limits: [], prices: [price("calls")] },
};

const assignment = fc.record({
  planId: fc.constantFrom(...Object.keys(PLANS)),
  planVersion: fc.constant(1),
  effectiveFrom: fc.constantFrom(0, 0, NOVEMBER, NOVEMBER, Date.UTC(2026, 11, 1)),
  inVersion: fc.constantFrom(10, ...VERSIONS),
  cancelledInVersion: fc.constant(null),
});
const arbitraryTenant = fc.record({
  assignments: fc
    .uniqueArray(assignment, { maxLength: 3, selector: ({ effectiveFrom }) => effectiveFrom })
    .map((all) => all.toSorted((a, b) => a.inVersion - b.inVersion)),
  hasOverride: fc.boolean(),
  timeZone: fc.constantFrom("UTC", "Asia/Kathmandu", "America/St_Johns"),
  testClock: fc.option(fc.constantFrom(NOVEMBER + 13 * HOUR_MS, NOVEMBER + 250)),
});

const tenantOf = ({ hasOverride, ...drawn }: typeof arbitraryTenant extends fc.Arbitrary<infer T> ? T : never) => {
  const override = { meter: "calls", window: "BILLING_PERIOD", limit: "2", reason: "r", actor: "a" } as const;
  const state: TenantState = {
    ...{ kind: "tenant", id: "acme", version: 13, name: "Acme", status: "ACTIVE", createdAt: 0, createdInVersion: 1 },
    ...{ graceDays: [], closedInVersion: null, closedAt: null, billingAnchorDay: 1, startsAt: 0, currency: "EUR" },
    ...drawn,
    quotaOverrides: hasOverride ? [{ ...override, inVersion: 11, until: OVERRIDE_ENDS }] : [],
  };
  return state;
};

const arbitraryEvent = fc.record({
  type: fc.constantFrom("call", "job", "other"),
  time: fc
    .tuple(
      fc.constantFrom(OVERRIDE_ENDS, OVERRIDE_ENDS, NOVEMBER, OCTOBER, SEPTEMBER),
      fc.integer({ min: -900, max: 900 }),
    )
    .map(([around, ms]) => around + ms),
  n: fc.constantFrom("1", "2", "0.25", "-1", "none"),
  user: fc.constantFrom("ann", "bob"),
  kind: fc.constantFrom("event", "event", "event", "event", "event", "event", "import", "void"),
  stamp: fc.nat(4),
});

/** In the order of their stamps; a void takes back an earlier event. */
function ledgerOf(drawn: readonly (typeof arbitraryEvent extends fc.Arbitrary<infer T> ? T : never)[]): LedgerEntry[] {
  const events: RecordedEvent[] = [];
  return drawn
    .toSorted((a, b) => a.stamp - b.stamp)
    .map(({ type, time, n, user, kind, stamp }, index): LedgerEntry => {
      const recordedAt = OVERRIDE_ENDS + SECOND_MS * stamp;
      const stamped = { seq: index + 1, recordedAt, tenancyVersion: VERSIONS[stamp % 3 === 2 ? 2 : stamp >> 1] ?? 12 };
      const voided = kind === "void" ? events.shift() : undefined;
      if (voided !== undefined)
        return { kind: "void", ...stamped, tenantId: "acme", reason: "r", actor: "a", event: voided };
      const event: RecordedEvent = {
        ...{ kind: "event", ...stamped, tenantId: "acme", source: "s", id: `e${index}`, type, time },
        ...{ receivedAt: recordedAt, data: JSON.stringify({ n, user }), ...(kind === "import" && { imported: true }) },
      };
      events.push(event);
      return event;
    });
}

/** A database in memory. */
function memoryStore() {
  const totals = new Map<string, { readonly of: Omit<TotalDelta, "delta">; total: Decimal }>();
  const combinations = new Map<string, UsedCombination>();
  const alerts = new Map<string, QuotaAlert>();
  let position = 0;
  const keyOf = ({ meter: series, grain, bucketStart }: Omit<TotalDelta, "delta">) =>
    `${series} ${grain} ${bucketStart}`;
  const store: Partial<QuotaStore> = {
    backfills: async () => [],
    insertBackfill: async () => undefined,
    async movePositions(_, __, seqs) {
      const before = position;
      position = seqs.get("acme") ?? position;
      return new Map([["acme", before]]);
    },
    addUsage: async (_, deltas) =>
      deltas.map(({ delta, ...of }) => {
        const row = totals.get(keyOf(of)) ?? { of, total: ZERO };
        row.total = row.total.plus(delta);
        totals.set(keyOf(of), row);
        return row.total;
      }),
    totalsOf: async (_, windows) => windows.map((of) => totals.get(keyOf(of))?.total ?? ZERO),
    sumsOfDays: async (_, windows) =>
      windows.map(({ meter: series, bucketStart, end }) =>
        [...totals.values()]
          .filter(({ of }) => of.meter === series && of.grain === "CALENDAR_DAY")
          .filter(({ of }) => of.bucketStart >= bucketStart && of.bucketStart < end)
          .reduce((sum, { total }) => sum.plus(total), ZERO),
      ),
    async addCombinations(_, used) {
      for (const one of used) combinations.set(JSON.stringify(one), one);
      return { countOf: () => undefined, committed: () => undefined };
    },
    unplannedTotals: async (_, meters) =>
      meters.flatMap(({ meter: id, since }) =>
        [...combinations.values()]
          .filter(({ scope, periodStart }) => scope === seriesOf(id, UNPLANNED) && periodStart >= since)
          .map(({ combination, periodStart, values }): UnplannedTotal => {
            const of = {
              meter: seriesOf(id, UNPLANNED, combination),
              grain: "BILLING_PERIOD",
              tenantId: "acme",
            } as const;
            const total = totals.get(keyOf({ ...of, bucketStart: periodStart }))?.total ?? ZERO;
            return { ...of, meter: id, dimensions: unplannedDimensions(values), bucketStart: periodStart, total };
          }),
      ),
    emittedOf: async (_, asked) => asked.flatMap(({ id }) => (alerts.has(id) ? [id] : [])),
    async emitAlerts(_, all) {
      const fresh = all.filter(({ id }) => !alerts.has(id));
      for (const alert of fresh) alerts.set(alert.id, alert);
      return fresh.length;
    },
  };
  const seen = () => ({
    totals: new Map(
      [...totals].flatMap(([key, { total }]) => (total.isZero() ? [] : [[key, total.toFixed()] as const])),
    ),
    alerts: [...alerts.values()].map((alert) => JSON.stringify(alert)).sort(),
    combinations: [...combinations.keys()].sort(),
    position,
  });
  return { store: store as QuotaStore, seen };
}

/** What the ledger comes to, when so many entries at a time are applied; "each": every reading for itself, as those of a backfill. */
async function effectOf(tenant: TenantState, ledger: readonly LedgerEntry[], atOnce: number | "each") {
  const clock = { now: () => OVERRIDE_ENDS };
  const tenancy = createTenancyState(clock);
  for (const state of METERS) tenancy.apply({ ...state });
  let version = 1;
  for (const [id, plan] of Object.entries(PLANS)) {
    version += 1;
    const published = { version: 1, publishedAt: 0, publishedInVersion: 1, currency: "EUR", recurringFee: "0" };
    const versions = [{ ...published, minimumCommit: "0", ...plan }];
    tenancy.apply({ kind: "plan", id, version, name: id, archived: false, versions });
  }
  tenancy.apply(tenant);
  const { store, seen } = memoryStore();
  const settled: SettleRequest[] = [];
  const counters = {
    nowOf: () => undefined,
    async settle(request: SettleRequest) {
      settled.push(request);
      return "applied" as const;
    },
  };
  const copy = { ...tenancy.reads, stop: async () => undefined };
  const limits = createTenantLimits(copy, counters, clock);
  const apply = createUsageRecorded({
    ...{ store, tenancy: copy, partitions: 1, onBehind: () => undefined, onAlerts: () => undefined },
    counters: counters as unknown as QuotaCounters,
    ledger: { read: () => Promise.reject(new Error("nothing is read")) },
    limits,
  });
  async function take(...[entries, prepared]: [readonly LedgerEntry[], PreparedBackfill?]): Promise<void> {
    const afterCommit = await apply({} as Transaction, 0, entries, prepared);
    await afterCommit?.();
  }
  const size = atOnce === "each" ? 1 : atOnce;
  for (let at = 0; at < ledger.length; at += size) {
    const entries = ledger.slice(at, at + size);
    const [entry] = entries;
    if (atOnce !== "each" || entry === undefined) await take(entries);
    else {
      const { seq, recordedAt, tenancyVersion } = entry;
      const own = usageReadings(entry, copy.metersOfType, tenant, { scopesAt: limits.scopesOf(tenant) });
      const backfill = { kind: "backfill", seq, recordedAt, tenancyVersion, meterKey: "calls" } as const;
      await take([backfill], { backfill: { meter: meter("calls"), seq }, readings: new Map([["acme", own]]) });
    }
  }
  return {
    ...seen(),
    events: settled.flatMap(({ events }) => events),
    periods: new Map(
      settled.flatMap(({ totals }) => totals.map((one) => [`${one.counter} ${one.periodStart}`, one.total] as const)),
    ),
    seq: settled.at(-1)?.seq,
  };
}

test("usage has the same effect however it is divided into batches, whatever limits it", async () => {
  let told = 0;
  await fc.assert(
    fc.asyncProperty(
      arbitraryTenant,
      fc.array(arbitraryEvent, { maxLength: 60, size: "max" }),
      async (drawn, events) => {
        const tenant = tenantOf(drawn);
        const ledger = ledgerOf(events);
        const alone = await effectOf(tenant, ledger, "each");
        told += alone.alerts.length;
        for (const atOnce of [1, 7, 1_000]) expect(await effectOf(tenant, ledger, atOnce)).toEqual(alone);
      },
    ),
    { numRuns: runs(200) },
  );
  expect(told).toBeGreaterThan(0);
});
