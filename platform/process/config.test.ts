import { readFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import { runs } from "../../tests/support/effort.js";
import { anyText } from "../../tests/systems/hostile/arbitraries.js";
import { parseConfig } from "./config.js";
import { ConfigError } from "./config-error.js";

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

test("the seller's address has a line between two bars, and its texts are bounded", () => {
  const seller = (name: string, address = "") =>
    parseConfig({ METRLY_SELLER_NAME: name, METRLY_SELLER_ADDRESS: address }).seller;
  expect(seller("")).toBeNull();
  expect(seller("Łódź Café 株式会社", "Main Street 1 | 10115 Berlin")).toEqual({
    name: "Łódź Café 株式会社",
    addressLines: ["Main Street 1", "10115 Berlin"],
  });
  expect(() => seller("", "Main Street 1")).toThrow("METRLY_SELLER_NAME must be set");
  expect(() => seller("x".repeat(201))).toThrow("METRLY_SELLER_NAME: has at most 200 characters");
  expect(() => seller("a\nb")).toThrow("METRLY_SELLER_NAME: must not have control characters");
  expect(() => seller("a", "b||c")).toThrow("METRLY_SELLER_ADDRESS: addressLines[1] must not be blank");
  expect(() => seller("a", "b|".repeat(9))).toThrow("METRLY_SELLER_ADDRESS: addressLines has at most 8 lines");
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

test("a secret may be in a file, and the setting itself wins", () => {
  const files = new Map([["/run/internal", `${"s".repeat(40)}\n`]]);
  const read = (path: string) => files.get(path) ?? fail(path);
  const env = { METRLY_INTERNAL_SECRET_FILE: "/run/internal" };
  expect(parseConfig(env, read).internalSecret).toBe("s".repeat(40));
  expect(parseConfig({ ...env, METRLY_INTERNAL_SECRET: "t".repeat(32) }, read).internalSecret).toBe("t".repeat(32));
  files.set("/run/internal", "\n");
  expect(() => parseConfig(env, read)).toThrow("METRLY_INTERNAL_SECRET_FILE is empty");
  expect(() => parseConfig({ METRLY_REDIS_PASSWORD_FILE: "/run/nowhere" }, read)).toThrow("METRLY_REDIS_PASSWORD_FILE");
});

test("a password completes the URLs that name a user only", () => {
  const config = parseConfig({
    METRLY_DATABASE_URL: "postgres://billing@db:5432/billing",
    METRLY_DATABASE_PASSWORD: "p@s:s/%",
    METRLY_REDIS_URL: "redis://metrly:own@one:6379",
    METRLY_QUOTA_REDIS_URLS: "redis://metrly@two:6379, redis://three:6379",
    METRLY_REDIS_PASSWORD: "secret",
  });
  expect(decodeURIComponent(new URL(config.databaseUrl ?? "").password)).toBe("p@s:s/%");
  expect(config.redisUrl).toBe("redis://metrly:own@one:6379");
  expect(config.quotaRedisUrls).toEqual(["redis://metrly:secret@two:6379", "redis://three:6379"]);
});

test.each([
  ...[
    "METRLY_PORT= ",
    "METRLY_PORT=0x50",
    "METRLY_PORT=1e3",
    "METRLY_PORT=-1",
    "METRLY_PORT=65536",
    "METRLY_PORT=４０００",
  ],
  ...[
    "METRLY_HOST=256.1.1.1",
    "METRLY_HOST=http://localhost",
    "METRLY_HOST=localhost:80",
    "METRLY_HOST= ",
    "METRLY_HOST=a..b",
  ],
  ...[
    "METRLY_KAFKA_BROKERS=kafka://x",
    "METRLY_KAFKA_BROKERS=a:0",
    "METRLY_KAFKA_BROKERS=a:9092,b",
    "METRLY_KAFKA_BROKERS=:1",
  ],
  ...[
    "METRLY_DATABASE_URL=postgres://x/%",
    "METRLY_DATABASE_URL=postgres://u:%ff@x/y",
    "METRLY_REDIS_URL=redis://x/%00",
  ],
  ...[
    "METRLY_NAMESPACE=A",
    "METRLY_TICK_SECONDS=1.5",
    "METRLY_DEMO=ON",
    "METRLY_LOG_LEVEL=loud",
    "METRLY_MAX_DIMENSION_VALUES=9e4",
  ],
])("%s is refused, not taken for something else", (setting) => {
  const [name = "", value] = setting.split("=");
  expect(() => parseConfig({ [name]: value })).toThrow(
    new RegExp(`^Invalid configuration:\\n {2}- ${name} must [^\\n]+$`),
  );
});

test("names, addresses and ports that are some are taken", () => {
  for (const host of ["0.0.0.0", "::", "::1", "localhost", "a-b.example.", "metrly_ingestion"])
    expect(parseConfig({ METRLY_HOST: host }).host).toBe(host);
  const places = ["kafka:9092", "10.0.0.1:1", "[::1]:65535", "b-1.x.kafka.eu-west-1.amazonaws.com:9096"];
  expect(parseConfig({ METRLY_KAFKA_BROKERS: places.join(", ") }).kafkaBrokers).toEqual(places);
  const socket = "postgres://metrly@/metrly?host=/run/postgresql";
  if (URL.canParse(socket)) expect(parseConfig({ METRLY_DATABASE_URL: socket }).databaseUrl).toBe(socket);
});

const SETTINGS =
  readFileSync(path.join(packageRoot(), "platform/process/config.ts"), "utf8").match(/METRLY_[A-Z_]+/g) ?? [];

test("whatever the settings are, they are taken, or refused with a line for each and without secrets", () => {
  const value = fc.oneof(
    anyText,
    fc.constantFrom("", "0", "80", "on", "x=TENANT_ADMIN", "http://a", "redis://u@b", "c:1"),
  );
  const secret = `${"s".repeat(10)}hunter2`;
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...new Set(SETTINGS)), value, { maxKeys: 6 }), (env) => {
      try {
        parseConfig({ METRLY_INTERNAL_SECRET: secret, ...env }, () => secret);
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError);
        expect(String(error)).toMatch(/METRLY_/);
        if (!Object.values(env).some((text) => text?.includes("hunter2")))
          expect(String(error)).not.toContain("hunter2");
      }
    }),
    { numRuns: runs(300) },
  );
});

test("Kafka may need a user and TLS", () => {
  expect(parseConfig({}).kafkaAccess).toEqual({ tls: false, sasl: undefined });
  const env = { METRLY_KAFKA_TLS: "on", METRLY_KAFKA_SASL: "scram-sha-512", METRLY_KAFKA_USERNAME: "metrly" };
  expect(() => parseConfig(env)).toThrow("METRLY_KAFKA_PASSWORD");
  expect(parseConfig({ ...env, METRLY_KAFKA_PASSWORD: "x" }).kafkaAccess).toEqual({
    tls: true,
    sasl: { mechanism: "scram-sha-512", username: "metrly", password: "x" },
  });
});

function fail(path: string): never {
  throw new Error(`no file ${path}`);
}
