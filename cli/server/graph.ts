import { readFile } from "node:fs/promises";
import path from "node:path";
import type { FastifyInstance } from "fastify";
import { registerSubgraphServer } from "#platform/graphql/subgraph-server.js";
import type { Config } from "#platform/process/config.js";
import { packageRoot } from "#platform/process/package-root.js";
import { type Service } from "#platform/process/service.js";
import { SERVICES } from "#platform/process/services.js";
import { type GatewayContext, type SubgraphTarget, startGatewayRole } from "../roles.js";
import type { ProcessRole } from "./role-config.js";

/** A process's part of the graph: its readiness, and closing its sockets. */
export interface OpenGraph {
  readonly services: readonly Pick<Service, "name" | "readiness">[];
  stop(): Promise<void>;
}

/** Serves the whole graph, or one service's subgraph to the gateway. */
export async function openGraph(
  context: GatewayContext,
  composition: ProcessRole,
  app: FastifyInstance,
  services: readonly Service[],
): Promise<OpenGraph> {
  const subgraphs = services.map((service) => service.subgraph).filter((subgraph) => subgraph !== undefined);
  if (composition === "all") return openFrontDoor(context, app, subgraphs);
  if (composition === "gateway") return openFrontDoor(context, app, await remoteSubgraphs(context.config));
  const { identityTokens, logger, lease } = context;
  const onBug = (error: unknown) => logger.error({ err: error }, "a GraphQL operation failed");
  const options = { identityTokens, logger, onBug, admission: lease };
  const servers = subgraphs.map((subgraph) => registerSubgraphServer(app, { ...options, subgraph }));
  return {
    services: [],
    async stop() {
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

async function openFrontDoor(
  context: GatewayContext,
  app: FastifyInstance,
  targets: readonly SubgraphTarget[],
): Promise<OpenGraph> {
  const gateway = await startGatewayRole({ ...context, logger: context.logger.child({ service: "gateway" }) }, targets);
  gateway.register?.(app);
  return { services: [gateway], stop: () => gateway.stop() };
}

/** The committed contracts, so that a gateway composes and starts while services are down. */
async function remoteSubgraphs(config: Config): Promise<SubgraphTarget[]> {
  return Promise.all(
    SERVICES.map(async (name) => {
      const url = config.serviceUrls[name];
      if (url === undefined) throw new Error(`the gateway has no address of ${name}`);
      const sdl = await readFile(path.join(packageRoot(), "schema/graphql", `${name}.graphql`), "utf8");
      return { name, sdl, url };
    }),
  );
}
