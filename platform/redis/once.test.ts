import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { startRedis } from "../../tests/servers/private-servers.js";
import { freePort, hasRedis, PATIENCE_MS } from "../../tests/servers/servers.js";
import { askRedisOnce, RedisRefusal } from "./once.js";

const ask = (url: string) => askRedisOnce(url, (redis) => redis.ping(), PATIENCE_MS);

describe.skipIf(!hasRedis)("a Redis that wants a password", () => {
  test("answers with it, and is named with its answer without it", async () => {
    const server = await startRedis({ flags: ["--requirepass", "right"] });
    try {
      const { host } = new URL(server.url);
      expect(await ask(`redis://:right@${host}`)).toBe("PONG");
      for (const [url, answer] of [
        [server.url, "NOAUTH"],
        [`redis://:wrong@${host}`, "WRONGPASS"],
      ] as const) {
        const failure = await ask(url).catch((error: unknown) => error);
        expect(failure).toBeInstanceOf(RedisRefusal);
        expect(String(failure)).toMatch(new RegExp(`Redis at ${host} .*${answer}`));
        expect(String(failure)).not.toMatch(/wrong|right/);
      }
    } finally {
      await server.stop();
    }
  });
});

test.each([
  "DENIED Redis is running in protected mode",
  "ERR max number of clients reached",
  "ERR in another language",
])("a Redis whose first answer is a refusal is named with it: %s", async (answer) => {
  const server = createServer((socket) => socket.end(`-${answer}\r\n`));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  const failure = await ask(`redis://127.0.0.1:${port}`).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(RedisRefusal);
  expect(String(failure)).toContain(answer);
  server.close();
});

test("a Redis that does not answer may be waited for", async () => {
  const port = await freePort();
  await expect(ask(`redis://127.0.0.1:${port}`)).rejects.toMatchObject({
    code: "UNAVAILABLE",
    message: `Redis at 127.0.0.1:${port} does not answer: connect ECONNREFUSED 127.0.0.1:${port}`,
  });
});
