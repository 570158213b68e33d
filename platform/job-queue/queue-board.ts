import type { Queue } from "bullmq";
import type { FastifyInstance } from "fastify";
import type { IdentityTokens } from "#platform/auth/identity.js";
import { operatorIdentity, QUEUE_BOARD_AUDIENCE, QUEUE_BOARD_INTERNAL_PATH } from "#platform/auth/internal-api.js";

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
  /** One board for all requests. After a failure, the next request tries again. */
  async function opened(): Promise<FastifyInstance> {
    opening ??= import("./open-board.js").then(({ openBoard }) => openBoard(queues));
    const joined = opening;
    try {
      return await joined;
    } catch (error) {
      if (opening === joined) opening = undefined;
      throw error;
    }
  }
  app.addHook("onClose", async () => {
    await (await opening?.catch(() => undefined))?.close();
  });
  for (const url of [QUEUE_BOARD_INTERNAL_PATH, `${QUEUE_BOARD_INTERNAL_PATH}/*`])
    app.get(url, async (request, reply) => {
      await operatorIdentity(identityTokens, request.headers, QUEUE_BOARD_AUDIENCE);
      const { statusCode, headers, rawPayload } = await (await opened()).inject({ method: "GET", url: request.url });
      return reply.code(statusCode).headers(headers).send(rawPayload);
    });
}
