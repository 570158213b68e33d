import { ApolloGateway, LocalGraphQLDataSource, RemoteGraphQLDataSource } from "@apollo/gateway";
import { ApolloServer } from "@apollo/server";
import { fastifyApolloHandler } from "@as-integrations/fastify";
import { pino } from "pino";
import { createIdentityTokens } from "#platform/auth/identity.js";
import { IDENTITY_HEADER } from "#platform/auth/internal-api.js";
import { createHttpServer } from "#platform/http/server.js";
import type { Identity } from "#schema/policy.js";
import { composeSupergraph } from "../../gateway/composition.js";
import { buildFederation } from "../../gateway/execution.js";
import { startGraphqlHttp } from "../../gateway/http.js";
import { createOperations } from "../../gateway/operations/operation.js";
import { reachSubgraphs } from "../../gateway/subgraphs/reach.js";
import { optionsOf, serve } from "../support/measured.js";
import { buildOverview } from "./subgraphs.js";

// The gateway's HTTP path, or unmodified @apollo/gateway, in the same HTTP server over the same subgraphs.
const { kind, urls, secret } = optionsOf<{
  kind: "metrly" | "apollo";
  /** By the subgraphs' names; none: in this process. */
  urls: Record<string, string>;
  secret: string;
}>();
const logger = pino({ level: "silent" });
const identity: Identity = { kind: "USER", id: "root", tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] };
const identityTokens = createIdentityTokens(secret);
const subgraphs = buildOverview();
const { supergraphSdl } = composeSupergraph(subgraphs);
const app = createHttpServer(logger);
const stop = kind === "metrly" ? await startOurs() : await startTheirs();
const url = await app.listen({ host: "127.0.0.1", port: 0 });
serve({ port: Number(new URL(url).port), key: "" }, async () => {
  await app.close();
  await stop();
});

async function startOurs(): Promise<() => Promise<void>> {
  const reach = reachSubgraphs({ identityTokens, logger });
  const targets = subgraphs.map(({ name, sdl, schema }) => {
    const remote = urls[name];
    return remote === undefined ? { name, sdl, schema } : { name, sdl, url: remote };
  });
  const session = { identity, assertValid: async () => undefined };
  const federation = buildFederation(supergraphSdl, targets, (_, error) => console.error(error), reach.executorOf);
  const http = await startGraphqlHttp({
    federation,
    operations: createOperations(federation.schema, supergraphSdl),
    authentication: { authenticate: async () => session },
    openIntrospection: false,
    logger,
    onBug: console.error,
  });
  http.register(app);
  return async () => {
    await http.stop();
    await reach.stop();
  };
}

/** One token for all requests, until new ones are sent; Metrly signs identities periodically, which costs @apollo/gateway nothing. */
async function startTheirs(): Promise<() => Promise<void>> {
  const tokens = new Map<string, string>();
  for (const { name } of subgraphs) tokens.set(name, await identityTokens.sign(identity, name));
  process.on("message", (message: string) => {
    if (message.startsWith("{"))
      for (const [name, token] of Object.entries(JSON.parse(message))) tokens.set(name, String(token));
  });
  const gateway = new ApolloGateway({
    supergraphSdl,
    buildService({ name }) {
      const remote = urls[name];
      const local = subgraphs.find((each) => each.name === name);
      if (local === undefined) throw new Error(`no subgraph ${name}`);
      if (remote === undefined) return new LocalGraphQLDataSource(local.schema);
      return new RemoteGraphQLDataSource({
        url: `${remote}/graphql`,
        willSendRequest: ({ request }) => void request.http?.headers.set(IDENTITY_HEADER, tokens.get(name) ?? ""),
      });
    },
  });
  const apollo = new ApolloServer({ gateway });
  await apollo.start();
  app.route({ method: ["POST"], url: "/graphql", handler: fastifyApolloHandler(apollo) });
  return () => apollo.stop();
}
