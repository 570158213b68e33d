import mercuriusGateway from "@mercuriusjs/gateway";
import Fastify from "fastify";
import { headersFor, options, serve } from "./serve.mjs";

// Mercurius' gateway over the subgraphs, with its JIT compiler on.
const app = Fastify({ logger: false });
app.register(mercuriusGateway, {
  jit: 1,
  gateway: {
    services: options.subgraphs.map(({ name, url, sdl }) => ({
      ...{ name, url, schema: firstVersionOf(sdl, name === options.owner) },
      rewriteHeaders: () => headersFor(name),
    })),
  },
});
await app.listen({ host: "127.0.0.1", port: 0 });
serve(app.server.address().port, () => app.close());

/** Mercurius knows the first version of Federation: one subgraph owns a type, others extend it. */
function firstVersionOf(sdl, isOwner) {
  const types = sdl.replace(/extend schema @link\([^)]*\)/, "").replace("type Query", "extend type Query");
  if (isOwner) return types;
  return types.replace(/type (\w+ @key\(fields: "id"\) \{) id: ID!/, "extend type $1 id: ID! @external");
}
