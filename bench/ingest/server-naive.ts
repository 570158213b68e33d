import Fastify from "fastify";
import { Redis } from "ioredis";
import { Kafka, logLevel } from "kafkajs";
import { optionsOf, serve } from "../support/measured.js";

// A naive implementation: Fastify, one Kafka send per request, and Redis for deduplication.
const { brokers, redisUrl, topic } = optionsOf<{ brokers: string[]; redisUrl: string; topic: string }>();
const redis = new Redis(redisUrl);
const producer = new Kafka({ brokers, clientId: "naive", logLevel: logLevel.NOTHING }).producer();
await producer.connect();

interface Event {
  readonly id: string;
  readonly source: string;
}
const app = Fastify({ logger: false });
app.addContentTypeParser(
  ["application/cloudevents+json", "application/cloudevents-batch+json"],
  { parseAs: "string" },
  (_request, body, done) => done(null, JSON.parse(String(body))),
);
app.post<{ Body: Event | Event[] }>("/v1/events", async (request, reply) => {
  const events = Array.isArray(request.body) ? request.body : [request.body];
  const isNew = await Promise.all(
    events.map((event) => redis.set(`seen:${event.source}:${event.id}`, "1", "EX", 86_400, "NX")),
  );
  const fresh = events.filter((_, index) => isNew[index] === "OK");
  const messages = fresh.map((event) => ({ key: event.id, value: JSON.stringify(event) }));
  if (messages.length > 0) await producer.send({ topic, acks: -1, messages });
  return reply.code(202).send({ accepted: fresh.length, duplicates: events.length - fresh.length });
});
await app.listen({ host: "127.0.0.1", port: 0 });
serve({ port: Number(new URL(app.listeningOrigin).port), key: "none" }, async () => {
  await app.close();
  await producer.disconnect();
  redis.disconnect();
});
