import Fastify from "fastify";
import { createIdentityTokens } from "#platform/auth/identity.js";
import { openDatabase } from "#platform/database/database.js";
import { registerLedgerRoutes } from "../../workers/ingestion/http/ledger.js";
import { optionsOf, serve } from "../support/measured.js";

// Ingestion's ledger API alone.
const { url, partitions, secret } = optionsOf<{ url: string; partitions: number; secret: string }>();
const database = await openDatabase({ url, onError: () => undefined });
const app = Fastify();
registerLedgerRoutes(app, {
  database,
  identityTokens: createIdentityTokens(secret),
  partitionCount: partitions,
  log: { append: async () => undefined },
});
await app.listen({ host: "127.0.0.1", port: 0 });
serve({ port: Number(new URL(app.listeningOrigin).port), key: "" }, async () => {
  await app.close();
  await database.stop();
});
