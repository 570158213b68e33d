import type { Logger } from "pino";
import { Gauge, type Registry } from "prom-client";
import type { Clock } from "#kernel/clock.js";
import type { Database } from "#platform/database/database.js";
import type { EventLog } from "#platform/event-log/event-log.js";
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
  /** Partitions that this process records now: only those are watched here. */
  assigned(): readonly number[];
}

export interface AccountingWatch {
  /** What does not add up; undefined: everything does, as last looked at. */
  problem(): string | undefined;
  stop(): Promise<void>;
}

const EVERY_MS = 15_000;
/** Every so often all of a partition's accounts are added up; in between only what is new in the ledger. */
const CHECKS_PER_FULL = 240;

interface Watched {
  readonly verified: Verified | undefined;
  readonly checks: number;
  readonly mismatch: string | undefined;
}

/**
 * Proves again and again that a partition's items are all accounted for, from numbers that different code wrote: the cursor's
 * totals, the ledger's blocks, the accounts, the duplicates and the quarantine. A mismatch is a bug and turns readiness red.
 */
export function startAccountingWatch(options: AccountingWatchOptions): AccountingWatch {
  const gauges = createGauges(options.registry);
  const watched = new Map<number, Watched>();
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let running = watchAll();

  async function watchAll(): Promise<void> {
    const assigned = options.assigned();
    for (const partition of watched.keys()) if (!assigned.includes(partition)) forget(partition);
    for (const partition of assigned) {
      if (stopped) return;
      try {
        await watch(partition);
      } catch (error) {
        options.logger.warn({ err: error, partition }, "accounting could not be looked at");
      }
    }
    if (!stopped) timer = setTimeout(() => (running = watchAll()), options.everyMs ?? EVERY_MS);
  }

  async function watch(partition: number): Promise<void> {
    const { verified, checks = 0, mismatch: before } = watched.get(partition) ?? {};
    const isFull = verified === undefined || checks % CHECKS_PER_FULL === 0;
    const facts = await readIdentity(options.database, partition, verified?.seq ?? 0, isFull);
    if (facts === undefined) return;
    const found = mismatchOf(facts, verified);
    if (found.mismatch !== undefined && before === undefined)
      options.logger.error({ partition, mismatch: found.mismatch, facts }, "the accounts do not add up");
    // What does not add up is looked at in full until it does.
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

  return {
    problem() {
      for (const [partition, { mismatch }] of watched)
        if (mismatch !== undefined) return `the accounts of partition ${partition} do not add up: ${mismatch}`;
      return undefined;
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}

/** What the log holds behind the recorder's cursor, and how long the oldest of it has waited. */
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
    poison: gauge("metrly_ingestion_poison_records", "Records that could not be read, kept in poison_record"),
    records: gauge("metrly_ingestion_in_flight_records", "Records of usage.received that are not recorded yet"),
    age: gauge(
      "metrly_ingestion_oldest_in_flight_seconds",
      "How long the oldest record that is not recorded has waited",
    ),
  };
}
