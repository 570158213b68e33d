import { MetrlyError } from "#kernel/errors.js";
import { partitionOf } from "#kernel/partition.js";
import type { Database } from "#platform/database/database.js";
import { prismaAdapter } from "#platform/database/prisma.js";
import { timeoutSignal } from "#platform/lifecycle/time.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { QuarantinedEvent } from "#prisma/ingestion/generated/client.js";
import { PrismaClient } from "#prisma/ingestion/generated/client.js";
import type { RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import { parsedData, readMeter } from "#schema/meters/meter-reading.js";
import { isMeterActive } from "#schema/tenancy-history.js";
import type { UsageEventStatus } from "#schema/vocabulary.js";
import { eventKeyOf } from "../rules/fingerprint.js";
import { type ConflictKey, readConflicts } from "./conflicts.js";
import { recordedEventAt } from "./control.js";
import { type QuarantinePosition, readQuarantinedData } from "./quarantined-data.js";
import { readCursor } from "./recording.js";

/** The outcome of one event. Instants are epoch ms. */
export interface FoundEvent {
  readonly tenantId: string;
  readonly source: string;
  readonly id: string;
  readonly type: string;
  readonly time: number;
  readonly receivedAt: number;
  /** Null without a position in the ledger. */
  readonly recordedAt: number | null;
  readonly status: UsageEventStatus;
  readonly seq: number | null;
  /** Canonical JSON text. */
  readonly data: string;
  /** Number of duplicates received. */
  readonly duplicates: number;
  readonly quarantineReason: string | null;
  readonly voidReason: string | null;
}

/** An event in a list, without its data, which may be large. */
export type ListedEvent = Omit<FoundEvent, "data"> & QuarantinePosition;

export type EventLookup = ReturnType<typeof createEventLookup>;

/** This process's copy of tenancy. */
export type LookupTenancy = Pick<TenancyCopy, "reached" | "metersOfType">;

const REACHED_WITHIN_MS = 2_000;

/**
 * Whether a meter counts a recorded event: one that was active when it was recorded, or a later one with a backfill, which this
 * room takes to have found the event's period open. Throws UNAVAILABLE while the copy has not reached the event's version.
 */
async function isCounted(event: RecordedEvent, tenancy: LookupTenancy): Promise<boolean> {
  const signal = timeoutSignal(REACHED_WITHIN_MS);
  try {
    await tenancy.reached(event.tenancyVersion, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new MetrlyError(
      "UNAVAILABLE",
      "The event is recorded, but whether a meter counts it is not known here yet; try again",
    );
  }
  const meters = tenancy.metersOfType(event.type);
  if (meters.some((meter) => isMeterActive(meter, event.tenancyVersion))) return true;
  const later = meters.filter((meter) => meter.backfill === true && meter.createdInVersion > event.tenancyVersion);
  return later.length > 0 && later.some((meter) => readMeter(meter, parsedData(event.data)).kind === "reading");
}

/** Reads of single events and of the quarantine. */
export function createEventLookup(database: Database, partitionCount: number, tenancy: LookupTenancy) {
  const prisma = new PrismaClient({ adapter: prismaAdapter(database) });

  async function duplicatesOf(partition: number, keys: readonly string[]): Promise<Map<string, number>> {
    const rows = await prisma.usageDuplicate.findMany({ where: { partition, key: { in: [...keys] } } });
    return new Map(rows.map(({ key, count }) => [key, Number(count)]));
  }

  return {
    /** The event that holds the key (tenant, source, id); undefined: none is recorded or quarantined yet. */
    async find(tenantId: string, source: string, id: string): Promise<FoundEvent | undefined> {
      const partition = partitionOf(tenantId, partitionCount);
      const key = eventKeyOf(tenantId, source, id);
      const holder = await prisma.usageKey.findUnique({ where: { partition_key: { partition, key } } });
      if (holder === null) return undefined;
      const { fingerprint, seq } = holder;
      const duplicates = (await duplicatesOf(partition, [key])).get(key) ?? 0;
      if (seq === null) {
        const row = await prisma.quarantinedEvent.findUniqueOrThrow({
          where: { partition_key_fingerprint: { partition, key, fingerprint } },
        });
        return quarantinedEvent(row, duplicates);
      }
      const [entry, voided] = await Promise.all([
        recordedEventAt(database.pool, partition, Number(seq)),
        prisma.voidedEvent.findUnique({ where: { partition_eventSeq: { partition, eventSeq: seq } } }),
      ]);
      return {
        tenantId,
        source,
        id,
        type: entry.type,
        time: entry.time,
        receivedAt: entry.receivedAt,
        recordedAt: entry.recordedAt,
        status: voided !== null ? "VOIDED" : (await isCounted(entry, tenancy)) ? "RECORDED" : "UNMETERED",
        seq: Number(seq),
        data: entry.data,
        duplicates,
        quarantineReason: null,
        voidReason: voided?.reason ?? null,
      };
    },
    /** See `readConflicts`. */
    conflicts: (asked: readonly ConflictKey[]) => readConflicts(database, partitionCount, asked),
    /**
     * Pending and refused events in quarantine, after a position, oldest first: all that the accounting counts as
     * `quarantined`. Without their data: `quarantinedData` reads it.
     */
    async quarantined(tenantId: string, after: number, take: number): Promise<ListedEvent[]> {
      const partition = partitionOf(tenantId, partitionCount);
      const rows = await prisma.quarantinedEvent.findMany({
        where: { partition, tenantId, position: { gt: after }, status: { in: ["QUARANTINED", "REFUSED"] } },
        orderBy: { position: "asc" },
        omit: { data: true },
        take,
      });
      const duplicates = await duplicatesOf(
        partition,
        rows.map((row) => row.key),
      );
      return rows.map((row) => ({
        ...listedEvent(row, duplicates.get(row.key) ?? 0),
        position: Number(row.position),
      }));
    },
    /** See `readQuarantinedData`. */
    quarantinedData: (asked: readonly QuarantinePosition[], admit: (bytes: number) => void) =>
      readQuarantinedData(database, partitionCount, asked, admit),
    /** Fingerprint of the oldest pending event in quarantine under this key. */
    async pending(tenantId: string, source: string, id: string): Promise<string | undefined> {
      const row = await prisma.quarantinedEvent.findFirst({
        where: {
          partition: partitionOf(tenantId, partitionCount),
          key: eventKeyOf(tenantId, source, id),
          status: "QUARANTINED",
        },
        orderBy: { position: "asc" },
      });
      return row?.fingerprint;
    },
    /** A pending or refused event; undefined: none, or it was accepted. */
    async findQuarantined(tenantId: string, source: string, id: string, fingerprint: string) {
      const partition = partitionOf(tenantId, partitionCount);
      const key = eventKeyOf(tenantId, source, id);
      const row = await prisma.quarantinedEvent.findUnique({
        where: { partition_key_fingerprint: { partition, key, fingerprint } },
      });
      if (row === null || row.status === "ACCEPTED") return undefined;
      return quarantinedEvent(row, (await duplicatesOf(partition, [key])).get(key) ?? 0);
    },
    /** Everything of the tenant acknowledged up to this instant is recorded; undefined: nothing yet. */
    async recordedThrough(tenantId: string): Promise<number | undefined> {
      const { recordedThrough } = await readCursor(database.pool, partitionOf(tenantId, partitionCount));
      // Others of the last record's millisecond may follow it.
      return recordedThrough === 0 ? undefined : recordedThrough - 1;
    },
  };
}

const quarantinedEvent = (row: QuarantinedEvent, duplicates: number): FoundEvent => ({
  ...listedEvent(row, duplicates),
  data: row.data,
});

function listedEvent(row: Omit<QuarantinedEvent, "data">, duplicates: number): Omit<FoundEvent, "data"> {
  const { tenantId, source, id, type, reason, detail } = row;
  return {
    tenantId,
    source,
    id,
    type,
    time: Number(row.timeMs),
    receivedAt: Number(row.receivedAtMs),
    recordedAt: null,
    status: row.status === "REFUSED" ? "REFUSED" : "QUARANTINED",
    seq: null,
    duplicates,
    quarantineReason: `${reason}: ${detail}`,
    voidReason: null,
  };
}
