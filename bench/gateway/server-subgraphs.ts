import { pino } from "pino";
import { createIdentityTokens } from "#platform/auth/identity.js";
import { registerSubgraphServer } from "#platform/graphql/subgraph-server.js";
import { createHttpServer } from "#platform/http/server.js";
import { optionsOf, serve } from "../support/measured.js";
import { buildOverview } from "./subgraphs.js";

// One subgraph as in the product. Both gateways query the same.
const { name, secret } = optionsOf<{ name: string; secret: string }>();
const logger = pino({ level: "silent" });
const subgraph = buildOverview().find((each) => each.name === name);
if (subgraph === undefined) throw new Error(`no subgraph ${name}`);
const app = createHttpServer(logger);
const identityTokens = createIdentityTokens(secret);
const server = registerSubgraphServer(app, { subgraph, identityTokens, logger, onBug: console.error });
const url = await app.listen({ host: "127.0.0.1", port: 0 });
serve({ port: Number(new URL(url).port), key: "" }, async () => {
  await server.stop();
  await app.close();
});
