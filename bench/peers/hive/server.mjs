import { createServer } from "node:http";
import { createGatewayRuntime } from "@graphql-hive/gateway";
import { headersFor, options, serve } from "./serve.mjs";

// Hive Gateway over the supergraph, in Node's HTTP server as its documentation shows, with its defaults but for logs.
const gateway = createGatewayRuntime({
  supergraph: options.supergraphSdl,
  logging: false,
  propagateHeaders: { fromClientToSubgraphs: ({ subgraphName }) => headersFor(subgraphName) },
});
const server = createServer(gateway);
server.listen(0, "127.0.0.1", () => {
  serve(server.address().port, async () => {
    server.closeAllConnections();
    await gateway.dispose();
  });
});
