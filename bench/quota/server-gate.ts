import { openWorld } from "../../workers/quota/world.testing.js";
import { optionsOf, serve } from "../support/measured.js";

// Quota's service as in the product, with its counters in Redis; one tenant with one hard limit.
const { redisUrl, limit } = optionsOf<{ redisUrl: string; limit: string }>();
const world = await openWorld({ redisUrl });
world.meter("calls");
world.plan("bench", [{ limit, window: "MINUTE" }]);
world.tenant("acme", "bench");
const { authorization } = world.key("acme");
const service = await world.startService();
await service.app.listen({ host: "127.0.0.1", port: 0 });
serve(
  { port: Number(new URL(service.app.listeningOrigin).port), key: authorization.slice("Bearer ".length) },
  async () => {
    await service.stop();
    await world.close();
  },
);
