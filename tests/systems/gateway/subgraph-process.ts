import { createServer, type Socket } from "node:net";
import type { Logger } from "pino";
import type { IdentityTokens } from "#platform/auth/identity.js";
import type { Subgraph } from "#platform/graphql/subgraph.js";
import { registerSubgraphServer } from "#platform/graphql/subgraph-server.js";
import { createHttpServer } from "#platform/http/server.js";

/** A remote subgraph that can fail like a process: on the network there is no difference. */
export interface SubgraphProcess {
  readonly name: string;
  readonly url: string;
  /** TCP connections opened to it so far. */
  readonly connectionCount: number;
  /** HTTP requests that reached it so far. */
  readonly requestCount: number;
  /** Drops the connection of the next requests instead of answering them. */
  resetNextRequests(count: number): void;
  start(): Promise<void>;
  /** As SIGKILL: every connection is reset, the port refuses. */
  kill(): Promise<void>;
  /** As SIGTERM: closes its sockets. */
  stop(): Promise<void>;
  /** Accepts connections on its port but never responds, until `kill`. */
  hang(): Promise<void>;
}

export interface SubgraphProcessOptions {
  readonly subgraph: Subgraph;
  readonly identityTokens: IdentityTokens;
  readonly logger: Logger;
}

export async function startSubgraphProcess(options: SubgraphProcessOptions): Promise<SubgraphProcess> {
  const { subgraph, logger } = options;
  const connections = new Set<Socket>();
  let connectionCount = 0;
  let port = 0;
  let requestCount = 0;
  let resets = 0;
  let close: () => Promise<void> = async () => undefined;

  const track = (socket: Socket) => {
    connectionCount += 1;
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
  };

  async function start(): Promise<void> {
    const server = createHttpServer(logger);
    const onBug = (err: unknown) => logger.error({ err }, "a bug in a subgraph");
    const graph = registerSubgraphServer(server, { ...options, onBug });
    server.server.on("connection", track);
    server.server.on("request", ({ socket }) => {
      requestCount += 1;
      if (resets === 0) return;
      resets -= 1;
      socket.resetAndDestroy();
    });
    await server.listen({ host: "127.0.0.1", port });
    const address = server.server.address();
    if (address !== null && typeof address === "object") port = address.port;
    close = async () => {
      await graph.stop();
      await server.close();
    };
  }

  async function stop(): Promise<void> {
    await close();
    close = async () => undefined;
  }

  async function hang(): Promise<void> {
    const server = createServer(track);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, "127.0.0.1", resolve);
    });
    close = () => new Promise((resolve) => server.close(() => resolve()));
  }

  await start();
  return {
    name: subgraph.name,
    url: `http://127.0.0.1:${port}`,
    get connectionCount() {
      return connectionCount;
    },
    get requestCount() {
      return requestCount;
    },
    resetNextRequests(count) {
      resets = count;
    },
    start,
    stop,
    hang,
    async kill() {
      for (const connection of connections) connection.resetAndDestroy();
      await stop();
    },
  };
}
