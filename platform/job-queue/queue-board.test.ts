import type { Queue } from "bullmq";
import Fastify from "fastify";
import { expect, test } from "vitest";
import { createIdentityTokens, serviceIdentity } from "#platform/auth/identity.js";
import { IDENTITY_HEADER, QUEUE_BOARD_AUDIENCE, QUEUE_BOARD_INTERNAL_PATH } from "#platform/auth/internal-api.js";
import { registerQueueBoard } from "./queue-board.js";

test("a board that could not be opened is opened by the next request", async () => {
  let failures = 1;
  const queues: readonly Queue[] = new Proxy([], {
    get(target, name) {
      if (name === "map" && failures-- > 0) throw new Error("not now");
      return Reflect.get(target, name);
    },
  });
  const identityTokens = createIdentityTokens("a secret of at least 32 characters");
  const token = await identityTokens.sign(serviceIdentity("gateway"), QUEUE_BOARD_AUDIENCE);
  const app = Fastify();
  registerQueueBoard(app, { queues, identityTokens });
  const get = () =>
    app.inject({ url: `${QUEUE_BOARD_INTERNAL_PATH}/api/queues`, headers: { [IDENTITY_HEADER]: token } });
  try {
    expect((await get()).statusCode).toBe(500);
    expect((await get()).json()).toMatchObject({ queues: [] });
  } finally {
    await app.close();
  }
});
