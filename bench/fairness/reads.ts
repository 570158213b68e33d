import { setTimeout as wait } from "node:timers/promises";
import { startServer } from "../support/processes.js";
import { runPart } from "./part.js";
import { httpUses } from "./requests.js";
import { LOUD, measureRounds, OTHERS } from "./rounds.js";

// Database connections for reading: look-ups of one event each.
await runPart(async ({ rounds, seconds }) => {
  const server = await startServer("fairness/server-ingestion", { tenants: [...OTHERS, LOUD] });
  const { use, loud, stop } = httpUses(server, { of: "lookups", events: 1 });
  const isRecorded = (tenantId: string): Promise<boolean> =>
    use(tenantId).then(
      () => true,
      () => false,
    );
  try {
    for (const tenantId of OTHERS) while (!(await isRecorded(tenantId))) await wait(50);
    return await measureRounds({ others: OTHERS, use, loud, rounds, seconds });
  } finally {
    stop();
    await server.stop();
  }
});
