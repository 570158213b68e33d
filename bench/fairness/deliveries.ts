import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Service } from "#platform/process/service.js";
import { DELIVER_QUEUE } from "#schema/queues.js";
import { adminOf, ask, openWorld, tenantState } from "../../workers/notification/world.testing.js";
import { runPart } from "./part.js";
import { LOUD, loudLoops, measureRounds, OTHERS } from "./rounds.js";

/** Receives webhooks; `received` resolves when the one of this event has come. */
async function startReceiver() {
  const waiting = new Map<string, () => void>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      response.end();
      waiting.get(Buffer.concat(chunks).toString())?.();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", 1_024, resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    async received(payload: string): Promise<void> {
      await new Promise<void>((resolve) => waiting.set(payload, resolve));
      waiting.delete(payload);
    },
    stop(): void {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function createEndpoint(service: Service, tenantId: string, url: string): Promise<string> {
  const { data, messages } = await ask(
    service,
    adminOf(tenantId),
    "mutation ($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { endpoint { id } } }",
    { input: { tenantId, url, eventTypes: ["quota.warning"] } },
  );
  if (messages.length > 0) throw new Error(messages.join("; "));
  return String(data.createWebhookEndpoint.endpoint.id);
}

// BullMQ's workers: from a due delivery's job until its webhook is received.
await runPart(async ({ redisUrl, rounds, seconds }) => {
  const world = await openWorld("fairness", {}, { kind: "redis", url: redisUrl });
  for (const id of [...OTHERS, LOUD]) world.tenancy.apply(tenantState(id));
  const receiver = await startReceiver();
  const service = await world.start({ random: Math.random, sweepEveryMs: 5_000 });
  const [database, loudDatabase] = await Promise.all([world.openDatabase(), world.openDatabase()]);
  const queue = world.jobs.queue(DELIVER_QUEUE);
  const endpoints = new Map<string, string>();
  for (const id of [...OTHERS, LOUD]) endpoints.set(id, await createEndpoint(service, id, receiver.url));
  let made = 0;
  async function deliver(tenantId: string): Promise<void> {
    made += 1;
    const id = `d${made}`;
    const endpointId = endpoints.get(tenantId);
    const payload = JSON.stringify({ type: "quota.warning", data: { id } });
    const { pool } = tenantId === LOUD ? loudDatabase : database;
    await pool.query(
      `INSERT INTO webhook_delivery (tenant_id, id, endpoint_id, event_id, event_type, payload, next_attempt_at)
       VALUES ($1, $2, $3, $2, 'quota.warning', $4, now())`,
      [tenantId, id, endpointId, payload],
    );
    const received = receiver.received(payload);
    await queue.add(`${id}-1`, { tenantId, endpointId });
    await received;
  }
  try {
    const loud = (duration: number) => loudLoops(() => deliver(LOUD), duration);
    return await measureRounds({ others: OTHERS, use: deliver, loud, rounds, seconds });
  } finally {
    await world.stopService(service);
    await Promise.all([database.stop(), loudDatabase.stop()]);
    await world.close();
    receiver.stop();
  }
});
