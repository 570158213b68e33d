import pg from "pg";
import { MetrlyError } from "#kernel/errors.js";
import { openDatabase } from "#platform/database/database.js";
import { createTenancyStore } from "../../../workers/tenancy/store/store.js";
import type { Command } from "../terms/commands.js";
import { changed } from "./roles.js";

/** What was asked of tenancy before each run. Its log is empty: whoever wiped it, a start has to restore it. */
export const PAST: readonly Command[] = [
  { kind: "createMeter", id: "m0", unit: "calls", backfill: false },
  { kind: "createTenant", id: "t0", name: "Zeta", planId: undefined, testClock: null },
  { kind: "createPlan", id: "p0", meter: "m0", fee: "3" },
  { kind: "rename", id: "t0", name: "Zeta & Co" },
];
export const actorOfPast = (place: number): string => `user:past-${place}`;

const AT = Date.UTC(2026, 0, 10);
const MAX_ATTEMPTS = 20;

/**
 * Writes it, by the product. Also loads what Prisma loads at its first statement: in a run, that would take as many turns of the event
 * loop as the disk wants.
 */
export async function writePast(url: string): Promise<void> {
  const database = await openDatabase({ url, onError: () => undefined });
  const options = { database, clock: { now: () => AT }, partitions: 1, onCommitted: () => undefined };
  const store = createTenancyStore(options);
  for (const [place, command] of PAST.entries()) await insist(() => changed(store, command, actorOfPast(place)));
  await store.stop();
  await database.stop();
  const session = new pg.Client({ connectionString: url });
  await session.connect();
  // Each run numbers its entries from 1, and the audit log cannot be changed otherwise.
  await session.query("SET session_replication_role = replica");
  await session.query("UPDATE audit_entry SET id = id - 1000");
  await session.query("DELETE FROM outbox");
  await session.end();
}

/** On a machine that stands still for seconds, a transaction is refused. */
async function insist(run: () => Promise<unknown>): Promise<void> {
  for (let left = MAX_ATTEMPTS; ; left -= 1)
    try {
      await run();
      return;
    } catch (error) {
      if (left === 1 || !(error instanceof MetrlyError && error.code === "BUSY")) throw error;
    }
}
