import type { SentEvent } from "../terms/requests.js";
import { LIMITS, type LimitTerms, METERS, PLAN_ID } from "../terms/terms.js";
import type { Asked, History } from "./history.js";
import type { Judged } from "./judged.js";
import { countedOf, type Recorded, recordedOf } from "./recorded.js";
import { periodOf, quantityOf } from "./usage.js";

/** A decision is made on all usage that the database had so long before (workers/quota/README.md). */
const TRUST_MS = 3_000;
const HOUR_MS = 3_600_000;

/** Whether an admission exceeded a hard limit, as far as what clients sent and were answered tells for certain. */
export function judgeAdmissions(history: History, areClocksRight: boolean): string[] {
  const hard = LIMITS.filter(({ kind }) => kind === "HARD");
  const allowed = history.asked.filter(({ isAllowed }) => isAllowed === true);
  return allowed.flatMap((one) =>
    hard.flatMap((limit) => {
      const held = certainlyHeld(history, allowed, limit, one, areClocksRight);
      if (held === undefined || held <= limit.limit) return [];
      const { tenantId, key, amount, meter } = one;
      return [`${key} of ${tenantId} (${amount} ${meter}) was admitted to ${held} of ${limit.limit} ${textOf(limit)}`];
    }),
  );
}

const textOf = ({ meter, window }: LimitTerms): string => `${meter ?? "requests"} in a ${window}`;

/** What counted in the limit when the request was admitted, with it; undefined: the limit is not on it. */
function certainlyHeld(
  history: History,
  allowed: readonly Asked[],
  { meter, window }: LimitTerms,
  one: Asked,
  areClocksRight: boolean,
): number | undefined {
  const answeredAt = one.answeredAt ?? one.sentAt;
  const earlier = allowed.filter(
    (other) => other.tenantId === one.tenantId && other !== one && (other.answeredAt ?? answeredAt) <= one.sentAt,
  );
  const isKept = ({ releasedAt = Number.POSITIVE_INFINITY }: Asked): boolean => releasedAt > answeredAt;
  if (meter === null) return earlier.filter((other) => isKept(other) && other.sentAt > answeredAt - HOUR_MS).length + 1;
  if (meter !== one.meter) return undefined;
  const reserved = earlier.filter(
    (other) =>
      other.meter === meter &&
      isKept(other) &&
      (other.expiresAt ?? 0) > answeredAt &&
      (other.eventSentAt ?? Number.POSITIVE_INFINITY) > answeredAt,
  );
  // What a wrong clock recorded may seem to be of another hour.
  const used =
    window === "BILLING_PERIOD" ? usedBefore(history, one) : areClocksRight ? usedInHour(history, one, answeredAt) : 0;
  return reserved.reduce((sum, { amount }) => sum + amount, used + one.amount);
}

const known = ({ samples }: History, { sentAt }: Asked) => samples.filter(({ at }) => at <= sentAt - TRUST_MS).at(-1);

/** Usage of slices that were in the hour whenever the request was decided. */
function usedInHour(history: History, one: Asked, answeredAt: number): number {
  let used = 0;
  for (const [key, total] of known(history, one)?.slices ?? []) {
    const [tenantId, meter, start] = key.split(" ");
    const isInHour = Number(start) > answeredAt - HOUR_MS && Number(start) <= one.sentAt;
    if (tenantId === one.tenantId && meter === one.meter && isInHour) used += total;
  }
  return used;
}

function usedBefore(history: History, one: Asked): number {
  const { tenantId, meter, sentAt } = one;
  const total = known(history, one)?.totals.get([tenantId, meter, periodOf(sentAt)].join(" ")) ?? 0;
  return total - takenBack(history, one);
}

/** What may have stopped counting since. */
function takenBack({ events, voids }: History, { tenantId, meter, sentAt }: Asked): number {
  const terms = METERS.find(({ id }) => id === meter);
  const taken = [...voids].flatMap((key) => events.get(key)?.event ?? []);
  return terms === undefined
    ? 0
    : quantityOf(
        terms,
        taken.filter(
          (event) =>
            event.tenantId === tenantId && event.type === terms.type && periodOf(event.time) === periodOf(sentAt),
        ),
      );
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
  const wanted = wantedTotals(countedOf(recorded));
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
  { history, alerts, areClocksRight }: Judged,
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
  for (const [key, total] of totals) {
    const [tenantId = "", meter = "", start = ""] = key.split(" ");
    const steps = stepsOf(recorded, tenantId, meter, Number(start));
    for (const { window, limit, warnAt } of LIMITS.filter(
      (one) => one.meter === meter && one.window === "BILLING_PERIOD",
    ))
      for (const threshold of [...warnAt, "1"]) {
        const id = [tenantId, meter, window, `${PLAN_ID}@1`, new Date(Number(start)).toISOString(), threshold].join(
          ":",
        );
        const at = Number(threshold) * limit;
        // What exceeds the limit is told by any usage beyond it, as imports may have reached it.
        const isDue = steps.some(
          ({ before, after, isImport }) =>
            !isImport && after >= at && (before < at || (threshold === "1" && after > before)),
        );
        // Usage that seems to come a month late raises none.
        if (isDue && !told.has(id) && areClocksRight()) wrong.push(`alert ${id} is missing at ${total}`);
        const mayBeDenied = threshold === "1" && denied.has(tenantId);
        if (!isDue && told.has(id) && !mayBeDenied) wrong.push(`alert ${id} was raised at ${total}`);
      }
  }
  return wrong;
}

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
