import type { PlanOf, PlanTerms } from "../terms/plans.js";
import type { SentEvent } from "../terms/requests.js";
import { LIMITS, type LimitTerms, METERS, type MeterTerms, TENANTS } from "../terms/terms.js";
import { type Asked, type History, keyOf, type Sample } from "./history.js";
import type { Judged } from "./judged.js";
import { totalsOfLateMeter } from "./late-meter.js";
import { countedOf, type Recorded, recordedOf } from "./recorded.js";
import { costOfUsage, periodOf, quantityOf } from "./usage.js";

/** In ids of alerts, in the place of a meter: what usage costs. */
const MONEY = "$";
/** A decision is made on all usage that the database had so long before (workers/quota/README.md). */
export const TRUST_MS = 3_000;
const HOUR_MS = 3_600_000;

/** What is known of a run. */
export interface Known {
  readonly history: History;
  /** What the ledger has by now. */
  readonly recorded: readonly Recorded[];
  readonly areClocksRight: boolean;
  readonly planOf: PlanOf;
}

/** Whether an admission exceeded a hard limit, as far as what clients sent and were answered tells for certain. */
export function judgeAdmissions(known: Known): string[] {
  const { history } = known;
  const hard = LIMITS.filter(({ kind }) => kind === "HARD");
  const allowed = history.asked.filter(({ isAllowed }) => isAllowed === true);
  return allowed.flatMap((one) =>
    hard.flatMap((limit) => {
      const held = certainlyHeld(known, allowed, limit, one);
      if (held === undefined || held <= limit.limit) return [];
      const { tenantId, key, amount, meter } = one;
      return [`${key} of ${tenantId} (${amount} ${meter}) was admitted to ${held} of ${limit.limit} ${textOf(limit)}`];
    }),
  );
}

const textOf = ({ meter, window }: LimitTerms): string => `${meter ?? "requests"} in a ${window}`;

/** What counted in the limit when the request was admitted, with it; undefined: the limit is not on it. */
function certainlyHeld(
  known: Known,
  allowed: readonly Asked[],
  { meter, window }: LimitTerms,
  one: Asked,
): number | undefined {
  const answeredAt = one.answeredAt ?? one.sentAt;
  const isKept = ({ releasedAt = Number.POSITIVE_INFINITY }: Asked): boolean => releasedAt > answeredAt;
  const earlier = allowed.filter(
    (other) =>
      other.tenantId === one.tenantId &&
      other !== one &&
      (other.answeredAt ?? answeredAt) <= one.sentAt &&
      isKept(other),
  );
  if (meter === null) return earlier.filter(({ sentAt }) => sentAt > answeredAt - HOUR_MS).length + 1;
  const terms = METERS.find(({ id }) => id === meter);
  if (terms === undefined || meter !== one.meter) return undefined;
  // What a wrong clock recorded may seem to be of another hour.
  const seesUsage = window === "BILLING_PERIOD" || known.areClocksRight;
  const decision: Decision = { ...known, one, terms, answeredAt, sample: sampleBefore(known, one), seesUsage };
  const used = !seesUsage ? 0 : window === "BILLING_PERIOD" ? usedInPeriod(decision) : usedInHour(decision);
  const reserved = earlier.filter(({ meter: of, expiresAt = 0 }) => of === meter && expiresAt > answeredAt);
  return reserved.reduce((sum, other) => sum + heldBy(other, decision), used + one.amount);
}

/** What is known of a decision. */
interface Decision extends Known {
  readonly one: Asked;
  readonly terms: MeterTerms;
  readonly answeredAt: number;
  /** The last one that it has to know. */
  readonly sample: Sample | undefined;
  /** Whether usage in quota's database certainly counts in the limit. */
  readonly seesUsage: boolean;
}

export const sampleBefore = ({ history }: Pick<Known, "history">, { sentAt }: Asked): Sample | undefined =>
  history.samples.findLast(({ at }) => at <= sentAt - TRUST_MS);

/** What an open reservation holds beside the sample: its amount, or usage where an event may have settled it. */
function heldBy({ tenantId, key, amount, eventSentAt }: Asked, decision: Decision): number {
  const { history, recorded, one, terms, answeredAt, sample, seesUsage } = decision;
  if (eventSentAt === undefined || eventSentAt > answeredAt) return amount;
  const eventKey = keyOf({ tenantId, source: "sim", id: key });
  const event = history.events.get(eventKey)?.event;
  if (!seesUsage || event === undefined || isTakenBack(event, decision)) return 0;
  if (periodOf(event.time) !== periodOf(one.sentAt)) return 0;
  const isInSample = recorded.some((entry) => entry.event === event && !entry.isVoid && isIn(sample, entry));
  return isInSample ? 0 : Math.min(amount, quantityOf(terms, [event]));
}

