import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import type { FastifyInstance } from "fastify";
import type { Clock } from "#kernel/clock.js";
import { MetrlyError } from "#kernel/errors.js";
import { packageRoot } from "#platform/process/package-root.js";
import type { TokenIssuer } from "../auth/token-issuer.js";
import { SAVED_OPERATIONS } from "./operations.js";
import { explorerPage } from "./page.js";
import { isOwnPageOnLoopback } from "./session.js";

const SESSION_SECONDS = 3_600;

/** No external resources: the explorer works offline. GraphiQL styles its editor inline. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "frame-ancestors 'none'",
].join("; ");

interface Asset {
  readonly file: string;
  readonly type: string;
}

const SCRIPT = "text/javascript; charset=utf-8";
const STYLE = "text/css; charset=utf-8";

const require = createRequire(import.meta.url);
/** The packages' `exports` do not include these builds, so read the files directly. */
const REACT = path.dirname(require.resolve("react/package.json"));
const REACT_DOM = path.dirname(require.resolve("react-dom/package.json"));
const GRAPHIQL = path.dirname(require.resolve("graphiql/package.json"));
const GRAPHQL_WS = path.dirname(require.resolve("graphql-ws/package.json"));
const OWN = path.join(packageRoot(), "gateway/explorer");

/** By path below /explorer/. */
const ASSETS: Readonly<Record<string, Asset>> = {
  "react.js": { file: `${REACT}/umd/react.production.min.js`, type: SCRIPT },
  "react-dom.js": { file: `${REACT_DOM}/umd/react-dom.production.min.js`, type: SCRIPT },
  "graphiql.js": { file: `${GRAPHIQL}/graphiql.min.js`, type: SCRIPT },
  "graphiql.css": { file: `${GRAPHIQL}/graphiql.min.css`, type: STYLE },
  "graphql-ws.js": { file: `${GRAPHQL_WS}/umd/graphql-ws.min.js`, type: SCRIPT },
  "explorer.js": { file: `${OWN}/explorer.browser.js`, type: SCRIPT },
  "explorer.css": { file: `${OWN}/explorer.css`, type: STYLE },
};

export interface ExplorerOptions {
  /** Enables one-click sign-in, from this machine only. */
  readonly demo: boolean;
  readonly issuer: TokenIssuer;
  readonly clock: Clock;
}

/** Serves GraphiQL at `GET /`, with a saved operation for every task. */
export function registerExplorer(app: FastifyInstance, options: ExplorerOptions): void {
  app.get("/", async (_, reply) => {
    reply.type("text/html; charset=utf-8");
    reply.header("content-security-policy", CONTENT_SECURITY_POLICY);
    reply.header("x-content-type-options", "nosniff");
    reply.header("cache-control", "no-cache");
    return explorerPage({ demo: options.demo });
  });
  app.get("/explorer/operations.json", async () => SAVED_OPERATIONS);
  app.get<{ Params: { name: string } }>("/explorer/:name", async (request, reply) => {
    const asset = Object.hasOwn(ASSETS, request.params.name) ? ASSETS[request.params.name] : undefined;
    if (asset === undefined) throw new MetrlyError("NOT_FOUND", "The explorer has no such file");
    reply.type(asset.type).header("x-content-type-options", "nosniff").header("cache-control", "public, max-age=3600");
    return readFile(asset.file);
  });
  if (options.demo) registerSession(app, options);
}

function registerSession(app: FastifyInstance, { issuer, clock }: ExplorerOptions): void {
  app.post("/explorer/session", async (request, reply) => {
    if (!isOwnPageOnLoopback({ headers: request.headers, remoteAddress: request.socket.remoteAddress ?? "" }))
      throw new MetrlyError(
        "FORBIDDEN",
        "One-click sign-in works only in the explorer on this machine; paste a token instead",
      );
    reply.header("cache-control", "no-store");
    return {
      token: await issuer.issue({ subject: "explorer", roles: ["PLATFORM_ADMIN"], expiresInSeconds: SESSION_SECONDS }),
      expiresAt: new Date(clock.now() + SESSION_SECONDS * 1000).toISOString(),
    };
  });
}
