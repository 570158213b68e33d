import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formatDecimal, sumDecimals, ZERO } from "#kernel/decimal.js";
import { DAY_MS, HOUR_MS } from "#kernel/duration.js";
import { formatMoney } from "#kernel/money.js";
import { periodAt } from "#kernel/period.js";
import { migrationsDirOf } from "#platform/process/package-root.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import { type invoiceV2, readInvoice } from "#schema/events/invoice.v2.js";
import type { MeterState, PlanState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import { type Aggregation, PRICE_MODELS } from "#schema/vocabulary.js";
import { hasPostgres } from "../../tests/servers/servers.js";
import { runs } from "../../tests/support/effort.js";
import { daysOf, planTerms } from "./closing/derive.js";
import { mergeRecorded } from "./merge.js";
import { rebuild } from "./rebuild/rebuild.js";
import { chargeLines, type PlanTerms, type QuantityOfPrice } from "./rules/invoice-lines.js";
import { cellsOf, quantityOf, type UsageCell } from "./rules/usage.js";
import { totalsOf } from "./rules/usage-totals.js";
import { readDrawn } from "./store/credits.js";
import { invoicedAmounts } from "./store/invoices.js";
import { listEnded } from "./store/periods.js";
import { UNBOUNDED } from "./store/usage.js";
import { createInvoiceVerifier } from "./verify.js";
import {
  allCells,
  at,
  type BillingWorld,
  billingWorld,
  creditGrant,
  creditVoid,
  type DraftEntry,
  ledgerClientOf,
  ledgerOf,
  meter,
  PARTITIONS,
  planVersion,
  price,
  type TestLedger,
  tenant,
  tenantOn,
  usage,
} from "./world.testing.js";

/** The quantity that a price charges, from a period's cells. */
function quantities(
  tenancy: TenancyCopy,
  { terms: { prices } }: PlanTerms,
  cells: readonly UsageCell[],
): QuantityOfPrice {
  return (price) => {
    const state = tenancy.meter(price.meter);
    if (state === undefined) throw new Error(`no meter ${price.meter}`);
    return quantityOf(state.aggregation, cellsOf(price, prices, state, cells));
  };
}

const FIRST = at("2026-01-14T00:00:00");
/** Usage happens at few moments, so that events before and after a watermark meet in the same hour. */
const SLOT_MS = 12 * DAY_MS;
const RUNS = runs(40);

/** One thing that happens to a tenant; numbers choose among what is there when it happens. */
type Happening =
  | { kind: "usage"; slot: number; region: string; value: number; user: number; type: string }
  | { kind: "void"; which: number }
  | { kind: "wait"; days: number }
  | { kind: "tick" }
  | { kind: "close" }
  | { kind: "plan"; version: number }
  | { kind: "grace"; days: number }
  | { kind: "backfill" }
  | { kind: "pause" }
  | { kind: "resume" }
  | { kind: "leave" }
  | { kind: "grant"; amount: number; priority: number; lasts: number | null; which: number }
  | { kind: "revoke"; which: number };

const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("usage" as const),
      slot: fc.integer({ min: 0, max: 12 }),
      region: fc.constantFrom("eu", "us"),
      value: fc.integer({ min: -300, max: 3000 }),
      user: fc.integer({ min: 1, max: 4 }),
      type: fc.constantFrom("api.request", "job.run", "nobody.counts"),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("void" as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait" as const), days: fc.integer({ min: 0, max: 40 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("tick" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("close" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("plan" as const), version: fc.integer({ min: 1, max: 2 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("backfill" as const, "pause" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("resume" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("grace" as const), days: fc.integer({ min: 0, max: 28 }) }) },
);
/** Of some ids repeatedly: a repeat has no effect. */
const credits: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("grant" as const),
      amount: fc.integer({ min: 1, max: 1_500 }),
      priority: fc.integer({ min: 0, max: 1 }),
      lasts: fc.option(fc.integer({ min: 1, max: 60 }), { nil: null }),
      which: fc.nat(9),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("revoke" as const), which: fc.nat(9) }) },
);

/** Ends the tenant's life, once in a while: what comes then is only what was on its way. */
const leave = fc.record({ kind: fc.constant("leave" as const) });

