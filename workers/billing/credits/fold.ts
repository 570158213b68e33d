import { Decimal, ZERO } from "#kernel/decimal.js";
import { hourOf, type Period, periodAt } from "#kernel/period.js";
import type { Transaction } from "#platform/database/database.js";
import { NeedsLongTransaction } from "#platform/ledger/consumer.js";
import { enqueueOutbox } from "#platform/outbox/outbox.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { PlanVersionState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { CreditGrantEntry, CreditVoidEntry } from "#schema/events/usage-recorded.v1.js";
import { type CreditAccount, createCreditAccount, type PeriodDraws } from "#schema/rating/draw-down.js";
import { type AssignedPlan, assignedPlan, firstPeriodStart, planVersionOf } from "#schema/tenancy-history.js";
import type { CreditStep } from "../rules/credit-steps.js";
import {
  amountsAtNothing,
  type CellChange,
  claimsUnder,
  createRatedPeriod,
  needsOf,
  nothingKnown,
  type RatedPeriod,
} from "../rules/rated-period.js";
import { type NeedsOf, readKnownUsage, saveUsage, tenantsWithUsageFrom } from "../store/credit-usage.js";
import {
  type DrawRow,
  endsOfPeriods,
  type PeriodOf,
  readCreditPeriods,
  readGrants,
  type StoredCreditPeriod,
  saveCredits,
} from "../store/credits.js";
import { grantedEvent, voidedEvent } from "./events.js";
import { readPeriodUsage } from "./period-usage.js";

export interface CreditFold {
  readonly tenancy: TenancyCopy;
  readonly partition: number;
  /** By tenant with grants; at its end, those with their first one are added. */
  readonly openedUntil: ReadonlyMap<string, number>;
  /** What is stored knows all entries before this one, and of usage maybe later ones. */
  readonly firstSeq: number;
  /** Whether the transaction may take as long as reading a period's whole usage does. */
  readonly isLong: boolean;
  /** Start of a tenant's earliest open period before these steps. */
  openStart(tenant: TenantState): number;
}

/**
 * Takes the steps of each tenant, in the order of the ledger, in the transaction that applies their entries. Returns for the tenants whose
 * periods have begun since the start of the first one that has not.
 */
export async function foldCredits(
  tx: Transaction,
  fold: CreditFold,
  steps: ReadonlyMap<string, readonly CreditStep[]>,
): Promise<ReadonlyMap<string, number>> {
  const lives: TenantLife[] = [];
  for (const [tenantId, ofTenant] of steps) {
    const tenant = fold.tenancy.tenant(tenantId);
    if (tenant !== undefined) lives.push(lifeOf(fold, tenant, ofTenant));
  }
  await readLives(tx, fold, lives);
  for (const life of lives) for (const step of life.steps) await take(tx, fold, life, step);
  await saveCredits(tx, {
    partition: fold.partition,
    tenants: lives.flatMap(({ tenant, openedUntil }) =>
      openedUntil === undefined || openedUntil === fold.openedUntil.get(tenant.id)
        ? []
        : [{ tenantId: tenant.id, openedUntil }],
    ),
    granted: lives.flatMap(({ granted }) => granted),
    voided: lives.flatMap(({ voided }) => voided.map(({ entry }) => entry)),
    drawn: lives.flatMap(({ tenant, account, drawnFrom }) =>
      [...drawnFrom].map((grantId) => ({
        ...{ tenantId: tenant.id, grantId },
        drawn: account.grant(grantId)?.drawn ?? ZERO,
      })),
    ),
    periods: lives.flatMap(({ tenant, periods }) =>
      [...periods.values()].map(({ period, ...rest }) => ({ ...rest, tenantId: tenant.id, start: period.start })),
    ),
    draws: lives.flatMap(({ draws }) => [...draws.values()].filter(({ amount }) => !amount.isZero())),
  });
  await enqueueOutbox(
    tx,
    lives.flatMap((life) => [
      ...life.granted.map((grant) => grantedEvent(fold.partition, grant)),
      ...life.voided.map(({ entry, left }) => voidedEvent(fold.partition, entry, left, life.tenant.currency ?? "")),
    ]),
  );
  await saveUsage(
    tx,
    lives.flatMap(({ tenant, periods }) =>
      [...periods.values()].flatMap(({ period, usage }) =>
        usage === undefined ? [] : [{ tenantId: tenant.id, start: period.start, usage }],
      ),
    ),
  );
  return new Map(
    lives.flatMap(({ tenant, openedUntil }) => (openedUntil === undefined ? [] : [[tenant.id, openedUntil] as const])),
  );
}

