import { createTenancyState } from "#platform/tenancy-client/copy.js";
import type { RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import { createInvoiceVerifier } from "../../workers/billing/verify.js";
import { tenant } from "../../workers/billing/world.testing.js";
import { ensureLedgerMonths, readLedger } from "../../workers/ingestion/store/ledger.js";
import { blocksOf } from "../../workers/ingestion/store/ledger-block.js";
import { appendToLedger, openCursor } from "../../workers/ingestion/store/recording.js";
import { openWorld } from "../../workers/ingestion/world.testing.js";
import { eventOf, METERS, PERIOD } from "../billing/events.js";
import { runPart } from "./part.js";
import { LOUD, loudLoops, measureRounds, OTHERS } from "./rounds.js";

const EVENTS = 1_000;

// The verifier: each invoice is recomputed from the tenant's 1,000 events, which the ledger in PostgreSQL has.
await runPart(async ({ rounds, seconds }) => {
  const world = await openWorld();
  const tenants = [...OTHERS, LOUD];
  const { reads, apply } = createTenancyState({ now: () => PERIOD.start });
  for (const state of [...METERS, ...tenants.map((id) => tenant(id, { assignments: [] }))]) apply(state);
  await ensureLedgerMonths(world.database, PERIOD.start);
  await openCursor(world.database, 0);
  for (const [index, tenantId] of tenants.entries()) {
    const entries = Array.from({ length: EVENTS }, (_, n): RecordedEvent => {
      const seq = index * EVENTS + n + 1;
      return { ...eventOf(n, EVENTS, tenantId), id: `${tenantId}-${n}`, seq, recordedAt: PERIOD.start };
    });
    await world.database.transaction((tx) => appendToLedger(tx, 0, blocksOf(0, entries, true)));
  }
  await world.database.pool.query("UPDATE recorder_cursor SET seq = $1", [tenants.length * EVENTS]);
  const verifier = createInvoiceVerifier({
    ledger: { read: (query) => readLedger(world.database, query) },
    tenancy: { ...reads, stop: async () => undefined },
    partitions: 1,
  });
  const verify = async (tenantId: string): Promise<void> => {
    const document = '{"schema":"metrly.invoice.v1"}';
    const invoice = { tenantId, ordinal: 1, periodStart: PERIOD.start, sha256: "", document, generatedAt: 0 };
    const { checkedEvents } = await verifier.verify(invoice);
    if (checkedEvents !== EVENTS) throw new Error(`checked ${checkedEvents} events`);
  };
  try {
    const loud = () => loudLoops(() => verify(LOUD));
    return await measureRounds({ others: OTHERS, use: verify, loud, rounds, seconds });
  } finally {
    await world.close();
  }
});