const stories = (maxLength: number): fc.Arbitrary<Happening[]> =>
  fc
    .tuple(
      fc.array(happening, { minLength: 10, maxLength, size: "max" }),
      fc.option(leave, { freq: 3 }),
      fc.array(happening, { maxLength: 20 }),
      // Half of the tenants have none.
      fc.array(fc.tuple(fc.nat(), credits), { maxLength: 6 }),
      fc.boolean(),
    )
    .map(([life, end, after, granted, isGranted]) => {
      const story = [...life, ...(end === null ? [] : [end]), ...after];
      if (isGranted) for (const [place, one] of granted) story.splice(place % (story.length + 1), 0, one);
      return story;
    });

/**
 * Writes the story into a ledger, stamped with the tenancy of the moment, and answers the tenant as it is in the end. A close
 * names the period before the running one, which may or may not be the next to close.
 */
function tell(
  shared: TestLedger,
  tenantId: string,
  story: readonly Happening[],
): { life: TenantState; lateMeters: MeterState[] } {
  const lateMeters: MeterState[] = [];
  let now = FIRST + DAY_MS;
  let life: TenantState = lifeOf(tenantId);
  const ledger = {
    ...shared,
    record: (draft: DraftEntry) => shared.record({ ...draft, tenancyVersion: life.version } as DraftEntry),
  };
  const unvoided: string[] = [];
  for (const [index, part] of story.entries()) {
    if (part.kind === "usage") {
      const data = { region: part.region, value: String(part.value / 8), user: part.user };
      const when = Math.min(now, FIRST + part.slot * SLOT_MS);
      const type = part.type === "nobody.counts" ? orphanType(tenantId) : part.type;
      ledger.record({
        ...usage(tenantId, `e${index}`, when, data, type),
        receivedAt: now,
        recordedAt: now,
      } as DraftEntry);
      unvoided.push(`e${index}`);
    } else if (part.kind === "void") {
      const [id] = unvoided.splice(part.which % Math.max(1, unvoided.length), 1);
      if (id !== undefined) ledger.record({ ...ledger.voidOf(id), recordedAt: now });
    } else if (part.kind === "wait") {
      now += part.days * DAY_MS;
    } else if (part.kind === "tick") {
      ledger.record({ kind: "tick", at: now });
    } else if (part.kind === "backfill") {
      // The relay may repeat what it has sent.
      const made = lateMeter(tenantId, lateMeters.length, life.version + 1);
      const known = lateMeters.at(-1);
      if (made !== undefined) {
        life = { ...life, version: life.version + 1 };
        lateMeters.push(made);
      }
      const meterKey = (made ?? known)?.id ?? "";
      ledger.record({ kind: "backfill", meterKey, recordedAt: now } as DraftEntry);
    } else if (part.kind === "grant") {
      const { priority, lasts, which } = part;
      const expiresAt = lasts === null ? {} : { expiresAt: now + lasts * DAY_MS };
      ledger.record(creditGrant(tenantId, `g${which}`, String(part.amount / 100), { ...expiresAt, priority, at: now }));
    } else if (part.kind === "revoke") {
      ledger.record(creditVoid(tenantId, `g${part.which}`, now));
    } else if (part.kind !== "close") {
      life = changed(life, part, now);
    } else {
      const monthAgo = new Date(now - 31 * DAY_MS);
      const periodStart = Date.UTC(monthAgo.getUTCFullYear(), monthAgo.getUTCMonth(), 14);
      ledger.record({ kind: "close", tenantId, periodStart, actor: "test", recordedAt: now });
    }
  }
  const never = [0, 1].flatMap((n) => (n < lateMeters.length ? [] : (lateMeter(tenantId, n, 1_000_000) ?? [])));
  return { life, lateMeters: [...lateMeters, ...never] };
}

const orphanType = (tenantId: string): string => `orphan.${tenantId}`;

