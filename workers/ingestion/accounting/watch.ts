import type { Logger } from "pino";
import { Gauge, type Registry } from "prom-client";
import type { Clock } from "#kernel/clock.js";
import type { Database } from "#platform/database/database.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { repeat } from "#platform/lifecycle/repeat.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import { mismatchOf, type Verified } from "../rules/accounting-identity.js";
import { readIdentity } from "../store/accounting.js";

export interface AccountingWatchOptions {
  readonly database: Database;
  readonly log: Pick<EventLog, "bounds" | "read">;
  readonly clock: Clock;
  readonly registry: Registry;
  readonly logger: Logger;
  readonly everyMs?: number;
  /** Partitions that this process records now; only these are checked. */
  assigned(): readonly number[];
}

export type AccountingWatch = ReturnType<typeof startAccountingWatch>;

const EVERY_MS = 15_000;
/** Interval of full checks; in between only new ledger entries are checked. */
const CHECKS_PER_FULL = 240;

interface Watched {
  readonly verified: Verified | undefined;
  readonly checks: number;
  readonly mismatch: string | undefined;
}

/**
 * Continuously checks that every item of a partition is accounted for, from numbers written by different code: the cursor's
 * totals, the ledger's blocks, the accounts, the duplicates and the quarantine. A mismatch is a bug and makes the service
 * unready.
 */
export function startAccountingWatch(options: AccountingWatchOptions) {
  const gauges = createGauges(options.registry);
  const watched = new Map<number, Watched>();

  async function watchAll(stopping: AbortSignal): Promise<void> {
    const assigned = options.assigned();
    for (const partition of watched.keys()) if (!assigned.includes(partition)) forget(partition);
    for (const partition of assigned) {
      if (stopping.aborted) return;
      await watch(partition).catch((error: unknown) => onError(error, partition));
    }
  }

  function onError(error: unknown, partition?: number): void {
    options.logger.warn({ err: error, partition }, "the accounting check failed");
  }

  async function watch(partition: number): Promise<void> {
    const { verified, checks = 0, mismatch: before } = watched.get(partition) ?? {};
    const isFull = verified === undefined || checks % CHECKS_PER_FULL === 0;
    const facts = await readIdentity(options.database, partition, verified?.seq ?? 0, isFull);
    if (facts === undefined) return;
    const found = mismatchOf(facts, verified);
    if (found.mismatch !== undefined && before === undefined)
      options.logger.error({ partition, mismatch: found.mismatch, facts }, "the accounts do not add up");
    // A partition with a mismatch is checked in full until it adds up.
    const isSound = found.mismatch === undefined;
    watched.set(partition, {
      verified: isSound ? found.verified : undefined,
      checks: checks + 1,
      mismatch: found.mismatch,
    });
    gauges.mismatch.set({ partition }, found.amount);
    gauges.poison.set({ partition }, facts.poison);
    const flight = await inFlight(options.log, partition, facts.next, options.clock.now());
    gauges.records.set({ partition }, flight.records);
    gauges.age.set({ partition }, flight.ageMs / 1000);
  }

  function forget(partition: number): void {
    watched.delete(partition);
    for (const gauge of Object.values(gauges)) gauge.remove({ partition });
  }

  const watching = repeat({ everyMs: options.everyMs ?? EVERY_MS, run: watchAll, onError });
  return {
    /** The last mismatch found; undefined: everything adds up. */
    problem(): string | undefined {
      for (const [partition, { mismatch }] of watched)
        if (mismatch !== undefined) return `the accounts of partition ${partition} do not add up: ${mismatch}`;
      return undefined;
    },
    stop: watching.stop,
  };
}

/** The size of the log after the recorder's cursor, and the age of its oldest record. */
async function inFlight(log: Pick<EventLog, "bounds" | "read">, partition: number, next: number, now: number) {
  const bounds = await log.bounds(USAGE_RECEIVED, partition);
  if (bounds.next <= next) return { records: 0, ageMs: 0 };
  const [oldest] = await log.read(USAGE_RECEIVED, partition, next, 1);
  return { records: bounds.next - next, ageMs: oldest === undefined ? 0 : Math.max(0, now - oldest.timestamp) };
}

function createGauges(registry: Registry) {
  const gauge = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ["partition"], registers: [registry] });
  return {
    mismatch: gauge(
      "metrly_accounting_mismatch",
      "Items or entries that are not accounted for; anything but 0 is a bug",
    ),
    poison: gauge("metrly_ingestion_poison_records", "Unreadable records, kept in poison_record"),
    records: gauge("metrly_ingestion_in_flight_records", "Records of usage.received that are not recorded yet"),
    age: gauge("metrly_ingestion_oldest_in_flight_seconds", "Age of the oldest record that is not recorded yet"),
  };
}
