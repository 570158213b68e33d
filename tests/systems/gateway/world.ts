import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { FastifyInstance } from "fastify";
import { type Client, createClient } from "graphql-ws";
import { pino } from "pino";
import { WebSocket } from "ws";
import { manualClock } from "#kernel/clock.js";
import { generateApiKey } from "#platform/auth/api-keys.js";
import { createIdentityTokens } from "#platform/auth/identity.js";
import type { KeyThrottle } from "#platform/auth/key-throttle.js";
import { createHttpServer } from "#platform/http/server.js";
import { type OidcConfig, parseConfig } from "#platform/process/config.js";
import type { Service } from "#platform/process/service.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import type { ApiKeyState } from "#schema/events/tenancy-changed.v1.js";
import type { ApiKeyScope } from "#schema/vocabulary.js";
import { createTokenIssuer, type TokenIssuer } from "../../../gateway/auth/token-issuer.js";
import { type GatewayOptions, startGateway } from "../../../gateway/main.js";
import type { RemoteOptions } from "../../../gateway/subgraphs/remote-subgraph.js";
import { GREETING_AGAIN } from "../../support/client.js";
import { type SubgraphProcess, startSubgraphProcess } from "./subgraph-process.js";
import { buildTestSubgraphs, type TestSubgraphs } from "./subgraphs.js";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly data: Record<string, unknown> | null | undefined;
  readonly extensions?: unknown;
  readonly errors: readonly { message: string; path?: unknown[]; extensions: { code: string } }[] | undefined;
}

export interface GatewayWorld extends TestSubgraphs {
  readonly url: string;
  readonly app: FastifyInstance;
  readonly service: Service;
  readonly issuer: TokenIssuer;
  readonly clock: ReturnType<typeof manualClock>;
  /** Every line the gateway logged, as JSON text. */
  readonly logged: string[];
  /** A PLATFORM_ADMIN's token. */
  readonly admin: string;
  /** A new key's secret; `tenantId` null: a platform key. */
  issueKey(id: string, scopes: readonly ApiKeyScope[], tenantId?: string | null): string;
  revokeKey(id: string): void;
  changeKey(id: string, change: Partial<ApiKeyState>): void;
  readonly dataDir: string;
  /** One operation by POST, with this bearer token or none. */
  ask(query: string, token?: string, variables?: Record<string, unknown>): Promise<Answer>;
  send(path: string, init: RequestInit): Promise<Answer>;
  socket(token: string | undefined, onClose?: (code: number, reason: string) => void): Client;
  /** A remote subgraph. */
  process(name: string): SubgraphProcess;
  stop(): Promise<void>;
}

export interface GatewayWorldOptions {
  readonly demo?: boolean;
  /** Whether the subgraphs run in the gateway's process, or each behind a port. */
  readonly subgraphs?: "local" | "remote";
  readonly remote?: Pick<RemoteOptions, "timeoutMs" | "giveUpMs">;
  readonly oidc?: OidcConfig;
  readonly persistedOperationsFile?: string;
  readonly throttle?: KeyThrottle;
  readonly lease?: GatewayOptions["lease"];
}

export async function startGatewayWorld(options: GatewayWorldOptions = {}): Promise<GatewayWorld> {
  const dataDir = await mkdtemp(path.join(tmpdir(), "metrly-gateway-"));
  const clock = manualClock(Date.now());
  const tenancy = createTenancyState(clock);
  const logged: string[] = [];
  const logger = pino({ level: "trace" }, { write: (line: string) => logged.push(line) });
  const subgraphs = await buildTestSubgraphs();
  const issuer = await createTokenIssuer(dataDir, clock);
  const identityTokens = createIdentityTokens("a secret of at least 32 characters");
  const processes = new Map<string, SubgraphProcess>();
  if (options.subgraphs === "remote") {
    for (const subgraph of subgraphs.all)
      processes.set(subgraph.name, await startSubgraphProcess({ subgraph, identityTokens, logger }));
  }
  const service = await startGateway({
    config: {
      demo: options.demo ?? false,
      serviceUrls: parseConfig({}).serviceUrls,
      oidc: options.oidc,
      persistedOperationsFile: options.persistedOperationsFile,
    },
    clock,
    logger,
    tenancy: { ...tenancy.reads, stop: async () => tenancy.close() },
    issuer,
    identityTokens,
    subgraphs: subgraphs.all.map((subgraph) => {
      const process = processes.get(subgraph.name);
      return process === undefined ? subgraph : { name: subgraph.name, sdl: subgraph.sdl, url: process.url };
    }),
    ...(options.remote !== undefined && { remote: options.remote }),
    throttle: options.throttle,
    lease: options.lease,
  });
  const app = createHttpServer(logger);
  service.register?.(app);
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  const admin = await issuer.issue({ subject: "root", roles: ["PLATFORM_ADMIN"], expiresInSeconds: 600 });
  const keys = new Map<string, ApiKeyState>();
  const clients: Client[] = [];
  let version = 0;
  const applyKey = (key: ApiKeyState) => {
    keys.set(key.id, key);
    tenancy.apply(key);
  };

  const changeKey: GatewayWorld["changeKey"] = (id, change) => {
    const key = keys.get(id);
    if (key === undefined) throw new Error(`no key ${id}`);
    version += 1;
    applyKey({ ...key, ...change, version });
  };

  const send: GatewayWorld["send"] = async (route, init) => answerOf(await fetch(url + route, init));
  return {
    ...subgraphs,
    url,
    app,
    service,
    issuer,
    clock,
    logged,
    admin,
    send,
    issueKey(id, scopes, tenantId = null) {
      const { secret, hash, prefix } = generateApiKey(false);
      version += 1;
      applyKey({
        kind: "apiKey",
        ...{ id, version, tenantId, name: id, prefix, hash, scopes: [...scopes], test: false },
        ...{ createdAt: clock.now(), expiresAt: null, revokedAt: null },
      });
      return secret;
    },
    revokeKey: (id) => changeKey(id, { revokedAt: clock.now() }),
    changeKey,
    dataDir,
    ask: (query, token, variables) =>
      send("/graphql", {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify({ query, variables }),
      }),
    socket(token, onClose = () => undefined) {
      const client = createClient({
        url: `${url.replace("http", "ws")}/graphql`,
        webSocketImpl: WebSocket,
        ...GREETING_AGAIN,
        connectionParams: token === undefined ? {} : { authorization: `Bearer ${token}` },
        on: {
          closed(event) {
            const isClose = typeof event === "object" && event !== null && "code" in event && "reason" in event;
            if (isClose && !GREETING_AGAIN.shouldRetry(event)) onClose(Number(event.code), String(event.reason));
          },
        },
      });
      clients.push(client);
      return client;
    },
    process(name) {
      const found = processes.get(name);
      if (found === undefined) throw new Error(`no process ${name}`);
      return found;
    },
    async stop() {
      await service.stop();
      for (const client of clients) await client.dispose();
      await app.close();
      for (const process of processes.values()) await process.kill();
      await rm(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}

async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  const isJson = text !== "" && response.headers.get("content-type")?.includes("json");
  const json: { data?: Answer["data"]; errors?: Answer["errors"]; extensions?: unknown } = isJson
    ? JSON.parse(text)
    : {};
  return { status: response.status, headers: response.headers, text, data: json.data, errors: json.errors, ...json };
}
