import { startServer } from "../support/processes.js";
import { runPart } from "./part.js";
import { httpUses } from "./requests.js";
import { LOUD, measureRounds, OTHERS } from "./rounds.js";

// Turns on the edge's processor: batches of 10 events; the loud tenant's have 500.
await runPart(async ({ brokers, rounds, seconds }) => {
  const options = { brokers, partitions: 4, tenants: [...OTHERS, LOUD] };
  const server = await startServer("ingest/server-edge", options);
  const another = await startServer("ingest/server-edge", options);
  const { use, loud, stop } = httpUses(server, { of: "events", events: 10, loudEvents: 500 });
  try {
    return await measureRounds({ others: OTHERS, use, loud, elsewhere: () => loud(another), rounds, seconds });
  } finally {
    stop();
    await another.stop();
    await server.stop();
  }
});
