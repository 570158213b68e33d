import { freePort } from "../../tests/servers/servers.js";
import { runMeasured, startServer } from "../support/processes.js";
import { runPart } from "./part.js";
import { LOUD, type LoudResult, measureRounds, OTHERS } from "./rounds.js";
import { openDeliveries, type Place } from "./webhooks.js";

// BullMQ's workers: from a due delivery's job until its webhook is received.
await runPart(async ({ redisUrl, rounds, seconds }) => {
  const [port, loudPort] = [await freePort(), await freePort()];
  const receivers = Object.fromEntries(
    [...OTHERS, LOUD].map((id) => [id, `http://127.0.0.1:${id === LOUD ? loudPort : port}/hook`]),
  );
  const server = await startServer<{ readonly place: Place }>("fairness/server-notification", { redisUrl, receivers });
  const { place, keys = {} } = server;
  const deliveries = await openDeliveries(place, port);
  const loud = async (duration: number): Promise<LoudResult> => {
    const options = { place, endpointId: keys[LOUD], port: loudPort, seconds: duration };
    return JSON.parse(await runMeasured("fairness/loud-deliveries", [JSON.stringify(options)], { isElsewhere: true }));
  };
  try {
    const use = (tenantId: string) => deliveries.deliver(tenantId, keys[tenantId] ?? "");
    return await measureRounds({ others: OTHERS, use, loud, rounds, seconds });
  } finally {
    await deliveries.stop();
    await server.stop();
  }
});
