import { pino } from "pino";
import { expect, test } from "vitest";
import { createHttpServer } from "#platform/http/server.js";
import { openApiDocument } from "#schema/openapi/document.js";
import { registerEdge } from "../../../workers/ingestion/http/events.js";
import { registerDataPlane } from "../../../workers/quota/http/data-plane.js";
import { operationsOf } from "./documented.js";

test("the document has every route of the data plane, and no other", async () => {
  const app = createHttpServer(pino({ level: "silent" }));
  const routes = new Set<string>();
  app.addHook("onRoute", ({ method, url }) => {
    for (const one of [method].flat()) if (one !== "HEAD") routes.add(`${one.toLowerCase()} ${url}`);
  });
  // Only registered, never asked.
  registerEdge(app, {} as never);
  registerDataPlane(app, {} as never);
  await app.close();
  const documented = operationsOf(openApiDocument("0")).map(({ method, path }) => `${method} ${path}`);
  expect([...routes].sort()).toEqual(documented.sort());
});