/** A period that these steps touch. */
interface PeriodLife {
  readonly period: Period;
  plan: AssignedPlan | undefined;
  /** Undefined: without a plan, nothing is charged. */
  usage: RatedPeriod | undefined;
  rated: Decimal;
  readonly draws: PeriodDraws;
}

/** What is known of a period before its first touch. */
interface Stored extends StoredCreditPeriod {
  usage: RatedPeriod | undefined;
}

interface TenantLife {
  readonly tenant: TenantState;
  readonly steps: readonly CreditStep[];
  account: CreditAccount;
  /** Undefined: it has no grant yet. */
  openedUntil: number | undefined;
  /** Start of its earliest open period. */
  openStart: number;
  /** Whether a period that begins now may have usage already. */
  hasEarlyUsage: boolean;
  readonly stored: Map<number, Stored>;
  readonly ends: Map<number, { readonly watermark: number; readonly version: number }>;
  readonly periods: Map<number, PeriodLife>;
  /** By period, the changes of these steps so far. */
  readonly applied: Map<number, CellChange[][]>;
  readonly granted: CreditGrantEntry[];
  readonly voided: { readonly entry: CreditVoidEntry; readonly left: Decimal }[];
  readonly drawnFrom: Set<string>;
  readonly draws: Map<string, DrawRow>;
}

const lifeOf = (fold: CreditFold, tenant: TenantState, steps: readonly CreditStep[]): TenantLife => ({
  ...{ tenant, steps },
  account: createCreditAccount([]),
  openedUntil: fold.openedUntil.get(tenant.id),
  openStart: fold.openStart(tenant),
  hasEarlyUsage: true,
  stored: new Map(),
  ends: new Map(),
  periods: new Map(),
  applied: new Map(),
  granted: [],
  voided: [],
  drawnFrom: new Set(),
  draws: new Map(),
});

const periodOf = ({ billingAnchorDay }: TenantState, atMs: number): Period => periodAt(atMs, billingAnchorDay);

/** Start of the first period that begins after a moment: credits may be granted long before a tenant's first one. */
function nextStart(tenant: TenantState, atMs: number): number {
  const first = firstPeriodStart(tenant);
  return atMs < first ? first : periodOf(tenant, atMs).end;
}

/** Reads what the steps of all tenants need, in as many statements for any number of them. */
async function readLives(tx: Transaction, fold: CreditFold, lives: readonly TenantLife[]): Promise<void> {
  const byId = new Map(lives.map((life) => [life.tenant.id, life]));
  const touched = lives.flatMap((life) => touchedOf(life));
  for (const row of await readCreditPeriods(tx, touched))
    byId.get(row.tenantId)?.stored.set(row.start, { ...row, usage: undefined });
  for (const end of await endsOfPeriods(tx, touched)) byId.get(end.tenantId)?.ends.set(end.start, end);
  // No step draws for a time before the start of a period that it touches, or that begins with it.
  const begun = lives.flatMap((life) => {
    const { tenant, openedUntil } = life;
    if (openedUntil === undefined) return [];
    const since = touchedOf(life).reduce((earliest, { start }) => Math.min(earliest, start), openedUntil);
    return [{ tenantId: tenant.id, from: openedUntil, since }];
  });
  const early = await tenantsWithUsageFrom(tx, begun, fold.firstSeq);
  for (const { tenantId } of begun) {
    const life = byId.get(tenantId);
    if (life !== undefined) life.hasEarlyUsage = early.has(tenantId);
  }
  const grants = await readGrants(
    tx,
    begun.map(({ tenantId, since }) => ({ tenantId, from: since })),
    touched,
    lives.flatMap(({ steps }) =>
      steps.flatMap((step) => (step.kind === "creditGrant" || step.kind === "creditVoid" ? [step] : [])),
    ),
  );
  const grantsOf = new Map<string, typeof grants>();
  for (const grant of grants) {
    const list = grantsOf.get(grant.tenantId) ?? [];
    list.push(grant);
    grantsOf.set(grant.tenantId, list);
  }
  for (const life of lives) life.account = createCreditAccount(grantsOf.get(life.tenant.id) ?? []);
  await readStoredUsage(tx, fold, lives);
}

