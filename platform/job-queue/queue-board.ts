import type { Queue } from "bullmq";
import Fastify, { type FastifyInstance } from "fastify";
import type { IdentityTokens } from "#platform/auth/identity.js";
import {
  operatorIdentity,
  QUEUE_BOARD_AUDIENCE,
  QUEUE_BOARD_INTERNAL_PATH,
  QUEUE_BOARD_PATH,
} from "#platform/auth/internal-api.js";

export interface QueueBoardOptions {
  readonly queues: readonly Queue[];
  readonly identityTokens: IdentityTokens;
}

/**
 * The job queue dashboard, read-only: it refuses every change, since services' databases decide which work is due. For the
 * gateway, which shows it to platform admins at `QUEUE_BOARD_PATH`. Loaded lazily, because it takes as much memory as a
 * service.
 */
export function registerQueueBoard(app: FastifyInstance, { queues, identityTokens }: QueueBoardOptions): void {
  let opening: Promise<FastifyInstance> | undefined;
  app.addHook("onClose", async () => {
    await (await opening)?.close();
  });
  for (const url of [QUEUE_BOARD_INTERNAL_PATH, `${QUEUE_BOARD_INTERNAL_PATH}/*`])
    app.get(url, async (request, reply) => {
      await operatorIdentity(identityTokens, request.headers, QUEUE_BOARD_AUDIENCE);
      opening ??= openBoard(queues);
      const { statusCode, headers, rawPayload } = await (await opening).inject({ method: "GET", url: request.url });
      return reply.code(statusCode).headers(headers).send(rawPayload);
    });
}

async function openBoard(queues: readonly Queue[]): Promise<FastifyInstance> {
  const [{ createBullBoard }, { BullMQAdapter }, { FastifyAdapter }] = await Promise.all([
    import("@bull-board/api"),
    import("@bull-board/api/bullMQAdapter"),
    import("@bull-board/fastify"),
  ]);
  const serverAdapter = new FastifyAdapter();
  serverAdapter.setBasePath(QUEUE_BOARD_PATH);
  createBullBoard({
    queues: queues.map((queue) => new BullMQAdapter(queue, { readOnlyMode: true })),
    serverAdapter,
    options: { uiConfig: { boardTitle: "Metrly's queues", hideRedisDetails: true } },
  });
  const board = Fastify();
  await board.register(serverAdapter.registerPlugin(), { prefix: QUEUE_BOARD_INTERNAL_PATH });
  return board;
}