export const isIn = (sample: Sample | undefined, { partition, seq }: Recorded): boolean =>
  seq <= (sample?.marks.get(partition) ?? 0);

/** Whether it may have stopped counting until the answer came. */
export const isTakenBack = (
  event: SentEvent,
  { history, answeredAt }: Pick<Decision, "history" | "answeredAt">,
): boolean => (history.voids.get(keyOf(event)) ?? Number.POSITIVE_INFINITY) <= answeredAt;

/** Usage of slices that were in the hour whenever the request was decided. */
function usedInHour({ one, answeredAt, sample }: Decision): number {
  let used = 0;
  for (const [key, total] of sample?.slices ?? []) {
    const [tenantId, meter, start] = key.split(" ");
    const isInHour = Number(start) > answeredAt - HOUR_MS && Number(start) <= one.sentAt;
    if (tenantId === one.tenantId && meter === one.meter && isInHour) used += total;
  }
  return used;
}

/** Usage of the sample, without what it has and was taken back since. */
function usedInPeriod(decision: Decision): number {
  const { recorded, one, terms, sample } = decision;
  const { tenantId, meter } = one;
  const period = periodOf(one.sentAt);
  const counted = new Set(recorded.flatMap((entry) => (!entry.isVoid && isIn(sample, entry) ? [entry.event] : [])));
  const voided = recorded.flatMap((entry) => (entry.isVoid && !isIn(sample, entry) ? [entry.event] : []));
  const without = voided.filter(
    (event) =>
      event.tenantId === tenantId &&
      event.type === terms.type &&
      periodOf(event.time) === period &&
      counted.has(event) &&
      isTakenBack(event, decision),
  );
  const total = sample?.totals.get([tenantId, meter, period].join(" ")) ?? 0;
  return total - quantityOf(terms, without);
}

/** Looks at quota's database. */
export async function sampleOf(quota: Judged["quota"], at: number): Promise<Sample> {
  const marks = await quota<{ partition: number; seq: number }>("SELECT partition, seq FROM high_water_mark");
  return {
    at,
    totals: await totalsOf(quota),
    ...(await lanesOf(quota)),
    slices: await totalsOf(quota, "HOUR_SLICE"),
    marks: new Map(marks.map(({ partition, seq }) => [partition, seq])),
  };
}

/** A series has the combination behind its scope, if it has one (`workers/quota/README.md`). */
async function lanesOf(quota: Judged["quota"]): Promise<Pick<Sample, "lanes" | "named">> {
  const rows = await quota<{ of: string; lane: string | null; total: string }>(
    `SELECT concat_ws(' ', t.tenant_id, (extract(epoch FROM t.bucket_start) * 1000)::bigint) AS of, c.dimensions[1] AS lane, t.total::text
     FROM scoped_total t LEFT JOIN combination c
       ON c.tenant_id = t.tenant_id AND c.period_start = t.bucket_start AND t.series = c.scope || '|' || c.id
     WHERE t.grain = 'BILLING_PERIOD'`,
  );
  const lanes = new Map<string, number>();
  const named = new Map<string, number[]>();
  for (const { of, lane, total } of rows)
    if (lane !== null) lanes.set(`${of} ${lane}`, Number(total));
    else named.set(of, [...(named.get(of) ?? []), Number(total)]);
  return { lanes, named };
}

export async function totalsOf(
  quota: Judged["quota"],
  grain: "BILLING_PERIOD" | "HOUR_SLICE" = "BILLING_PERIOD",
): Promise<ReadonlyMap<string, number>> {
  const rows = await quota<{ key: string; total: string }>(
    `SELECT tenant_id || ' ' || meter || ' ' || (extract(epoch FROM bucket_start) * 1000)::bigint AS key, total::text
     FROM usage_total WHERE grain = '${grain}'`,
  );
  return new Map(rows.map(({ key, total }) => [key, Number(total)]));
}

/** What must be true when everything is processed: settled usage is what clients sent, and each threshold is told once. */
export async function judgeQuotasAtRest(judged: Judged): Promise<string[]> {
  const { quota } = judged;
  const wrong: string[] = [];
  const recorded = await recordedOf(judged);
  const wanted = new Map([...wantedTotals(countedOf(recorded)), ...(await totalsOfLateMeter(judged))]);
  const found = await totalsOf(quota);
  for (const key of new Set([...wanted.keys(), ...found.keys()]))
    if ((found.get(key) ?? 0) !== (wanted.get(key) ?? 0))
      wrong.push(`quota has ${found.get(key) ?? 0} of ${key}, clients sent ${wanted.get(key) ?? 0}`);
  return [...wrong, ...judgeAlerts(judged, wanted, recorded)];
}

