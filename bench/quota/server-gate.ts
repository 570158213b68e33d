import { openWorld } from "../../workers/quota/world.testing.js";
import { optionsOf, serve } from "../support/measured.js";

// Quota's room as the product runs it, with its counters in Redis; one tenant with one hard limit.
const { redisUrl, limit } = optionsOf<{ redisUrl: string; limit: string }>();
const world = await openWorld({ redisUrl });
world.meter("calls");
world.plan("bench", [{ limit, window: "MINUTE" }]);
world.tenant("acme", "bench");
const { authorization } = world.key("acme");
const room = await world.startRoom();
await room.app.listen({ host: "127.0.0.1", port: 0 });
serve(
  { port: Number(new URL(room.app.listeningOrigin).port), key: authorization.slice("Bearer ".length) },
  async () => {
    await room.stop();
    await world.close();
  },
);
