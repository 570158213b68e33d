import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import { freePort } from "../servers/servers.js";
import { nodeFlags } from "../support/node-flags.js";
import { type Container, startContainer } from "../systems/compose/container.js";
import type { FaultWorld } from "./world.js";

/** An additional edge and recorder beside `metrly serve`, restarted like a container. */
export interface IngestionProcess {
  /** host:port of its edge. */
  readonly address: string;
  readonly container: Container;
}

export async function startIngestionProcess(
  { env, metrly }: FaultWorld,
  name: string,
  dir: string,
): Promise<IngestionProcess> {
  const address = `127.0.0.1:${await freePort()}`;
  const readyUrl = `http://${address}/readyz`;
  const isReady = `fetch("${readyUrl}").then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))`;
  const container = await startContainer({
    name,
    command: [process.execPath, ...nodeFlags, path.join(packageRoot(), "dist/cli/metrly.js"), "ingestion"],
    env: {
      ...env,
      PATH: process.env.PATH ?? "",
      METRLY_DATABASE_URL: metrly.databaseUrl("ingestion"),
      METRLY_PORT: address.split(":")[1] ?? "",
      METRLY_METRICS_PORT: String(await freePort()),
      METRLY_DATA_DIR: path.join(dir, `${name}-data`),
      METRLY_PARTITIONS: "4",
      METRLY_TICK_SECONDS: "1",
      METRLY_LOG_LEVEL: "warn",
    },
    healthcheck: [process.execPath, "-e", isReady],
    readyUrl,
    restarts: true,
    dir,
  });
  return { address, container };
}
