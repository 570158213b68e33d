import { startPostgres } from "../../tests/servers/private-servers.js";
import { optionsOf, serve } from "../support/measured.js";
import { buildSelfBuilt } from "./self-built.js";

// The self-built service with its database, whose flushing is PostgreSQL's default.
optionsOf();
const postgres = await startPostgres({ shared_buffers: "256MB", max_wal_size: "4GB", checkpoint_timeout: "15min" });
const key = "key of acme";
const service = await buildSelfBuilt({ databaseUrl: postgres.url(), tenants: new Map([[key, "acme"]]) });
await service.app.listen({ host: "127.0.0.1", port: 0 });
serve({ port: Number(new URL(service.app.listeningOrigin).port), key }, async () => {
  await service.stop();
  await postgres.stop();
});
