import { readFile } from "node:fs/promises";
import path from "node:path";

/** Where a running Metrly writes its address. */
export const addressFile = (dataDir: string): string => path.join(dataDir, "address");

/** The address of the Metrly that runs, or ran last and was killed, on this data directory. */
export async function readAddress(dataDir: string): Promise<string | undefined> {
  const text = (await readFile(addressFile(dataDir), "utf8").catch(() => "")).trim();
  return URL.canParse(text) ? text : undefined;
}
