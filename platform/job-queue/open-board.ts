import { createBullBoard } from "@bull-board/api";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { FastifyAdapter } from "@bull-board/fastify";
import type { Queue } from "bullmq";
import Fastify, { type FastifyInstance } from "fastify";
import { QUEUE_BOARD_INTERNAL_PATH, QUEUE_BOARD_PATH } from "#platform/auth/internal-api.js";

/** Answers requests for the pages of the board; closed by the caller. */
export async function openBoard(queues: readonly Queue[]): Promise<FastifyInstance> {
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
