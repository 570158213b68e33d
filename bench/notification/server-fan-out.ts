import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parse } from "graphql";
import { useServer } from "graphql-ws/use/ws";
import { pino } from "pino";
import { WebSocketServer } from "ws";
import { createIdentityTokens } from "#platform/auth/identity.js";
import type { Identity } from "#schema/policy.js";
import { composeSupergraph } from "../../gateway/composition.js";
import { buildFederation } from "../../gateway/execution.js";
import { createOperations } from "../../gateway/operations/operation.js";
import { startGraphqlSocket } from "../../gateway/socket.js";
import { reachSubgraphs } from "../../gateway/subgraphs/reach.js";
import { buildTestSubgraphs } from "../../tests/systems/gateway/subgraphs.js";
import { optionsOf, serve } from "../support/measured.js";

// The gateway's socket, or unmodified graphql-ws, over the same schema; each "publish" message is an alert.
const { kind } = optionsOf<{ kind: "metrly" | "graphql-ws" }>();
const logger = pino({ level: "silent" });
const { all, alerts } = await buildTestSubgraphs();
const { supergraphSdl } = composeSupergraph(all);
const reach = reachSubgraphs({ identityTokens: createIdentityTokens("0".repeat(32)), logger });
const federation = buildFederation(supergraphSdl, all, () => undefined, reach.executorOf);
const identity: Identity = { kind: "USER", id: "root", tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] };
const http = createServer();

function listenAsTheyCome(): void {
  const server = new WebSocketServer({ server: http, path: "/graphql" });
  useServer(
    {
      execute: federation.execute,
      subscribe: federation.subscribe,
      onSubscribe: (_, __, payload) => ({
        schema: federation.schema,
        document: parse(payload.query),
        contextValue: { identity },
      }),
    },
    server,
  );
}

if (kind === "graphql-ws") listenAsTheyCome();
else {
  const session = { identity, assertValid: async () => undefined };
  const socket = startGraphqlSocket({
    ...{
      federation,
      operations: createOperations(federation.schema, supergraphSdl),
      sdl: supergraphSdl,
      logger,
      onBug: console.error,
    },
    authentication: { authenticate: async () => session },
    knowsRevocations: () => true,
  });
  http.on("upgrade", socket.handleUpgrade);
}
process.on("message", (message: unknown) => {
  if (message === "publish") alerts.publish({ tenantId: "acme", used: 1 });
});
await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
serve({ port: (http.address() as AddressInfo).port, key: "" }, async () => {
  http.closeAllConnections();
  await reach.stop();
});
