import { startServer } from "../support/processes.js";
import { runPart } from "./part.js";
import { httpUses } from "./requests.js";
import { LOUD, measureRounds, OTHERS } from "./rounds.js";

// Calls of quota's script: decisions one by one; the loud tenant asks for 100 in each request.
await runPart(async ({ redisUrl, rounds, seconds }) => {
  const options = { redisUrl, limit: "1000000000", tenants: [...OTHERS, LOUD] };
  const server = await startServer("quota/server-gate", options);
  const another = await startServer("quota/server-gate", options);
  const { use, loud, stop } = httpUses(server, { of: "decisions", events: 1, loudEvents: 100 });
  try {
    return await measureRounds({ others: OTHERS, use, loud, elsewhere: () => loud(another), rounds, seconds });
  } finally {
    stop();
    await another.stop();
    await server.stop();
  }
});
