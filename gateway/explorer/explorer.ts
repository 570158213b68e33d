import { createRequire } from "node:module";
import path from "node:path";
import type { FastifyInstance } from "fastify";
import type { Clock } from "#kernel/clock.js";
import { MetrlyError } from "#kernel/errors.js";
import { packageRoot } from "#platform/process/package-root.js";
import { type Asset, SCRIPT, STYLE, sendPage, serveAssets } from "../assets.js";
import type { TokenIssuer } from "../auth/token-issuer.js";
import { CHOSEN_TENANT } from "./operations/operation.js";
import { OPERATION_GROUPS } from "./operations/operations.js";
import { explorerPage } from "./page.js";
import { isOwnPageOnLoopback } from "./session.js";

const SESSION_SECONDS = 3_600;

const require = createRequire(import.meta.url);
/** The packages' `exports` do not include these builds, so read the files directly. */
const REACT = path.dirname(require.resolve("react/package.json"));
const REACT_DOM = path.dirname(require.resolve("react-dom/package.json"));
const GRAPHIQL = path.dirname(require.resolve("graphiql/package.json"));
const GRAPHQL_WS = path.dirname(require.resolve("graphql-ws/package.json"));
const OWN = path.join(packageRoot(), "gateway/explorer/browser");
const OWN_FILES = [
  "dom.js",
  "explorer.css",
  "explorer.js",
  "figures.js",
  "graph.js",
  "live.js",
  "operation-list.js",
  "overview.css",
  "overview.js",
  "paper.js",
  "section-alerts.js",
  "section-invoices.js",
  "section-limits.js",
  "section-usage.js",
  "sections.js",
  "session.js",
  "tenant-choice.js",
  "workbench.js",
];

/** By path below /explorer/. */
const ASSETS: Readonly<Record<string, Asset>> = {
  "react.js": { file: `${REACT}/umd/react.production.min.js`, type: SCRIPT },
  "react-dom.js": { file: `${REACT_DOM}/umd/react-dom.production.min.js`, type: SCRIPT },
  "graphiql.js": { file: `${GRAPHIQL}/graphiql.min.js`, type: SCRIPT },
  "graphiql.css": { file: `${GRAPHIQL}/graphiql.min.css`, type: STYLE },
  "graphql-ws.js": { file: `${GRAPHQL_WS}/umd/graphql-ws.min.js`, type: SCRIPT },
  ...Object.fromEntries(OWN_FILES.map((name) => [name, ownFile(name)])),
};

function ownFile(name: string): Asset {
  return { file: path.join(OWN, name), type: name.endsWith(".css") ? STYLE : SCRIPT, changesWithOthers: true };
}

export interface ExplorerOptions {
  /** Enables one-click sign-in, from this machine only. */
  readonly demo: boolean;
  readonly issuer: TokenIssuer;
  readonly clock: Clock;
}

/** Serves the explorer at `GET /`: a tenant's overview, and GraphiQL with a saved operation for every task. */
export function registerExplorer(app: FastifyInstance, options: ExplorerOptions): void {
  app.get("/", async (_, reply) => sendPage(reply, explorerPage({ demo: options.demo })));
  app.get("/explorer/operations.json", async () => ({ chosenTenant: CHOSEN_TENANT, groups: OPERATION_GROUPS }));
  serveAssets(app, "/explorer", ASSETS);
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