function wantedTotals(all: readonly SentEvent[]): ReadonlyMap<string, number> {
  const totals = new Map<string, number>();
  for (const { tenantId, type, time } of all)
    for (const meter of METERS) {
      if (meter.type !== type || (meter.aggregation !== "COUNT" && meter.aggregation !== "SUM")) continue;
      const period = periodOf(time);
      const counted = all.filter(
        (one) => one.tenantId === tenantId && one.type === type && periodOf(one.time) === period,
      );
      totals.set([tenantId, meter.id, period].join(" "), quantityOf(meter, counted));
    }
  return totals;
}

function judgeAlerts(
  { history, alerts, areClocksRight, planOf }: Judged,
  totals: ReadonlyMap<string, number>,
  recorded: readonly Recorded[],
): string[] {
  const told = new Map<string, string>();
  const wrong: string[] = [];
  for (const text of alerts()) {
    const { id }: { readonly id: string } = JSON.parse(text);
    // The log may repeat a record, not tell something else under its id.
    if (told.has(id) && told.get(id) !== text) wrong.push(`alert ${id} was raised twice`);
    told.set(id, text);
  }
  const denied = new Set(history.asked.filter(({ isAllowed }) => isAllowed !== true).map(({ tenantId }) => tenantId));
  function judgeLimit({ about, tenantId, period, limit, warnAt, steps }: Alerted): void {
    const start = new Date(period).toISOString();
    for (const threshold of [...warnAt, "1"]) {
      const id = [tenantId, about, "BILLING_PERIOD", `${planOf(tenantId, period).id}@1`, start, threshold].join(":");
      const at = Number(threshold) * limit;
      // What exceeds the limit is told by any usage beyond it, as imports may have reached it.
      const isDue = steps.some(
        ({ before, after, isImport }) =>
          !isImport && after >= at && (before < at || (threshold === "1" && after > before)),
      );
      const total = steps.at(-1)?.after ?? 0;
      // Usage that seems to come a month late raises none.
      if (isDue && !told.has(id) && areClocksRight()) wrong.push(`alert ${id} is missing at ${total}`);
      const mayBeDenied = threshold === "1" && denied.has(tenantId);
      if (!isDue && told.has(id) && !mayBeDenied) wrong.push(`alert ${id} was raised at ${total}`);
    }
  }
  for (const key of totals.keys()) {
    const [tenantId = "", about = "", start = ""] = key.split(" ");
    const period = Number(start);
    const steps = stepsOf(recorded, tenantId, about, period);
    for (const limit of LIMITS)
      if (limit.meter === about && limit.window === "BILLING_PERIOD")
        judgeLimit({ about, tenantId, period, steps, ...limit });
  }
  for (const tenantId of TENANTS)
    for (const period of new Set(recorded.map(({ event }) => periodOf(event.time)))) {
      const plan = planOf(tenantId, period);
      if (plan.spend === undefined) continue;
      judgeLimit({ about: MONEY, tenantId, period, ...plan.spend, steps: costsOf(recorded, tenantId, period, plan) });
    }
  return wrong;
}

/** A limit of a billing period that alerts are about. */
interface Alerted {
  readonly about: string;
  readonly tenantId: string;
  readonly period: number;
  readonly limit: number;
  readonly warnAt: readonly string[];
  readonly steps: readonly { readonly before: number; readonly after: number; readonly isImport: boolean }[];
}

/** What usage of the period costs before and after each entry of the ledger; nothing before the first, whatever is due without any. */
function costsOf(recorded: readonly Recorded[], tenantId: string, period: number, plan: PlanTerms) {
  const counted: SentEvent[] = [];
  let after = 0;
  return recorded
    .filter(({ event }) => event.tenantId === tenantId && periodOf(event.time) === period)
    .map(({ event, isVoid }) => {
      const before = after;
      if (isVoid) counted.splice(counted.indexOf(event), 1);
      else counted.push(event);
      const isNothing = counted.every(
        ({ amount, type }) => !METERS.some((meter) => meter.type === type && isSpent(meter, amount)),
      );
      after = isNothing ? 0 : costOfUsage(plan, counted);
      return { before, after, isImport: event.isImport };
    });
}

const isSpent = ({ aggregation }: MeterTerms, amount: number): boolean =>
  aggregation === "COUNT" || (aggregation === "SUM" && amount !== 0);

/** What each entry of the ledger adds to the meter's usage of the period. */
function stepsOf(recorded: readonly Recorded[], tenantId: string, meterId: string, period: number) {
  const meter = METERS.find(({ id }) => id === meterId);
  let after = 0;
  return recorded
    .filter(({ event }) => event.tenantId === tenantId && event.type === meter?.type && periodOf(event.time) === period)
    .map(({ event: { amount, isImport }, isVoid }) => {
      const before = after;
      after += (meter?.aggregation === "COUNT" ? 1 : amount) * (isVoid ? -1 : 1);
      return { before, after, isImport };
    });
}