/** The usage of the stored periods whose plan is still in force: of any other it is read when it is touched. */
async function readStoredUsage(tx: Transaction, fold: CreditFold, lives: readonly TenantLife[]): Promise<void> {
  const needs: NeedsOf[] = [];
  for (const life of lives)
    for (const stored of life.stored.values()) {
      const terms = termsOf(fold, stored.plan);
      if (terms === undefined) continue;
      const known = nothingKnown();
      needs.push({ ...stored, needs: needsOf(terms, changesIn(life, stored.start)), known });
      stored.usage = createRatedPeriod(terms, known);
    }
  await readKnownUsage(tx, needs);
}

function touchedOf({ tenant, steps }: TenantLife): PeriodOf[] {
  const starts = new Set<number>();
  for (const step of steps) {
    if (step.kind === "usage") starts.add(periodOf(tenant, step.time).start);
    if (step.kind === "ended") starts.add(step.closing.period.start);
  }
  return [...starts].map((start) => ({ tenantId: tenant.id, start }));
}

const changesIn = ({ tenant, steps }: TenantLife, start: number): CellChange[] =>
  steps.flatMap((step) =>
    step.kind === "usage" && periodOf(tenant, step.time).start === start ? [...step.changes] : [],
  );

async function take(tx: Transaction, fold: CreditFold, life: TenantLife, step: CreditStep): Promise<void> {
  switch (step.kind) {
    case "usage":
      return takeUsage(tx, fold, life, step);
    case "creditGrant": {
      if (life.openedUntil === undefined) life.openedUntil = nextStart(life.tenant, step.at);
      else await begin(tx, fold, life, step, step.at);
      const { grantId: id, seq, amount, priority, expiresAt } = step;
      const grant = { id, seq, priority, expiresAt, drawn: ZERO, isVoided: false };
      if (life.account.add({ ...grant, amount: new Decimal(amount) })) life.granted.push(step);
      return;
    }
    case "creditVoid":
      if (life.openedUntil === undefined) return;
      await begin(tx, fold, life, step, step.at);
      if (life.account.void(step.grantId, step.at)) {
        const grant = life.account.grant(step.grantId);
        life.voided.push({ entry: step, left: grant?.amount.minus(grant.drawn) ?? ZERO });
      }
      return;
    case "reached":
      if (life.tenant.testClock === null) await begin(tx, fold, life, step, step.at);
      return;
    case "ended": {
      const { period } = step.closing;
      await begin(tx, fold, life, step, period.end);
      const isKnown = life.periods.has(period.start) || life.stored.has(period.start);
      if (life.openedUntil !== undefined && isKnown) await periodUnder(tx, fold, life, step, period);
      life.openStart = period.end;
      return;
    }
  }
}

type Stamp = Pick<CreditStep, "seq" | "recordedAt" | "tenancyVersion">;

/** All periods that start by `atMs` have begun: what is due without usage is drawn. Nothing for a tenant without a grant. */
async function begin(tx: Transaction, fold: CreditFold, life: TenantLife, stamp: Stamp, atMs: number): Promise<void> {
  while (life.openedUntil !== undefined && life.openedUntil <= atMs) {
    const period = periodOf(life.tenant, life.openedUntil);
    life.openedUntil = period.end;
    const plan = planAt(life, period.start, stamp);
    const terms = termsOf(fold, plan);
    const due = terms === undefined ? ZERO : amountsAtNothing(terms).reduce((sum, amount) => sum.plus(amount), ZERO);
    const read = life.hasEarlyUsage
      ? await readUsage(tx, fold, life, period, terms)
      : { rated: due, usage: terms && createRatedPeriod(terms, nothingKnown()) };
    const draws = { uncovered: read.rated.minus(due), held: [] };
    const begun: PeriodLife = { period, plan, draws, ...read };
    life.periods.set(period.start, begun);
    draw(life, begun, stamp, due, period.start);
  }
}

async function takeUsage(
  tx: Transaction,
  fold: CreditFold,
  life: TenantLife,
  step: Extract<CreditStep, { kind: "usage" }>,
): Promise<void> {
  const period = periodOf(life.tenant, step.time);
  await begin(tx, fold, life, step, period.start);
  const terms = termsOf(fold, planAt(life, period.start, step));
  const isClaimed = terms !== undefined && step.changes.some((change) => claimsUnder(terms)(change).length > 0);
  if (life.openedUntil !== undefined && isClaimed) {
    const known = await periodUnder(tx, fold, life, step, period);
    const change = known.usage?.change(step.changes) ?? ZERO;
    known.rated = known.rated.plus(change);
    draw(life, known, step, change, step.time);
  }
  const applied = life.applied.get(period.start) ?? [];
  applied.push([...step.changes]);
  life.applied.set(period.start, applied);
}

