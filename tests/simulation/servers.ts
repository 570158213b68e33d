import type { ServiceName } from "#platform/process/services.js";
import { createMigratedDatabase } from "../servers/migrated.js";
import { numberNotes } from "./judge/attempts.js";
import { connectServer, type Server } from "./server.js";
import { writePast } from "./tenancy/past.js";

const SIMULATED = [
  "ingestion",
  "billing",
  "quota",
  "notification",
  "tenancy",
] as const satisfies readonly ServiceName[];

export type Servers = Awaited<ReturnType<typeof openServers>>;

/** The databases of an installation. One run after the other uses them, each as if they were new. */
export async function openServers() {
  const opened = await Promise.all(
    SIMULATED.map(async (name) => {
      const { url, drop } = await createMigratedDatabase(name);
      if (name === "tenancy") await writePast(url);
      const server = await connectServer(url);
      if (name === "notification") await numberNotes(server.ask);
      return { name, drop, server };
    }),
  );
  const byName = new Map<ServiceName, Server>(opened.map(({ name, server }) => [name, server]));

  return {
    of(name: ServiceName): Server {
      const server = byName.get(name);
      if (server === undefined) throw new RangeError(`${name} is not simulated`);
      return server;
    },
    async reset(): Promise<void> {
      await Promise.all(opened.map(({ server }) => server.reset()));
    },
    async stop(): Promise<void> {
      await Promise.all(opened.map(({ server }) => server.stop()));
      await Promise.all(opened.map(({ drop }) => drop()));
    },
  };
}
