import { rm, writeFile } from "node:fs/promises";
import { addressFile } from "../connection/address.js";
import type { RunningSystem } from "./system.js";

/** Tells the command line where this Metrly listens, until it stops: its port need not be the default. */
export async function publishAddress(
  dataDir: string,
  { url, beforeStop }: Pick<RunningSystem, "url" | "beforeStop">,
): Promise<void> {
  const file = addressFile(dataDir);
  await writeFile(file, `${url}\n`);
  beforeStop(() => rm(file, { force: true }));
}
