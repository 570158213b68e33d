import { partitionOf } from "#kernel/partition.js";
import {
  apiKeyState,
  appendItems,
  openWorld,
  receivedItem,
  startService,
  tenantState,
} from "../../workers/ingestion/world.testing.js";
import { optionsOf, serve } from "../support/measured.js";
import { LOOKED_UP } from "../support/requests.js";

const PARTITIONS = 4;

// Ingestion as in the product, on an event log in PostgreSQL; each tenant has one event, which is recorded.
const { tenants } = optionsOf<{ tenants: readonly string[] }>();
const world = await openWorld({ partitions: PARTITIONS });
const keys: Record<string, string> = {};
for (const tenantId of tenants) {
  const { state, secret } = apiKeyState(tenantId, ["INGEST", "READ"]);
  world.apply(tenantState(tenantId));
  world.apply(state);
  keys[tenantId] = secret;
  await appendItems(world.log, partitionOf(tenantId, PARTITIONS), [receivedItem({ tenantId, ...LOOKED_UP })]);
}
const { app, stop } = await startService(world);
await app.listen({ host: "127.0.0.1", port: 0 });
serve({ port: Number(new URL(app.listeningOrigin).port), key: "", keys }, async () => {
  await stop();
  await world.close();
});
