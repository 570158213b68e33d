import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { MetrlyError } from "#kernel/errors.js";

/** A file that a page of this origin loads. */
export interface Asset {
  readonly file: string;
  readonly type: string;
  /** Whether files of one version need each other: browsers ask each time whether theirs is the current one. */
  readonly changesWithOthers?: boolean;
}

export const SCRIPT = "text/javascript; charset=utf-8";
export const STYLE = "text/css; charset=utf-8";

/** No external resources: pages work offline. GraphiQL and Swagger UI style elements inline. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Sends a page that loads from this origin only. */
export function sendPage(reply: FastifyReply, html: string): FastifyReply {
  return reply
    .type("text/html; charset=utf-8")
    .header("content-security-policy", CONTENT_SECURITY_POLICY)
    .header("x-content-type-options", "nosniff")
    .header("cache-control", "no-cache")
    .send(html);
}

/** Serves `assets`, by their names below `path`, and nothing else there. Browsers ask again after an hour, or each time. */
export function serveAssets(app: FastifyInstance, path: string, assets: Readonly<Record<string, Asset>>): void {
  app.get<{ Params: { name: string } }>(`${path}/:name`, async (request, reply) => {
    const asset = Object.hasOwn(assets, request.params.name) ? assets[request.params.name] : undefined;
    if (asset === undefined) throw new MetrlyError("NOT_FOUND", `There is no such file under ${path}`);
    const cacheControl = asset.changesWithOthers ? "no-cache" : "public, max-age=3600";
    reply.type(asset.type).header("x-content-type-options", "nosniff").header("cache-control", cacheControl);
    return sendUnlessKnown(request, reply, await readFile(asset.file));
  });
}

/** Sends `content` with an entity tag, or 304 to a client that has it. */
export function sendUnlessKnown(request: FastifyRequest, reply: FastifyReply, content: Buffer): FastifyReply {
  const tag = `"${createHash("sha256").update(content).digest("base64url").slice(0, 22)}"`;
  reply.header("etag", tag);
  const known = (request.headers["if-none-match"] ?? "").split(",").map((part) => part.trim().replace(/^W\//, ""));
  return known.includes(tag) || known.includes("*") ? reply.code(304).send() : reply.send(content);
}
