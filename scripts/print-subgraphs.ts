import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseConfig } from "#platform/process/config.js";
import { createLogger } from "#platform/process/logger.js";
import { startSystem } from "../cli/server/system.js";

/** Prints `[{ name, sdl }]` of the running subgraphs: starts the system in a temporary folder. */
const dataDir = await mkdtemp(path.join(tmpdir(), "metrly-schema-"));
try {
  const config = parseConfig({
    METRLY_DATA_DIR: dataDir,
    METRLY_PORT: "0",
    METRLY_METRICS_PORT: "0",
    METRLY_DEMO: "off",
  });
  const system = await startSystem({
    config,
    composition: "all",
    logger: createLogger("warn"),
    fail(error) {
      throw error;
    },
  });
  const subgraphs = system.services.flatMap((service) =>
    service.subgraph === undefined ? [] : [{ name: service.subgraph.name, sdl: service.subgraph.sdl }],
  );
  process.stdout.write(JSON.stringify(subgraphs));
  await system.stop();
} finally {
  await rm(dataDir, { recursive: true, force: true, maxRetries: 10 });
}
