import type { Database } from "#platform/database/database.js";
import { PROFILES, type Profiles } from "#platform/database/profiles.js";
import type { EventLog, LogConsumer } from "#platform/event-log/event-log.js";
import { startLedgerConsumer } from "#platform/ledger/consumer.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import { readLedger } from "../../../workers/ingestion/store/ledger.js";
import { isLong } from "../../support/effort.js";
import { shortLimits } from "../../support/short-limits.js";

export const EFFECT_TABLES = `
  CREATE TABLE high_water_mark (partition INTEGER PRIMARY KEY, seq BIGINT NOT NULL, next_offset BIGINT NOT NULL);
  CREATE TABLE effect (partition INTEGER NOT NULL, seq BIGINT NOT NULL);
`;

/** The product's limits in long runs, otherwise shorter ones. */
export const limits = (): Profiles => (isLong ? PROFILES : shortLimits(0.2));

interface EffectsOptions {
  readonly log: EventLog;
  readonly tenancy: TenancyCopy;
  /** Ingestion's database. */
  readonly ledger: Database;
  readonly database: Database;
}

/** A consumer whose effect is one row per entry. */
export function startEffects({ log, tenancy, ledger, database }: EffectsOptions): Promise<LogConsumer> {
  return startLedgerConsumer({
    ...{ log, tenancy, database, group: "effects" },
    ledger: { read: (query) => readLedger(ledger, query) },
    onError: () => undefined,
    onHole: () => undefined,
    onMalformed: () => undefined,
    async apply(tx, partition, entries) {
      const seqs = entries.map(({ seq }) => seq);
      await tx.query("INSERT INTO effect SELECT $1, * FROM unnest($2::bigint[])", [partition, seqs]);
      return undefined;
    },
  });
}
