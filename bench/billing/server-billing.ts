import { openDatabase } from "#platform/database/database.js";
import { connectKafkaLog } from "#platform/event-log/kafka/log.js";
import { startLedgerConsumer } from "#platform/ledger/consumer.js";
import { systemClock } from "#platform/process/clock.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import { createAggregator } from "../../workers/billing/usage-recorded.js";
import { optionsOf, serve } from "../support/measured.js";
import { METERS } from "./events.js";

// Billing's consumer of the ledger, without its graph and its closes.
const { url, brokers, partitions } = optionsOf<{ url: string; brokers: string[]; partitions: number }>();
const database = await openDatabase({ url, onError: () => undefined });
const log = await connectKafkaLog({ brokers, clientId: "billing", replicationFactor: 1 });
const { reads, apply } = createTenancyState(systemClock);
for (const meter of METERS) apply(meter);
const tenancy = { ...reads, stop: async () => undefined };
const ledger = {
  read: async (): Promise<never> => {
    throw new Error("there is no gap to read");
  },
};
const queue = { add: async () => undefined, remove: async () => undefined };
const aggregator = createAggregator({ tenancy, ledger, partitions, queue, clock: systemClock });
const consumer = await startLedgerConsumer({
  ...{ log, group: "bench-billing", database, ledger, tenancy },
  ...{ onError: console.error, onHole: console.error, onMalformed: console.error },
  prepare: (partition, entries) => aggregator.prepare(database.under("rebuild"), partition, entries),
  apply: aggregator.apply,
});
serve({ port: 0, key: "" }, async () => {
  await consumer.stop();
  aggregator.stop();
  await log.stop();
  await database.stop();
});
