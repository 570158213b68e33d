import { cp, readdir } from "node:fs/promises";
import path from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import { hourOf } from "#kernel/period.js";
import { type Database, openDatabase } from "#platform/database/database.js";
import { systemClock } from "#platform/process/clock.js";
import { migrationsDirOf } from "#platform/process/package-root.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import { encodeItem, receivedText } from "#schema/events/usage-received.v2.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { createTestDatabase, hasPostgres } from "../../../tests/servers/servers.js";
import { migrationOf } from "../../../tests/support/migration.js";
import { PATIENT_LIMITS } from "../../../tests/support/patient-limits.js";
import { createDimensionLimit } from "../dimensions/dimension-limit.js";
import { decodeRecord } from "../rules/decode-record.js";
import { planSteps } from "../rules/plan-steps.js";
import { ensureLedgerMonths, readLedger } from "../store/ledger.js";
import { blocksOf } from "../store/ledger-block.js";
import { changeAccounts, readCursor } from "../store/recording.js";
import { MAX_DIMENSION_VALUES, receivedItem } from "../world.testing.js";
import { recordStep } from "./recording.js";

const DAY = Date.UTC(2026, 10, 24);
const FIRST_OF_THESE = "20261129100000_ledger_reach";

describe.skipIf(!hasPostgres)("where the events of a period begin", () => {
  const closers: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  async function open(url: string, migrationsDir: string): Promise<Database> {
    const database = await openDatabase({ url, profiles: PATIENT_LIMITS, migrationsDir, onError: () => undefined });
    closers.push(() => database.stop());
    return database;
  }

  async function migrationsBefore(name: string): Promise<string> {
    const from = migrationsDirOf("ingestion");
    const dir = await migrationOf("SELECT 1");
    for (const one of await readdir(from)) {
      if (/^\d/.test(one) && one < name) await cp(path.join(from, one), path.join(dir, one), { recursive: true });
    }
    return dir;
  }

  test("is found in what releases of before and of now recorded in turns, also while their clocks are wrong", async () => {
    const created = await createTestDatabase("ledger_reached");
    closers.push(() => created.drop());
    let database = await open(created.url, await migrationsBefore(FIRST_OF_THESE));
    await ensureLedgerMonths(database, DAY);
    await database.pool.query("INSERT INTO recorder_cursor VALUES (0, 0, 0, 0, 0)");
    const tenancy = { ...createTenancyState(systemClock).reads };
    const times: number[] = [];
    const noted = (hour: number): number => {
      times.push(DAY + hour * HOUR_MS + 1);
      return DAY + hour * HOUR_MS + 1;
    };

    /** What a recorder writes that does not know `ledger_reach`. */
    async function before(...hours: number[]): Promise<void> {
      await database.transaction(async (tx) => {
        const entries = hours.map((hour): LedgerEntry => {
          const time = noted(hour);
          const { imported: _, ...item } = receivedItem({ id: `${times.length}`, time, receivedAt: time });
          return { kind: "event", ...item, seq: times.length, recordedAt: DAY, tenancyVersion: 0 };
        });
        for (const block of blocksOf(0, entries, false))
          await tx.query(
            `INSERT INTO ledger_block (partition, first_seq, last_seq, recorded_at_ms, tenancy_version, is_shared, tenants, entries, event_count)
             VALUES (0, $1, $2, $3, 0, false, '{acme}', $4, $5)`,
            [block.first_seq, block.last_seq, block.recorded_at_ms, block.entries, block.event_count],
          );
        for (const hour of hours) {
          const counts = { accepted: 1, recorded: 1, duplicates: 0, quarantined: 0 };
          await changeAccounts(tx, 0, [{ tenantId: "acme", hour: hourOf(DAY + hour * HOUR_MS), ...counts }]);
        }
        await tx.query("UPDATE recorder_cursor SET next = next + 1, seq = $1", [times.length]);
      });
    }

    async function now(...hours: number[]): Promise<void> {
      const { next } = await readCursor(database.pool, 0);
      const items = hours.map((hour) => {
        const time = noted(hour);
        return receivedItem({ id: `${times.length}`, time, receivedAt: time });
      });
      const value = Buffer.from(receivedText(items.map(encodeItem), 0));
      const [step] = planSteps([{ offset: next, timestamp: DAY, value, decoded: decodeRecord(value, 0, 1) }]);
      if (step === undefined) throw new Error("a record makes a step");
      const dimensions = createDimensionLimit(MAX_DIMENSION_VALUES);
      const recorded = await recordStep(
        { database, tenancy, dimensions, writesColumns: () => true, clock: { now: () => DAY } },
        0,
        step,
      );
      expect(recorded).toMatchObject({ kind: "recorded", entries: { length: hours.length } });
    }

    const startOf = async (hour: number): Promise<number> => {
      const query = { partition: 0, from: 1, limit: 1, eventsFrom: DAY + hour * HOUR_MS };
      const { entries, nextSeq } = await readLedger(database, query);
      return entries[0]?.seq ?? nextSeq;
    };
    async function expectNoneMissed(): Promise<void> {
      const hours = [2, 4, 5, 6, 7, 8, 9, 10, 11, 13, 40 * 24];
      const missed = hours.map(async (hour) => {
        const first = times.findIndex((time) => time >= DAY + hour * HOUR_MS) + 1;
        return first > 0 && (await startOf(hour)) > first ? [hour] : [];
      });
      expect((await Promise.all(missed)).flat()).toEqual([]);
    }

    await before(3, 1);
    database = await open(created.url, migrationsDirOf("ingestion"));
    await expectNoneMissed();
    await before(5);
    await expectNoneMissed();
    await now(2);
    await expectNoneMissed();
    // One hour beyond what arrived before the upgrade can be in it.
    expect(await startOf(6)).toBe(1);
    expect(await startOf(7)).toBe(times.length + 1);
    await now(7, 6);
    await expectNoneMissed();
    await before(9, 8);
    await expectNoneMissed();
    await now(11, 4);
    await expectNoneMissed();
    await before(10);
    await now(3);
    await expectNoneMissed();
    await now(13);
    await expectNoneMissed();
    expect(await startOf(13)).toBe(times.length);
    // The clock of the process that accepted it was wrong.
    await before(40 * 24);
    await expectNoneMissed();
    await now(14);
    await expectNoneMissed();
    expect(await startOf(14)).toBe(times.length - 1);
    expect(await startOf(41 * 24)).toBe(times.length + 1);
  });
});