/** Each tenant's own two meters for what nobody counts at first. */
function lateMeter(tenantId: string, n: number, version: number): MeterState | undefined {
  const changes = [
    { aggregation: "SUM", valueProperty: "value", dimensions: ["region"] },
    { aggregation: "MAX", valueProperty: "value", dimensions: [] },
  ] as const;
  const change = changes[n];
  if (change === undefined) return undefined;
  const terms = { ...change, dimensions: [...change.dimensions], eventType: orphanType(tenantId) };
  return meter(`late${n}_${tenantId}`, { ...terms, version, createdInVersion: version });
}

/** What tenancy does: a plan takes effect with the next period, and a closed tenant changes no more. */
function changed(
  life: TenantState,
  part: Extract<Happening, { kind: "plan" | "grace" | "pause" | "resume" | "leave" }>,
  now: number,
): TenantState {
  if (life.status === "CLOSED") return life;
  const inVersion = life.version + 1;
  const pauses = life.billingPauses ?? [];
  const resumed = pauses.map((pause) =>
    pause.until === null ? { ...pause, until: now, endedInVersion: inVersion } : pause,
  );
  switch (part.kind) {
    case "leave": {
      const end = { status: "CLOSED", closedInVersion: inVersion, closedAt: now, billingPauses: resumed } as const;
      return { ...life, version: inVersion, ...end };
    }
    case "pause": {
      const begun = { from: now, until: null, inVersion, endedInVersion: null };
      const isPaused = pauses.some(({ until }) => until === null);
      return isPaused ? life : { ...life, version: inVersion, billingPauses: [...pauses, begun] };
    }
    case "resume":
      return { ...life, version: inVersion, billingPauses: resumed };
    case "grace":
      return { ...life, version: inVersion, graceDays: [...life.graceDays, { days: part.days, inVersion }] };
    case "plan": {
      const effectiveFrom = periodAt(now, life.billingAnchorDay).end;
      const kept = life.assignments.map((a) =>
        a.cancelledInVersion === null && a.effectiveFrom >= effectiveFrom ? { ...a, cancelledInVersion: inVersion } : a,
      );
      const added = {
        planId: planIdOf(life.id),
        planVersion: part.version,
        effectiveFrom,
        inVersion,
        cancelledInVersion: null,
      };
      return { ...life, version: inVersion, assignments: [...kept, added] };
    }
  }
}

const onJobs = { eventType: "job.run", valueProperty: "value", dimensions: ["region"] };
/** One meter of each aggregation: what its values cost is derived in several ways and compared. */
const METERS: Readonly<Record<Aggregation, MeterState>> = {
  COUNT: meter("calls", { dimensions: ["region"] }),
  SUM: meter("tokens", { aggregation: "SUM", valueProperty: "value", dimensions: ["region"] }),
  MAX: meter("peak", { ...onJobs, aggregation: "MAX" }),
  LATEST: meter("level", { ...onJobs, aggregation: "LATEST" }),
  UNIQUE: meter("users", { ...onJobs, aggregation: "UNIQUE", valueProperty: "user" }),
};

function configure(world: BillingWorld): void {
  for (const one of Object.values(METERS)) world.state.apply(one);
}

const planIdOf = (tenantId: string): string => `pro_${tenantId}`;

function planOf(tenantId: string): PlanState {
  const tiers = [
    { upTo: "2", unitAmount: "1.005", flatAmount: "0.5" },
    { upTo: "5", unitAmount: "0.333", flatAmount: "0" },
    { upTo: null, unitAmount: "0.1", flatAmount: "2" },
  ];
  const late = [
    price({
      meter: `late0_${tenantId}`,
      model: "PER_UNIT",
      unitAmount: "0.07",
      where: [{ dimension: "region", value: "eu" }],
    }),
    price({ meter: `late1_${tenantId}`, model: "PER_UNIT", unitAmount: "0.11" }),
  ];
  return {
    kind: "plan",
    id: planIdOf(tenantId),
    version: 1,
    name: "Pro",
    archived: false,
    versions: [
      planVersion({
        recurringFee: "9.99",
        recurringFeeProration: "DAILY",
        minimumCommit: "30",
        prices: [
          price({ meter: "calls", model: "GRADUATED", tiers, where: [{ dimension: "region", value: "eu" }] }),
          price({ meter: "calls", model: "VOLUME", tiers, catchAll: true }),
          price({ meter: "tokens", model: "PERCENTAGE", ratePercent: "1.25", divideBy: "3", minimumAmount: "0.015" }),
          price({ meter: "peak", model: "PER_UNIT", unitAmount: "0.015", divideBy: "3", discountPercent: "10" }),
          price({ meter: "users", model: "PACKAGE", packageSize: "2", unitAmount: "4.5", maximumAmount: "8" }),
          ...late,
        ],
      }),
      planVersion({
        version: 2,
        recurringFee: "7",
        prices: [
          price({ meter: "level", model: "PER_UNIT", unitAmount: "0.07", included: "10" }),
          price({
            meter: "tokens",
            model: "PACKAGE",
            packageSize: "100",
            unitAmount: "1",
            roundUp: true,
            divideBy: "7",
          }),
          price({ meter: "users", model: "FLAT", unitAmount: "3" }),
          ...late,
        ],
      }),
    ],
  };
}

