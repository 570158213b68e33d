import { connect } from "node:net";
import { pino } from "pino";
import { afterEach, expect, test } from "vitest";
import { waitFor } from "../../tests/servers/servers.js";
import { createHttpServer, portOf } from "./server.js";

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const ONE = "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n";

/** A server whose answers wait, and what a client got that sent so many requests at once. */
async function world() {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let handled = 0;
  const app = createHttpServer(pino({ level: "silent" }));
  closers.push(() => app.close());
  app.get("/slow", async () => {
    handled += 1;
    await released;
    return {};
  });
  await app.listen({ host: "127.0.0.1", port: 0 });
  const send = (count: number) => {
    const seen = { got: "", isClosed: false };
    const socket = connect(portOf(app.server), "127.0.0.1", () => socket.write(ONE.repeat(count)));
    socket.on("data", (chunk) => {
      seen.got += chunk.toString();
    });
    socket
      .on("error", () => undefined)
      .on("close", () => {
        seen.isClosed = true;
      });
    return { seen, socket };
  };
  return { send, release, handled: () => handled };
}

const answersOf = (got: string): number => got.match(/HTTP\/1\.1 200/g)?.length ?? 0;

test("a hundred requests in a row are answered, and the connection takes more after them", async () => {
  const { send, release, handled } = await world();
  const { seen, socket } = send(100);
  await waitFor(() => handled() === 100, { what: "all to be handled" });
  release();
  for (const all of [100, 200, 300]) {
    await waitFor(() => answersOf(seen.got) === all, { what: `${all} answers` });
    socket.write(ONE.repeat(100));
  }
  expect(seen.isClosed).toBe(false);
  socket.destroy();
});

test.each([101, 5_000])(
  "of %i in a row no more than a hundred are looked at, and the connection is closed",
  async (count) => {
    const { send, handled } = await world();
    const { seen } = send(count);
    await waitFor(() => seen.isClosed, { what: "the connection to be closed" });
    expect(seen.got).toMatch(/^HTTP\/1\.1 503 .*"code":"BUSY"/s);
    expect(handled()).toBeLessThanOrEqual(100);
  },
);
