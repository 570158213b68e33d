import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import { createHttpServer } from "./server.js";

let app: ReturnType<typeof createHttpServer>;
let isHeld = true;
let asked = 0;
let url = "";
let take = () => {};
let refuse = (_: unknown) => {};

beforeEach(async () => {
  const admission = {
    isHeld: () => isHeld,
    held() {
      asked += 1;
      return new Promise<void>((resolve, reject) => {
        [take, refuse] = [resolve, reject];
      });
    },
  };
  isHeld = true;
  asked = 0;
  app = createHttpServer(pino({ level: "silent" }), undefined, undefined, admission);
  app.get("/healthz", async () => "ok");
  app.post("/things", async ({ body }) => body);
  app.directly("POST", "/direct", (request, response) => void request.pipe(response));
  url = await app.listen({ host: "127.0.0.1", port: 0 });
});
afterEach(() => app.close());

const paths = ["/things", "/direct", "/nothing"];
const statuses: Readonly<Record<string, number>> = { "/things": 200, "/direct": 200, "/nothing": 404 };

const post = (path: string) =>
  fetch(`${url}${path}`, { method: "POST", headers: { "content-type": "application/json" }, body: '{"a":1}' });

test.each(paths)("%s: what a request asks is answered when the process may decide again", async (path) => {
  expect((await post(path)).status).toBe(statuses[path]);
  expect(asked).toBe(0);
  isHeld = false;
  let isAnswered = false;
  const answer = post(path).finally(() => {
    isAnswered = true;
  });
  await expect.poll(() => asked, { timeout: 30_000 }).toBe(1);
  expect(isAnswered).toBe(false);
  take();
  const { status } = await answer;
  expect(status).toBe(statuses[path]);
});

test.each(paths)("%s: who has waited long enough is told to come again", async (path) => {
  isHeld = false;
  const answer = post(path);
  await expect.poll(() => asked, { timeout: 30_000 }).toBe(1);
  refuse(new MetrlyError("UNAVAILABLE", "Not yet", { retryAfterSeconds: 1 }));
  const response = await answer;
  expect(response.status).toBe(503);
  expect(response.headers.get("retry-after")).toBe("1");
  expect(await response.json()).toMatchObject({ code: "UNAVAILABLE" });
});

test("health is answered in any case", async () => {
  isHeld = false;
  expect((await app.inject("/healthz?full")).statusCode).toBe(200);
  expect(asked).toBe(0);
});
