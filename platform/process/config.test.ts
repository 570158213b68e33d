import { expect, test } from "vitest";
import { ConfigError, parseConfig } from "./config.js";

test("nothing set means embedded, on loopback, with the demo", () => {
  expect(parseConfig({})).toMatchObject({
    host: "127.0.0.1",
    port: 4000,
    metricsPort: 9464,
    demo: true,
    kafkaBrokers: [],
    redisUrl: undefined,
    databaseUrl: undefined,
    partitions: 4,
    webhookAllowLoopback: true,
  });
});

test("a broker makes it distributed: 64 partitions, no webhooks to loopback", () => {
  expect(parseConfig({ METRLY_KAFKA_BROKERS: "a:9092, b:9092" })).toMatchObject({
    kafkaBrokers: ["a:9092", "b:9092"],
    partitions: 64,
    webhookAllowLoopback: false,
  });
});

test("all errors are reported together and no secret is printed", () => {
  const secret = "hunter2";
  const parse = () =>
    parseConfig({
      METRLY_PORT: "http",
      METRLY_DEMO: "yes",
      METRLY_REDIS_URL: `http://:${secret}@x`,
      METRLY_INTERNAL_SECRET: secret,
    });
  expect(parse).toThrow(ConfigError);
  try {
    parse();
  } catch (error) {
    const message = String(error);
    for (const name of ["METRLY_PORT", "METRLY_DEMO", "METRLY_REDIS_URL", "METRLY_INTERNAL_SECRET"])
      expect(message).toContain(name);
    expect(message).not.toContain(secret);
  }
});
