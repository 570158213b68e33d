import { freePort } from "../../tests/servers/servers.js";
import { lowerPriority, startServer } from "../support/processes.js";
import { runPart } from "./part.js";
import { LOUD, type Loud, type LoudResult, measureRounds, OTHERS } from "./rounds.js";
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
  const options = { place, endpointId: keys[LOUD], port: loudPort };
  const elsewhere = await startServer("fairness/loud-deliveries", options);
  lowerPriority(elsewhere.pid);
  const loud = async (): Promise<Loud> => {
    await elsewhere.ask("begin", "begun");
    return { end: () => elsewhere.ask<LoudResult>("end", "ended") };
  };
  try {
    const use = (tenantId: string) => deliveries.deliver(tenantId, keys[tenantId] ?? "");
    return await measureRounds({ others: OTHERS, use, loud, rounds, seconds });
  } finally {
    await elsewhere.stop();
    await deliveries.stop();
    await server.stop();
  }
});
