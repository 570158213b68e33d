import { pino } from "pino";
import { Registry } from "prom-client";
import { connectKafkaLog } from "#platform/event-log/kafka/log.js";
import { createHttpServer } from "#platform/http/server.js";
import { systemClock } from "#platform/process/clock.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import { TOPICS, USAGE_RECEIVED } from "#schema/topics.js";
import { registerEdge } from "../../workers/ingestion/http/events.js";
import { createAppender } from "../../workers/ingestion/intake/appender.js";
import { createMetrics } from "../../workers/ingestion/metrics.js";
import { apiKeyState, meterState, tenantState } from "../../workers/ingestion/world.testing.js";
import { optionsOf, serve } from "../support/measured.js";

// Ingestion's edge as in the product, without the recorder: request, validation, log, response.
interface EdgeOptions {
  readonly brokers: string[];
  readonly partitions: number;
  readonly tenants?: readonly string[];
}
const { brokers, partitions, tenants = ["acme", "flood"] } = optionsOf<EdgeOptions>();
const logger = pino({ level: "error" });
const log = await connectKafkaLog({ brokers, clientId: "edge", replicationFactor: 1, logger });
await log.ensureTopics(TOPICS, partitions);
const { reads, apply, close } = createTenancyState(systemClock);
apply(meterState("requests", "api.request", { dimensions: ["region"] }));
const keys: Record<string, string> = {};
for (const tenantId of tenants) {
  const { state, secret } = apiKeyState(tenantId);
  apply(tenantState(tenantId));
  apply(state);
  keys[tenantId] = secret;
}

const app = createHttpServer(logger);
const appender = createAppender({
  writesColumns: () => true,
  log,
  partitionCount: await log.partitionCount(USAGE_RECEIVED),
  tenancyVersion: reads.version,
  onError: (error) => logger.error(error),
});
registerEdge(app, {
  tenancy: { ...reads, stop: async () => close() },
  clock: systemClock,
  appender,
  metrics: createMetrics(new Registry()),
  events: {
    find: async () => undefined,
    conflicts: async () => [],
    recordedThrough: async () => undefined,
  },
});
await app.listen({ host: "127.0.0.1", port: 0 });
const port = Number(new URL(app.listeningOrigin).port);
serve({ port, key: keys.acme ?? "", keys }, async () => {
  await app.close();
  await appender.stop();
  await log.stop();
});
