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
  const written = Promise.all(files.map(([file, address]) => writeFile(file, `${address}\n`)));
  // Before they are written: a stop may begin meanwhile.
  beforeStop("address files", async () => {
    await written.catch(() => undefined);
    for (const [file] of files) await rm(file, { force: true });
  });
  await written;
}
