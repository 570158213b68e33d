import type { Clock } from "#kernel/clock.js";
import { MetrlyError } from "#kernel/errors.js";
import { partitionOf } from "#kernel/partition.js";
import type { Period } from "#kernel/period.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { usageReceivedV1 } from "#schema/events/usage-received.v1.js";
import { tenantNow } from "#schema/tenancy-history.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import { hasEnded } from "#schema/vocabulary.js";
import { earliestOpenPeriod } from "../rules/calendar.js";

export interface PeriodCloser {
  /**
   * Requests the close of the earliest period without a watermark, by a control record in the tenant's partition: its position
   * in the log decides which events belong to the invoice. Idempotent: a second record finds nothing to close. Throws CONFLICT
   * for another period, one that has not ended, or a tenant without a plan, LOG_UNAVAILABLE.
   */
  requestClose(tenant: TenantState, lastEnded: Period | undefined, periodStart: number, actor: string): Promise<Period>;
}

export function createPeriodCloser(closing: Closing, clock: Clock): PeriodCloser {
  return {
    async requestClose(tenant, lastEnded, periodStart, actor) {
      const period = earliestOpenPeriod(tenant, lastEnded?.end);
      if (period.start !== periodStart) {
        throw new MetrlyError("CONFLICT", `The earliest unclosed period starts at ${timeText(period.start)}`);
      }
      if (period.end > tenantNow(tenant, clock.now())) {
        throw new MetrlyError("CONFLICT", `The period runs until ${timeText(period.end)}`);
      }
      // Its first plan may still be for this period: tenancy promises that while its grace time has not passed.
      if (!hasEnded(tenant.status) && tenant.assignments.every((a) => a.cancelledInVersion !== null)) {
        throw new MetrlyError("CONFLICT", "The tenant has no plan: assign one, or let the period close by itself");
      }
      await appendCloses(closing, tenant.id, [period], actor);
      return period;
    },
  };
}

export interface Closing {
  readonly log: Pick<EventLog, "append">;
  readonly partitions: number;
  /** Whose version the records carry: the recorder decides by it or a later one. */
  readonly tenancy: Pick<TenancyCopy, "version">;
}

/** Appends a close record for each period, in order. Throws LOG_UNAVAILABLE. */
export async function appendCloses(
  { log, partitions, tenancy }: Closing,
  tenantId: string,
  periods: readonly Period[],
  actor: string,
): Promise<void> {
  const tenancyVersion = tenancy.version();
  const records = periods.map((period) =>
    usageReceivedV1.parse({ kind: "close", tenantId, periodStart: period.start, actor, tenancyVersion }),
  );
  await log.append(
    USAGE_RECEIVED,
    partitionOf(tenantId, partitions),
    records.map((record) => ({ key: tenantId, value: Buffer.from(JSON.stringify(record)) })),
  );
}

const timeText = (ms: number): string => new Date(ms).toISOString();
