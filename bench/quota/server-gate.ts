import { openWorld } from "../../workers/quota/world.testing.js";
import { optionsOf, serve } from "../support/measured.js";

// Quota's service as in the product, with its counters in Redis; tenants with one hard limit.
interface GateOptions {
  readonly redisUrl: string;
  readonly limit: string;
  readonly tenants?: readonly string[];
}
const { redisUrl, limit, tenants = ["acme"] } = optionsOf<GateOptions>();
const world = await openWorld({ redisUrl });
world.meter("calls");
world.plan("bench", [{ limit, window: "MINUTE" }]);
const keys: Record<string, string> = {};
for (const tenantId of tenants) {
  world.tenant(tenantId, "bench");
  keys[tenantId] = world.key(tenantId).authorization.slice("Bearer ".length);
}
const service = await world.startService();
await service.app.listen({ host: "127.0.0.1", port: 0 });
const port = Number(new URL(service.app.listeningOrigin).port);
serve({ port, key: keys.acme ?? "", keys }, async () => {
  await service.stop();
  await world.close();
});
