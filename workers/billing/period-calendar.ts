import { partitionOf } from "#kernel/partition.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { type Closing, closingOfClose, closingsOfTick, earliestOpenPeriod } from "./rules/calendar.js";

export type PeriodCalendar = ReturnType<typeof createPeriodCalendar>;

/**
 * One partition's tenants by the end of their earliest open period, so that a tick checks only those that may be due. Derived
 * from the database at `mark` (the last applied `seq`) and valid for the next entry; at any other mark it is reloaded.
 */
export function createPeriodCalendar(
  partition: number,
  partitions: number,
  tenancy: TenancyCopy,
  lastEnds: ReadonlyMap<string, number>,
  initialMark: number,
) {
  const closedThrough = new Map(lastEnds);
  const byEnd = new Map<number, Set<string>>();
  const known = new Set<string>();
  let mark = initialMark;

  function file(tenant: TenantState): void {
    const { end } = earliestOpenPeriod(tenant, closedThrough.get(tenant.id));
    const due = byEnd.get(end) ?? new Set();
    due.add(tenant.id);
    byEnd.set(end, due);
  }

  function add(tenant: TenantState): void {
    if (known.has(tenant.id) || partitionOf(tenant.id, partitions) !== partition) return;
    known.add(tenant.id);
    file(tenant);
  }

  function dueAt(atMs: number): string[] {
    const due: string[] = [];
    for (const [end, tenants] of byEnd) if (end <= atMs) for (const id of tenants) due.push(id);
    return due.sort();
  }

  /** The periods that entries end, without storing them: the transaction may still fail. */
  function closingsOf(entries: readonly LedgerEntry[]): Closing[] {
    const closings: Closing[] = [];
    const moved = new Map<string, number>();
    const through = (id: string): number | undefined => moved.get(id) ?? closedThrough.get(id);
    const take = (found: readonly Closing[]): void => {
      for (const closing of found) moved.set(closing.tenantId, closing.period.end);
      closings.push(...found);
    };
    for (const entry of entries) {
      switch (entry.kind) {
        case "close": {
          const tenant = tenancy.tenant(entry.tenantId);
          const closing = tenant && closingOfClose(entry, tenant, through(tenant.id));
          if (closing !== undefined) take([closing]);
          break;
        }
        case "tick":
          for (const id of dueAt(entry.at)) {
            const tenant = tenancy.tenant(id);
            if (tenant !== undefined) take(closingsOfTick(entry, tenant, through(id)));
          }
          break;
        case "event":
        case "void":
        case "backfill":
        case "creditGrant":
        case "creditVoid":
          break;
        default:
          entry satisfies never;
      }
    }
    return closings;
  }

  /** Stores committed closings. */
  function commit(closings: readonly Closing[], newMark: number): void {
    mark = newMark;
    for (const { tenantId, period } of closings) {
      byEnd.get(period.end)?.delete(tenantId);
      if (byEnd.get(period.end)?.size === 0) byEnd.delete(period.end);
      closedThrough.set(tenantId, period.end);
      const tenant = tenancy.tenant(tenantId);
      if (tenant !== undefined) file(tenant);
    }
  }

  for (const tenant of tenancy.tenants()) add(tenant);
  return {
    mark: () => mark,
    add,
    closingsOf,
    commit,
    /** Start of a tenant's earliest period without a watermark, at the mark. */
    openStart: (tenant: TenantState): number => earliestOpenPeriod(tenant, closedThrough.get(tenant.id)).start,
  };
}
