import { createServer } from "node:http";
import { openDatabase } from "#platform/database/database.js";
import { connectJobQueues } from "#platform/job-queue/bullmq/queues.js";
import { DELIVER_QUEUE } from "#schema/queues.js";

/** The servers that a measured notification service uses. */
export interface Place {
  readonly redisUrl: string;
  readonly databaseUrl: string;
  readonly jobsPrefix: string;
}

/** Receives webhooks on the port; `received` resolves when the one with this payload has come. */
export async function startReceiver(port: number) {
  const waiting = new Map<string, () => void>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      response.end();
      waiting.get(Buffer.concat(chunks).toString())?.();
    });
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", 1_024, resolve));
  return {
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

/** Makes deliveries that are due, each with its job; `deliver` resolves when the webhook is received. */
export async function openDeliveries({ redisUrl, databaseUrl, jobsPrefix }: Place, port: number) {
  const receiver = await startReceiver(port);
  const database = await openDatabase({ url: databaseUrl, onError: console.error });
  const backend = { kind: "redis", url: redisUrl } as const;
  const jobs = await connectJobQueues({ backend, prefix: jobsPrefix, onError: console.error });
  const queue = jobs.queue(DELIVER_QUEUE);
  let made = 0;
  return {
    async deliver(tenantId: string, endpointId: string): Promise<void> {
      made += 1;
      const id = `d${process.pid}-${made}`;
      const payload = JSON.stringify({ type: "quota.warning", data: { id } });
      await database.pool.query(
        `INSERT INTO webhook_delivery (tenant_id, id, endpoint_id, event_id, event_type, payload, next_attempt_at)
         VALUES ($1, $2, $3, $2, 'quota.warning', $4, now())`,
        [tenantId, id, endpointId, payload],
      );
      const received = receiver.received(payload);
      await queue.add(`${id}-1`, { tenantId, endpointId });
      await received;
    },
    async stop(): Promise<void> {
      await jobs.stop();
      await database.stop();
      receiver.stop();
    },
  };
}
