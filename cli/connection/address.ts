import { readFile } from "node:fs/promises";
import path from "node:path";

/** Where a running Metrly writes its address. */
export const addressFile = (dataDir: string): string => path.join(dataDir, "address");

/** Where it writes the address of its metrics. */
export const metricsAddressFile = (dataDir: string): string => path.join(dataDir, "metrics-address");

/** The address of the Metrly that runs, or ran last and was killed, on this data directory. */
export async function readAddress(dataDir: string): Promise<string | undefined> {
  return readUrl(addressFile(dataDir));
}

/** The same of its metrics. */
export async function readMetricsAddress(dataDir: string): Promise<string | undefined> {
  return readUrl(metricsAddressFile(dataDir));
}

async function readUrl(file: string): Promise<string | undefined> {
  const text = (await readFile(file, "utf8").catch(() => "")).trim();
  return URL.canParse(text) ? text : undefined;
}
