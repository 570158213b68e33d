import { rm, writeFile } from "node:fs/promises";
import { addressFile, metricsAddressFile } from "../connection/address.js";
import type { RunningSystem } from "./system.js";

/** Tells the command line where this Metrly and its metrics listen, until it stops, because the ports need not be the default. */
export async function publishAddress(
  dataDir: string,
  { url, metricsUrl, beforeStop }: Pick<RunningSystem, "url" | "metricsUrl" | "beforeStop">,
): Promise<void> {
  const files = [
    [addressFile(dataDir), url],
    [metricsAddressFile(dataDir), metricsUrl],
  ] as const;
  for (const [file, address] of files) await writeFile(file, `${address}\n`);
  beforeStop("address files", async () => {
    for (const [file] of files) await rm(file, { force: true });
  });
}
