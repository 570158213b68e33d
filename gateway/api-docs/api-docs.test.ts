import { readFileSync } from "node:fs";
import path from "node:path";
import type { FastifyInstance } from "fastify";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createHttpServer } from "#platform/http/server.js";
import { packageRoot } from "#platform/process/package-root.js";
import { registerApiDocs } from "./api-docs.js";

let app: FastifyInstance;
beforeAll(() => {
  app = createHttpServer(pino({ level: "silent" }));
  registerApiDocs(app);
});
afterAll(() => app.close());

const get = (url: string, headers: Record<string, string> = {}) => app.inject({ url, headers });

test("the document has the product's version, and is sent again only when it changed", async () => {
  const { version } = JSON.parse(readFileSync(path.join(packageRoot(), "package.json"), "utf8"));
  const document = await get("/openapi.json");
  expect(document.headers["content-type"]).toBe("application/json; charset=utf-8");
  expect(document.headers["cache-control"]).toBe("no-cache");
  expect(document.json()).toMatchObject({ openapi: "3.1.1", info: { version } });
  const tag = String(document.headers.etag);
  const again = await get("/openapi.json", { "if-none-match": `"old", W/${tag}` });
  expect([again.statusCode, again.body, again.headers.etag]).toEqual([304, "", tag]);
  expect((await get("/openapi.json", { "if-none-match": '"old"' })).statusCode).toBe(200);
});

test("the page loads from its own origin only, and everything it names is there", async () => {
  const page = await get("/docs");
  expect(page.headers["content-type"]).toBe("text/html; charset=utf-8");
  expect(page.headers["content-security-policy"]).toContain("default-src 'self'");
  expect(page.body).not.toMatch(/<script(?![^>]*\bsrc=)|https?:\/\//);
  const files = [...page.body.matchAll(/\b(?:src|href)="(docs\/[^"]*)"/g)].map(([, file = ""]) => `/${file}`);
  expect(page.body).not.toMatch(/\b(?:src|href)="\//);
  expect(files).toHaveLength(4);
  for (const file of files) {
    const asset = await get(file);
    expect([file, asset.statusCode]).toEqual([file, 200]);
    expect(asset.headers["cache-control"]).toBe("public, max-age=3600");
    expect((await get(file, { "if-none-match": String(asset.headers.etag) })).statusCode).toBe(304);
  }
  expect((await get("/docs/")).headers.location).toBe("../docs");
});

test("other names below /docs are not files", async () => {
  for (const name of ["nothing.js", "..%2f..%2fpackage.json", "toString", "__proto__"])
    expect((await get(`/docs/${name}`)).statusCode).toBe(404);
});
