import { once } from "node:events";
import { connect } from "node:net";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import { waitFor } from "../../tests/servers/servers.js";
import { answerDirectly, answerProblem, readBody } from "./raw-routes.js";
import { createHttpServer } from "./server.js";

const silent = pino({ level: "silent" });

describe("a route beside Fastify", () => {
  let app: ReturnType<typeof createHttpServer>;
  let url: string;
  let failure: unknown;
  beforeEach(async () => {
    app = createHttpServer(silent);
    app.directly("POST", "/direct", (request, response) => {
      const failed = (error: unknown) => answerProblem(response, error, silent);
      readBody(request, 10, failed, (body) => {
        if (failure !== undefined) failed(failure);
        else answerDirectly(response, 202, { got: body.toString() });
      });
    });
    app.directly("POST", "/refused", (_, response) =>
      answerProblem(response, new MetrlyError("BUSY", "later"), silent),
    );
    app.get("/direct", async () => "Fastify");
    failure = undefined;
    url = await app.listen({ host: "127.0.0.1", port: 0 });
  });
  afterEach(() => app.close());

  const post = (body: string) => fetch(`${url}/direct`, { method: "POST", body });

  test("answers its method and URL, and no other", async () => {
    const answer = await post("hello");
    expect([answer.status, answer.headers.get("content-type")]).toEqual([202, "application/json; charset=utf-8"]);
    expect(await answer.text()).toBe('{"got":"hello"}\n');
    expect(await (await fetch(`${url}/direct`)).text()).toBe("Fastify");
  });

  test("a body over the limit is refused, with or without content-length, and does not corrupt the next request", async () => {
    const sized = await post("x".repeat(11));
    expect([sized.status, await sized.json()]).toMatchObject([413, { code: "TOO_LARGE" }]);
    const { port } = new URL(url);
    const socket = connect(Number(port), "127.0.0.1");
    socket.write("POST /direct HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    for (let n = 0; n < 4; n += 1) socket.write("5\r\nPOST \r\n");
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket.end();
    await once(socket, "close");
    expect(text.match(/^HTTP\/1\.1 \d+/gm)).toEqual(["HTTP/1.1 413"]);
  });

  test("a refusal before the body is read leaves the connection of use", async () => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk;
    });
    const refused = `POST /refused HTTP/1.1\r\nhost: x\r\ncontent-length: 300000\r\n\r\n${"x".repeat(300_000)}`;
    socket.write(refused);
    socket.write(refused);
    await waitFor(() => text.match(/HTTP\/1\.1 503/g)?.length === 2, { what: "both answers on one connection" });
    socket.destroy();
  });

  test("a compressed body is refused with what is accepted, unless the route decodes it", async () => {
    const refused = await fetch(`${url}/direct`, { method: "POST", body: "x", headers: { "content-encoding": "BR" } });
    expect([refused.status, refused.headers.get("accept-encoding")]).toEqual([415, "identity"]);
    expect(await refused.json()).toMatchObject({ code: "UNSUPPORTED_MEDIA_TYPE" });
  });

  test("an error is a problem document, and a bug is masked", async () => {
    failure = new MetrlyError("BUSY", "later");
    const busy = await post("x");
    expect([busy.status, busy.headers.get("retry-after"), busy.headers.get("content-type")]).toEqual([
      503,
      "1",
      "application/problem+json",
    ]);
    failure = new Error("a secret of ours");
    const bug = await post("x");
    expect(bug.status).toBe(500);
    expect(await bug.text()).not.toContain("secret");
  });
});