/** A period that has begun, under the plan that is in force at an entry: if that is another one, the difference is drawn. */
async function periodUnder(
  tx: Transaction,
  fold: CreditFold,
  life: TenantLife,
  stamp: Stamp,
  period: Period,
): Promise<PeriodLife> {
  const plan = planAt(life, period.start, stamp);
  const known = life.periods.get(period.start) ?? storedLife(life, period);
  if (known === undefined) {
    // It began before the first grant: what was used until now is not covered.
    const read = await readUsage(tx, fold, life, period, termsOf(fold, plan));
    const begun: PeriodLife = { period, plan, draws: { uncovered: read.rated, held: [] }, ...read };
    life.periods.set(period.start, begun);
    return begun;
  }
  life.periods.set(period.start, known);
  if (isSamePlan(known.plan, plan)) return known;
  const { rated, usage } = await readUsage(tx, fold, life, period, termsOf(fold, plan));
  const change = rated.minus(known.rated);
  Object.assign(known, { plan, usage, rated });
  draw(life, known, stamp, change, period.start);
  return known;
}

function storedLife({ stored }: TenantLife, period: Period): PeriodLife | undefined {
  const known = stored.get(period.start);
  return known && { period, plan: known.plan, usage: known.usage, rated: known.rated, draws: known.draws };
}

/** A period's whole usage until now under a plan. */
async function readUsage(
  tx: Transaction,
  fold: CreditFold,
  life: TenantLife,
  { start, end }: Period,
  terms: PlanVersionState | undefined,
): Promise<Pick<PeriodLife, "usage" | "rated">> {
  if (terms === undefined) return { usage: undefined, rated: ZERO };
  if (!fold.isLong) throw new NeedsLongTransaction();
  const read = await readPeriodUsage(tx, fold.tenancy, {
    ...{ tenantId: life.tenant.id, start, end, terms },
    beforeSeq: fold.firstSeq,
    changes: changesIn(life, start),
  });
  let { rated } = read;
  for (const changes of life.applied.get(start) ?? []) rated = rated.plus(read.usage.change(changes));
  return { usage: read.usage, rated };
}

function draw(life: TenantLife, known: PeriodLife, { recordedAt }: Stamp, change: Decimal, timeMs: number): void {
  if (change.isZero()) return;
  const { tenant, openStart } = life;
  for (const { grantId, amount } of life.account.change(known.draws, change, timeMs)) {
    const row = { tenantId: tenant.id, start: known.period.start, grantId, openPeriod: openStart };
    const recordedHour = hourOf(recordedAt);
    const key = `${row.start} ${openStart} ${recordedHour} ${grantId}`;
    const before = life.draws.get(key)?.amount ?? ZERO;
    life.draws.set(key, { ...row, recordedHour, amount: before.plus(amount) });
    life.drawnFrom.add(grantId);
  }
}

/** The plan of a period at an entry: after its watermark, the one that the watermark fixed. */
function planAt(
  { tenant, ends }: TenantLife,
  start: number,
  { seq, tenancyVersion }: Pick<Stamp, "seq" | "tenancyVersion">,
): AssignedPlan | undefined {
  const end = ends.get(start);
  const version = end !== undefined && seq > end.watermark ? end.version : tenancyVersion;
  const plan = assignedPlan(tenant, start, version);
  return plan && { planId: plan.planId, planVersion: plan.planVersion };
}

function termsOf({ tenancy }: CreditFold, plan: AssignedPlan | undefined): PlanVersionState | undefined {
  if (plan === undefined) return undefined;
  const terms = planVersionOf(tenancy.plan(plan.planId), plan.planVersion);
  if (terms === undefined) throw new Error(`an assigned plan version is unknown: ${plan.planId}@${plan.planVersion}`);
  return terms;
}

const isSamePlan = (a: AssignedPlan | undefined, b: AssignedPlan | undefined): boolean =>
  a?.planId === b?.planId && a?.planVersion === b?.planVersion;