const lifeOf = (id: string) => {
  const assigned = (planVersion: number, from: string) => ({
    planId: planIdOf(id),
    planVersion,
    effectiveFrom: at(from),
    inVersion: 1,
    cancelledInVersion: null,
  });
  return tenant(id, {
    billingAnchorDay: 14,
    startsAt: FIRST,
    beganAt: FIRST + 3 * DAY_MS + 1,
    graceDays: [{ days: 2, inVersion: 1 }],
    assignments: [assigned(1, "2026-01-14T00:00:00"), assigned(2, "2026-04-14T00:00:00")],
  });
};

async function differencesAfterRebuild(world: BillingWorld, tenantId: string, ledger: TestLedger): Promise<unknown[]> {
  const { database, tenancy, clock } = world;
  const options = { database, tenancy, clock, ledger: ledgerClientOf([ledger]), partitions: PARTITIONS };
  const beside = { migrationsDir: migrationsDirOf("billing"), onError: () => undefined };
  const differences: unknown[] = [];
  for await (const step of rebuild({ ...options, ...beside }, { tenantId, checkOnly: true }))
    if (step.kind === "compared" && step.comparison.difference !== undefined) differences.push(step.comparison);
  return differences;
}

test("the stories' plans have prices of every model", () => {
  const models = planOf("acme").versions.flatMap(({ prices }) => prices.map(({ model }) => model));
  expect(new Set(models)).toEqual(new Set(PRICE_MODELS));
});

