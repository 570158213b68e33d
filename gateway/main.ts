import type { Logger } from "pino";
import type { Clock } from "#kernel/clock.js";
import type { IdentityTokens } from "#platform/auth/identity.js";
import type { KeyThrottle } from "#platform/auth/key-throttle.js";
import { createPrinter } from "#platform/paper/printer.js";
import type { Config } from "#platform/process/config.js";
import type { Service } from "#platform/process/service.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { TenancyLease } from "#platform/tenancy-client/lease.js";
import { registerApiDocs } from "./api-docs/api-docs.js";
import { createAuthentication } from "./auth/authentication.js";
import { createExternalIssuer } from "./auth/external-issuer.js";
import type { TokenIssuer } from "./auth/token-issuer.js";
import { buildFederation, logFailures } from "./execution.js";
import { registerExplorer } from "./explorer/explorer.js";
import { inTurns } from "./federation/turns.js";
import { startGraphqlHttp } from "./http.js";
import { registerInvoices } from "./invoices.js";
import { createOperations } from "./operations/operation.js";
import { readPersistedOperations } from "./operations/persisted-operations.js";
import { registerQueueBoardProxy } from "./queue-board.js";
import { PATH as GRAPHQL_PATH, startGraphqlSocket } from "./socket.js";
import { reachSubgraphs, type SubgraphTarget } from "./subgraphs/reach.js";
import type { RemoteOptions } from "./subgraphs/remote-subgraph.js";
import { supergraphOf } from "./supergraph.js";

export interface GatewayOptions {
  readonly config: Pick<Config, "demo" | "serviceUrls" | "oidc" | "persistedOperationsFile">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tenancy: TenancyCopy;
  readonly issuer: TokenIssuer;
  readonly identityTokens: IdentityTokens;
  /** Counts wrong keys and tokens on sockets too; undefined: no throttling. */
  readonly throttle?: KeyThrottle | undefined;
  /** The process's right to decide by its copy of tenancy, for operations on sockets; undefined: it always has it. */
  readonly lease?: Pick<TenancyLease, "isHeld" | "held"> | undefined;
  /** Remote ones (with `url`) may be down at start and at any time. */
  readonly subgraphs: readonly SubgraphTarget[];
  readonly remote?: Pick<RemoteOptions, "timeoutMs" | "giveUpMs">;
}

/** Starts the gateway: one GraphQL API over the subgraphs (HTTP and WebSocket), authentication, the explorer, and the documentation of the data plane. */
export async function startGateway(options: GatewayOptions): Promise<Service> {
  const { config, clock, logger, tenancy, issuer, identityTokens, subgraphs } = options;
  const supergraphSdl = await supergraphOf(subgraphs);
  const reach = reachSubgraphs({ ...options, ...options.remote });
  const federation = inTurns(buildFederation(supergraphSdl, subgraphs, logFailures(logger), reach.executorOf));
  const operations = createOperations(federation.schema, supergraphSdl);
  const external = config.oidc && createExternalIssuer({ config: config.oidc, clock });
  const authentication = createAuthentication({ tenancy, issuer, clock, external });
  options.throttle?.judgeTokens(authentication.authenticate);
  const file = config.persistedOperationsFile;
  const persisted = file === undefined ? undefined : await readPersistedOperations(file);
  const onBug = (error: unknown) => logger.error({ err: error }, "a GraphQL operation failed");
  const http = await startGraphqlHttp({
    federation,
    operations,
    authentication,
    persisted,
    openIntrospection: config.demo,
    lease: options.lease,
    logger,
    onBug,
  });
  const socket = startGraphqlSocket({
    ...{ federation, operations, sdl: supergraphSdl, persisted, authentication, logger, onBug },
    throttle: options.throttle,
    lease: options.lease,
    knowsRevocations: () => watching.isCurrent() && options.lease?.isHeld() !== false,
  });
  const stopRechecking = tenancy.onChange((change) => {
    if (change.kind === "apiKey") void socket.recheck();
  });
  const watching = issuer.watch(socket.recheck, (error) =>
    logger.error({ err: error }, "the signing keys cannot be read"),
  );
  let closeDoor = () => {};
  return {
    name: "gateway",
    register(app) {
      http.register(app);
      registerExplorer(app, { demo: config.demo, issuer, clock });
      registerApiDocs(app);
      app.get("/.well-known/jwks.json", async (_, reply) => {
        reply.header("cache-control", "public, max-age=300");
        return issuer.jwks();
      });
      registerInvoices(app, { federation, authentication, printer: createPrinter(), onBug });
      registerQueueBoardProxy(app, { authentication, identityTokens, url: config.serviceUrls.notification });
      closeDoor = app.webSocket(GRAPHQL_PATH, socket.handleUpgrade);
    },
    async readiness() {
      const reasons = tenancy.isStale() ? ["the copy of tenancy is stale: API keys are refused"] : [];
      return { ready: reasons.length === 0, reasons };
    },
    async stop() {
      stopRechecking();
      await watching.stop();
      closeDoor();
      await socket.stop();
      await http.stop();
      await reach.stop();
    },
  };
}
