import { startServer } from "../support/processes.js";
import { runPart } from "./part.js";
import { httpUses } from "./requests.js";
import { LOUD, measureRounds, OTHERS } from "./rounds.js";

// Calls of quota's script: decisions one by one; the loud tenant asks for 100 in each request.
await runPart(async ({ redisUrl, rounds, seconds }) => {
  const server = await startServer("quota/server-gate", { redisUrl, limit: "1000000000", tenants: [...OTHERS, LOUD] });
  const { use, loud, stop } = httpUses(server, { of: "decisions", events: 1, loudEvents: 100 });
  try {
    return await measureRounds({ others: OTHERS, use, loud, rounds, seconds });
  } finally {
    stop();
    await server.stop();
  }
});