describe.skipIf(!hasPostgres)("what billing derives from any ledger", () => {
  const worlds: BillingWorld[] = [];
  let nextPartition = 0;

  beforeAll(async () => {
    // The second one prepares backfills in as many parts as it can.
    worlds.push(await billingWorld(), await billingWorld({ partLimits: { cells: 2, changes: 3, text: 1_000 } }));
    for (const world of worlds) configure(world);
  });
  afterAll(() => Promise.all(worlds.map((world) => world.stop())));

  /** The same story in a partition that no other run uses. */
  function begin(story: readonly Happening[]): { tenantId: string; ledger: TestLedger } {
    const partition = nextPartition++;
    const tenantId = tenantOn(partition);
    const ledger = ledgerOf(partition);
    const { life, lateMeters } = tell(ledger, tenantId, story);
    for (const world of worlds) for (const state of [planOf(tenantId), ...lateMeters, life]) world.state.apply(state);
    return { tenantId, ledger };
  }

  const world = (index: number): BillingWorld => {
    const found = worlds[index];
    if (found === undefined) throw new Error("two worlds were begun");
    return found;
  };

  const mergeAll = ({ database, tenancy }: BillingWorld): Promise<number> =>
    mergeRecorded({ database, tenancy, partitions: PARTITIONS }, UNBOUNDED);

  async function dominatedOf({ database }: BillingWorld, tenantId: string): Promise<number> {
    const sql = "SELECT count(*)::int AS n FROM usage_delta WHERE tenant_id = $1 AND covered";
    return (await database.pool.query<{ n: number }>(sql, [tenantId])).rows[0]?.n ?? 0;
  }

  /** Of the tenant's whole life and as of each watermark, by hour. */
  async function totalsIn({ database, tenancy }: BillingWorld, tenantId: string) {
    const ended = (await listEnded(database.pool, [{ tenantId, before: UNBOUNDED, take: 1_000 }])).flat();
    const bounds = { from: 0, to: UNBOUNDED, recordedBefore: UNBOUNDED, meter: null, bucketMs: HOUR_MS };
    const watermarks = [UNBOUNDED, ...ended.map(({ watermark }) => watermark)];
    const queries = watermarks.map((maxSeq) => ({ ...bounds, tenantId, maxSeq }));
    const cells = await allCells(database, queries);
    return watermarks
      .map((maxSeq, query) =>
        [...tenancy.meters()].flatMap((state) =>
          totalsOf(
            state,
            (cells[query] ?? []).filter((cell) => cell.meter === state.id),
            state.dimensions,
          ).map((total) => JSON.stringify({ maxSeq, ...total })),
        ),
      )
      .map((totals) => totals.sort());
  }

  /** All that is kept of credits: amounts as they were drawn, and what the next change needs. */
  async function creditsIn({ database: { pool } }: BillingWorld, tenantId: string) {
    const tables = ["grant", "tenant", "period", "held", "draw", "price", "value"].map((name) => `credit_${name}`);
    return Promise.all(
      tables.map(async (table) => {
        const { rows } = await pool.query<{ row: string }>(
          `SELECT row(t.*)::text AS row FROM ${table} t WHERE tenant_id = $1 ORDER BY 1`,
          [tenantId],
        );
        return rows.map(({ row }) => row.replaceAll(/(\.\d*?)0+(?=[,)])/g, "$1").replaceAll(/\.(?=[,)])/g, ""));
      }),
    );
  }

  test("does not depend on batch boundaries, merging, restarts or when closes run: invoices are equal byte for byte", async () => {
    let [merged, dominated] = [0, 0];
    const splits = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(stories(60), splits, async (story, sizes) => {
        const { tenantId, ledger } = begin(story);
        await world(0).deliver(ledger);
        await world(0).close(tenantId);
        for (const size of sizes) {
          const known = ledger.entries.length;
          await world(1).deliver({ ...ledger, entries: ledger.entries.slice(0, Math.min(size * 5, known)) }, [size]);
          if (size % 2 === 0) world(1).restart();
          if (size % 3 === 0) await world(1).close(tenantId);
          if (size % 4 !== 0) await mergeAll(world(1));
        }
        await world(1).deliver(ledger, sizes);
        await world(1).close(tenantId);
        merged += await mergeAll(world(1));
        dominated += await dominatedOf(world(1), tenantId);
        expect(await totalsIn(world(1), tenantId)).toEqual(await totalsIn(world(0), tenantId));
        const [whole, split] = [await world(0).invoices(tenantId), await world(1).invoices(tenantId)];
        expect(split.map((i) => i.document)).toEqual(whole.map((i) => i.document));
        expect(await creditsIn(world(1), tenantId)).toEqual(await creditsIn(world(0), tenantId));
        expect(await differencesAfterRebuild(world(1), tenantId, ledger)).toEqual([]);
      }),
      { numRuns: RUNS },
    );
    expect(merged).toBeGreaterThan(RUNS / 4);
    expect(dominated).toBeGreaterThan(RUNS / 4);
  });

  test("does not change by merging while events of one hour are voided, whenever they had arrived", async () => {
    let dominated = 0;
    const event = fc.record({ value: fc.integer({ min: 1, max: 9 }), daysLate: fc.integer({ min: 0, max: 2 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(event, { minLength: 3, maxLength: 6 }),
        fc.infiniteStream(fc.nat()),
        async (events, which) => {
          const { tenantId, ledger } = begin([]);
          const time = FIRST + 5 * DAY_MS;
          for (const [index, { value, daysLate }] of events.entries()) {
            const arrived = { receivedAt: time + daysLate * DAY_MS, recordedAt: time + 2 * DAY_MS };
            const data = { region: "eu", value: String(value), user: value };
            ledger.record({ ...usage(tenantId, `e${index}`, time, data, "job.run"), ...arrived } as DraftEntry);
          }
          const left = events.map((_, index) => `e${index}`);
          for (;;) {
            await world(0).deliver(ledger);
            await world(1).deliver(ledger);
            await mergeAll(world(1));
            dominated += await dominatedOf(world(1), tenantId);
            expect(await totalsIn(world(1), tenantId)).toEqual(await totalsIn(world(0), tenantId));
            const [id] = left.splice(which.next().value % Math.max(1, left.length), 1);
            if (id === undefined) break;
            ledger.record({ ...ledger.voidOf(id), recordedAt: time + 2 * DAY_MS });
          }
        },
      ),
      { numRuns: runs(5) },
    );
    expect(dominated).toBeGreaterThan(0);
  });

  test("agrees with the verifier on every invoice", async () => {
    const seen = { invoices: 0, unpriced: 0, ofDays: 0, quantitiesAlone: 0 };
    await fc.assert(
      fc.asyncProperty(stories(80), async (story) => {
        const { tenantId, ledger } = begin(story);
        await world(0).deliver(ledger, [7, 1, 13]);
        await world(0).close(tenantId);
        const verifier = createInvoiceVerifier({
          ledger: ledgerClientOf([ledger]),
          tenancy: world(0).tenancy,
          partitions: PARTITIONS,
        });
        for (const invoice of await world(0).invoices(tenantId)) {
          expect((await verifier.verify(invoice)).differences).toEqual([]);
          expect((await verifier.verify(invoice)).matches).toBe(true);
          const { lines, unpricedUsage } = readInvoice(invoice.document) as ReturnType<typeof invoiceV2.parse>;
          seen.invoices += 1;
          seen.unpriced += unpricedUsage.length;
          seen.ofDays += lines.filter(({ description }) => description.includes(" days)")).length;
          seen.quantitiesAlone += lines.filter((l) => l.kind === "ADJUSTMENT" && Number(l.amount) === 0).length;
        }
      }),
      { numRuns: RUNS },
    );
    expect(seen.invoices).toBeGreaterThan(RUNS / 4);
    expect(seen.unpriced).toBeGreaterThan(0);
    expect(seen.ofDays).toBeGreaterThan(0);
    expect(seen.quantitiesAlone).toBeGreaterThan(0);
  });

  test("a closed invoice and its adjustments together are the invoice with full knowledge, to the cent", async () => {
    let credits = 0;
    await fc.assert(
      fc.asyncProperty(stories(80), async (story) => {
        const { tenantId, ledger } = begin([...story, { kind: "wait", days: 40 }, { kind: "tick" }]);
        await world(0).deliver(ledger, [11]);
        await world(0).close(tenantId);
        const { pool } = world(0).database;
        const ended = (await listEnded(pool, [{ tenantId, before: UNBOUNDED, take: 1000 }])).flat();
        for (const { period, plan, watermark, tenancyVersion } of ended) {
          if (plan === undefined) continue;
          // Full knowledge: everything up to the last watermark, which is the newest period's.
          const maxSeq = ended[0]?.watermark ?? watermark;
          const query = {
            tenantId,
            from: period.start,
            to: period.end,
            maxSeq,
            recordedBefore: UNBOUNDED,
            meter: null,
            bucketMs: 0,
          };
          const { tenancy } = world(0);
          const terms = planTerms(tenancy, plan);
          const full = chargeLines(
            period,
            terms,
            quantities(tenancy, terms, (await allCells(world(0).database, [query])).flat()),
            daysOf(tenancy, terms, { tenantId, period, tenancyVersion }),
          );
          const ofPeriod = await invoicedAmounts(pool, [{ tenantId, start: period.start }]);
          const [invoiced, paid] = [
            ofPeriod.filter(({ kind }) => kind !== "CREDIT"),
            ofPeriod.filter(({ kind }) => kind === "CREDIT"),
          ];
          const used = sumDecimals(full.filter(({ kind }) => kind === "USAGE").map((line) => line.amount));
          const credited = sumDecimals(paid.map(({ amount }) => amount)).neg();
          expect(credited.gte(0) && credited.lte(used)).toBe(true);
          credits += paid.length;
          const [drawn] = await readDrawn(pool, [
            { tenantId, start: period.start, openThrough: ended[0]?.period.start ?? 0 },
          ]);
          for (const { grantId, amount } of drawn ?? []) {
            const line = paid.find((one) => one.grantId === grantId);
            expect(formatMoney((line?.amount ?? ZERO).neg(), "EUR")).toBe(formatMoney(amount, "EUR"));
          }
          for (const line of full) {
            const known = invoiced.find(
              (i) => i.kind === line.identity.kind && i.priceIndex === line.identity.priceIndex,
            );
            expect(formatMoney(known?.amount ?? ZERO, "EUR")).toBe(formatMoney(line.amount, "EUR"));
            expect(formatDecimal(known?.quantity ?? ZERO)).toBe(formatDecimal(line.quantity));
          }
          expect(formatDecimal(sumDecimals(invoiced.map((i) => i.amount)))).toBe(
            formatDecimal(sumDecimals(full.map((line) => line.amount))),
          );
        }
      }),
      { numRuns: RUNS },
    );
    expect(credits).toBeGreaterThan(0);
  });

  test("accounting adds up and does not depend on batch boundaries: every event is counted or unmetered, by its type too", async () => {
    let moved = 0;
    await fc.assert(
      fc.asyncProperty(
        stories(80),
        fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 12 }),
        async (story, sizes) => {
          const { tenantId, ledger } = begin(story);
          await world(0).deliver(ledger);
          await world(1).deliver(ledger, sizes);
          const accounts = await Promise.all(worlds.map((one) => accountOf(one, tenantId)));
          expect(accounts[1]).toEqual(accounts[0]);
          const events = ledger.entries.filter((entry) => entry.kind === "event");
          const [account] = accounts;
          expect((account?.counted ?? 0) + (account?.unmetered ?? 0)).toBe(events.length);
          expect(account?.ofTypes).toBe(account?.unmetered);
          const orphans = events.filter(({ type }) => type === orphanType(tenantId));
          moved += orphans.length - (account?.unmetered ?? 0);
        },
      ),
      { numRuns: RUNS },
    );
    expect(moved).toBeGreaterThan(RUNS / 4);
  });

  async function accountOf({ database }: BillingWorld, tenantId: string) {
    const { rows } = await database.pool.query<{ counted: number; unmetered: number; ofTypes: number }>(
      `SELECT coalesce(sum(counted), 0)::int AS counted, coalesce(sum(unmetered), 0)::int AS unmetered,
         (SELECT coalesce(sum(event_count), 0)::int FROM unmetered_type WHERE tenant_id = $1) AS "ofTypes"
       FROM usage_count WHERE tenant_id = $1`,
      [tenantId],
    );
    return rows[0];
  }

  test("the verifier names what differs in a forged invoice", async () => {
    const { tenantId, ledger } = begin([
      { kind: "usage", slot: 0, region: "eu", value: 80, user: 1, type: "api.request" },
      { kind: "wait", days: 60 },
      { kind: "tick" },
    ]);
    await world(0).deliver(ledger);
    await world(0).close(tenantId);
    const verifier = createInvoiceVerifier({
      ledger: ledgerClientOf([ledger]),
      tenancy: world(0).tenancy,
      partitions: PARTITIONS,
    });
    const [invoice] = await world(0).invoices(tenantId);
    if (invoice === undefined) throw new Error("the story closes a period");
    const forged = { ...invoice, document: invoice.document.replace('"total":"', '"total":"1') };
    const verdict = await verifier.verify(forged);
    expect(verdict).toMatchObject({ matches: false, checkedEvents: 1, expectedSha256: invoice.sha256 });
    expect(verdict.differences).toEqual([
      "sha256: the stored hash does not match the stored document",
      expect.stringMatching(/^total: stored "1[\d.]+", recomputed "[\d.]+"$/),
    ]);
    const { number, currency, total } = JSON.parse(invoice.document);
    expect(await verifier.verify({ ...invoice, shown: { number, currency, total } })).toMatchObject({ matches: true });
    const beside = { ...invoice, shown: { number, currency, total: `1${total}` } };
    expect(await verifier.verify(beside)).toMatchObject({
      ...{ matches: false, expectedSha256: invoice.sha256 },
      differences: [`total in lists: stored "1${total}", recomputed "${total}"`],
    });
  });
});
