import type { Transaction } from "#platform/database/database.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import type { Closing } from "../rules/calendar.js";
import { type CreditStep, creditSteps } from "../rules/credit-steps.js";
import type { Backfilled } from "../rules/fold.js";
import type { CellChange } from "../rules/rated-period.js";
import { hoursOfEntry, usageOfEntry } from "../store/credit-usage.js";
import { creditTenants } from "../store/credits.js";
import { foldCredits } from "./fold.js";
import { changeOf } from "./period-usage.js";

/** The first version of the invoice document that has lines of credits. */
const CREDIT_INVOICE_VERSION = 2;
/** Cells of a backfill that are drawn for in one step, but for those of one hour. */
const CELLS_AT_ONCE = 10_000;

/** A partition's tenants with grants, by the start of their first period that has not begun. */
interface Credited {
  mark: number;
  readonly openedUntil: Map<string, number>;
}

export interface CreditBatch {
  readonly partition: number;
  readonly entries: readonly LedgerEntry[];
  readonly closings: readonly Closing[];
  readonly backfilled: Backfilled | undefined;
  readonly isLong: boolean;
  openStart(tenant: TenantState): number;
}

/**
 * Folds the ledger into draws of prepaid credits (docs/decisions/0024). Which tenants have grants is in memory, as of the partition's mark: a
 * batch without such a tenant costs nothing.
 */
export function createCredits({ tenancy }: { readonly tenancy: TenancyCopy }) {
  const byPartition = new Map<number, Credited>();

  async function creditedAt(tx: Transaction, partition: number, mark: number): Promise<Credited> {
    const known = byPartition.get(partition);
    if (known?.mark === mark) return known;
    const loaded = { mark, openedUntil: await creditTenants(tx, partition) };
    byPartition.set(partition, loaded);
    return loaded;
  }

  /** What a backfill, which is applied, adds to the usage of tenants with grants, hour by hour. */
  async function foldBackfill(
    tx: Transaction,
    { partition, entries, openStart, isLong }: CreditBatch,
    openedUntil: ReadonlyMap<string, number>,
  ): Promise<ReadonlyMap<string, number>> {
    const [entry] = entries;
    if (entry?.kind !== "backfill") return new Map();
    const now = new Map(openedUntil);
    const { seq, recordedAt, tenancyVersion } = entry;
    const fold = { tenancy, partition, openStart, isLong, firstSeq: seq };
    for (const tenantId of openedUntil.keys())
      for (const hours of parted(await hoursOfEntry(tx, tenantId, seq))) {
        const byHour = new Map<number, CellChange[]>();
        for (const row of await usageOfEntry(tx, tenantId, seq, hours)) {
          const changes = byHour.get(row.hour) ?? [];
          changes.push(changeOf(tenancy, row));
          byHour.set(row.hour, changes);
        }
        const steps = [...byHour].map(
          ([time, changes]): CreditStep => ({ kind: "usage", seq, recordedAt, tenancyVersion, time, changes }),
        );
        const folded = await foldCredits(tx, { ...fold, openedUntil: now }, new Map([[tenantId, steps]]));
        for (const [id, until] of folded) now.set(id, until);
      }
    return now;
  }

  return {
    /** The closings of a batch with the invoice version that they have: that of tenants with grants has lines of credits. */
    async versioned(
      tx: Transaction,
      { partition, entries, closings }: Pick<CreditBatch, "partition" | "entries" | "closings">,
    ): Promise<readonly Closing[]> {
      const { openedUntil } = await creditedAt(tx, partition, markBefore(entries));
      const isCredited = ({ tenantId, watermark }: Closing): boolean =>
        openedUntil.has(tenantId) ||
        entries.some((entry) => entry.kind === "creditGrant" && entry.tenantId === tenantId && entry.seq < watermark);
      return closings.map((closing) =>
        closing.invoiceVersion < CREDIT_INVOICE_VERSION && isCredited(closing)
          ? { ...closing, invoiceVersion: CREDIT_INVOICE_VERSION }
          : closing,
      );
    },
    /** Takes a batch whose usage and watermarks are in the transaction. Call what it returns after the commit. */
    async apply(tx: Transaction, batch: CreditBatch): Promise<() => void> {
      const { partition, entries, closings, backfilled } = batch;
      const firstSeq = markBefore(entries) + 1;
      const credited = await creditedAt(tx, partition, firstSeq - 1);
      const { openedUntil } = credited;
      const steps = creditSteps({
        ...{ entries, closings, backfilled, metersOfType: tenancy.metersOfType },
        credited: openedUntil,
        *beginningBy(at) {
          for (const [tenantId, until] of openedUntil)
            if (until <= at && tenancy.tenant(tenantId)?.testClock === null) yield tenantId;
        },
      });
      const { openStart, isLong } = batch;
      const fold = { tenancy, partition, openedUntil, firstSeq, openStart, isLong };
      // A backfill comes alone, so only one of the two has something to do.
      const moved = steps.size > 0 ? await foldCredits(tx, fold, steps) : await foldBackfill(tx, batch, openedUntil);
      return () => {
        for (const [tenantId, until] of moved) openedUntil.set(tenantId, until);
        credited.mark = entries.at(-1)?.seq ?? credited.mark;
      };
    },
  };
}

const markBefore = (entries: readonly LedgerEntry[]): number => (entries[0]?.seq ?? 1) - 1;

/** Whole hours of about `CELLS_AT_ONCE` cells together. */
function* parted(hours: readonly { readonly hour: number; readonly cells: number }[]) {
  let [from, cells] = [hours[0]?.hour, 0];
  for (const [index, { hour, cells: more }] of hours.entries()) {
    cells += more;
    if (from === undefined || (cells < CELLS_AT_ONCE && index + 1 < hours.length)) continue;
    yield { from, through: hour };
    [from, cells] = [hours[index + 1]?.hour, 0];
  }
}
