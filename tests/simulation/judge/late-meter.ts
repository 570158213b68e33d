import type { SentEvent } from "../terms/requests.js";
import { LATE_METER, LATE_VERSION, TENANTS } from "../terms/terms.js";
import type { Judged } from "./judged.js";
import { recordedOf } from "./recorded.js";
import { periodOf } from "./usage.js";

/** The first of a partition: others have no effect. */
interface BackfillRow {
  readonly partition: number;
  readonly seq: number;
  readonly recordedAt: number;
}

interface PeriodRow {
  readonly tenant: string;
  readonly end: number;
  readonly watermark: number;
}

const BACKFILLS = `SELECT DISTINCT ON (partition) partition, seq, recorded_at_ms::float8 AS "recordedAt"
  FROM ledger WHERE kind = 'backfill' ORDER BY partition, seq`;
const PERIODS = 'SELECT tenant_id AS tenant, end_at AS "end", watermark FROM billing_period';

/**
 * What the late meter counts: what was recorded when it was known, and of what the ledger had before the backfill that which fell into
 * a period that was open.
 */
async function countedByLateMeter(
  judged: Judged,
  isOpen: (event: SentEvent, backfill: BackfillRow) => boolean,
): Promise<SentEvent[]> {
  const recorded = await recordedOf(judged);
  const voided = new Set(recorded.filter(({ isVoid }) => isVoid).map(({ event }) => event));
  const backfills = await judged.ingestion<BackfillRow>(BACKFILLS);
  return recorded.flatMap(({ partition, seq, version, event, isVoid }) => {
    if (event.type !== LATE_METER.type || isVoid || voided.has(event)) return [];
    const backfill = backfills.find((one) => one.partition === partition);
    const isCovered = backfill !== undefined && seq < backfill.seq && isOpen(event, backfill);
    return version >= LATE_VERSION || isCovered ? [event] : [];
  });
}

/** For each tenant: billing adds to no period whose end the ledger had before the backfill. */
export async function billedByLateMeter(judged: Judged): Promise<ReadonlyMap<string, number>> {
  const periods = await judged.billing<PeriodRow>(PERIODS);
  const events = await countedByLateMeter(judged, ({ tenantId, time }, { seq }) => {
    const ended = periods.filter(({ tenant, watermark }) => tenant === tenantId && watermark < seq);
    return ended.every(({ end }) => time >= end);
  });
  const sums = new Map<string, number>(TENANTS.map((tenantId) => [tenantId, 0]));
  for (const { tenantId, amount } of events) sums.set(tenantId, (sums.get(tenantId) ?? 0) + amount);
  return sums;
}

/** Totals of quota, which adds to no period that was over when the backfill was recorded. */
export async function totalsOfLateMeter(judged: Judged): Promise<ReadonlyMap<string, number>> {
  const events = await countedByLateMeter(judged, ({ time }, { recordedAt }) => periodOf(time) >= periodOf(recordedAt));
  const totals = new Map<string, number>();
  for (const { tenantId, amount, time } of events) {
    const key = [tenantId, LATE_METER.id, periodOf(time)].join(" ");
    totals.set(key, (totals.get(key) ?? 0) + amount);
  }
  return totals;
}
