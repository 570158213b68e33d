import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import type { FastifyInstance } from "fastify";
import { jsonLine } from "#platform/http/server.js";
import { packageRoot } from "#platform/process/package-root.js";
import { openApiDocument } from "#schema/openapi/document.js";
import { type Asset, SCRIPT, STYLE, sendPage, sendUnlessKnown, serveAssets } from "../assets.js";
import { apiDocsPage } from "./page.js";

const require = createRequire(import.meta.url);
const SWAGGER_UI = path.dirname(require.resolve("swagger-ui-dist/package.json"));
const OWN = path.join(packageRoot(), "gateway/api-docs");

/** By path below /docs/. */
const ASSETS: Readonly<Record<string, Asset>> = {
  "swagger-ui.js": { file: `${SWAGGER_UI}/swagger-ui-bundle.js`, type: SCRIPT },
  "swagger-ui.css": { file: `${SWAGGER_UI}/swagger-ui.css`, type: STYLE },
  "api-docs.js": { file: `${OWN}/api-docs.browser.js`, type: SCRIPT },
  "api-docs.css": { file: `${OWN}/api-docs.css`, type: STYLE },
};

/** Serves the OpenAPI document of the data plane at `GET /openapi.json`, and Swagger UI, which shows it, at `GET /docs`. */
export function registerApiDocs(app: FastifyInstance): void {
  const { version } = JSON.parse(readFileSync(path.join(packageRoot(), "package.json"), "utf8"));
  const document = Buffer.from(jsonLine(openApiDocument(version)));
  app.get("/openapi.json", async (request, reply) => {
    reply.type("application/json; charset=utf-8").header("cache-control", "no-cache");
    return sendUnlessKnown(request, reply, document);
  });
  app.get("/docs", async (_, reply) => sendPage(reply, apiDocsPage()));
  app.get("/docs/", async (_, reply) => reply.redirect("../docs", 308));
  serveAssets(app, "/docs", ASSETS);
}
