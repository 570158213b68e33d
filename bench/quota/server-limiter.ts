import Fastify from "fastify";
import { Redis } from "ioredis";
import { RateLimiterRedis } from "rate-limiter-flexible";
import { optionsOf, serve } from "../support/measured.js";

// A naive implementation: Fastify and rate-limiter-flexible on Redis, with the same limit.
const { redisUrl, limit } = optionsOf<{ redisUrl: string; limit: string }>();
const redis = new Redis(redisUrl);
const limiter = new RateLimiterRedis({ storeClient: redis, points: Number(limit), duration: 60 });
const app = Fastify({ logger: false });
app.post("/v1/quota/consume", async (_request, reply) => {
  const left = await limiter.consume("acme").catch((denied: { remainingPoints: number }) => denied);
  return reply.code(left.remainingPoints > 0 ? 200 : 429).send({ allowed: left.remainingPoints > 0, ...left });
});
await app.listen({ host: "127.0.0.1", port: 0 });
serve({ port: Number(new URL(app.listeningOrigin).port), key: "none" }, async () => {
  await app.close();
  redis.disconnect();
});
