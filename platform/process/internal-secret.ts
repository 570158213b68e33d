import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { hasCode } from "#kernel/errors.js";
import { randomSecret } from "#platform/lifecycle/secret.js";
import type { Config } from "./config.js";

const SECRET_BYTES = 32;

/** The configured secret, or one generated once in the data directory. */
export async function findInternalSecret({ internalSecret, dataDir }: Config): Promise<string> {
  return internalSecret ?? localSecret(dataDir);
}

async function localSecret(dataDir: string): Promise<string> {
  const folder = path.join(dataDir, "keys");
  const file = path.join(folder, "internal-secret");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  try {
    await writeFile(file, randomSecret(SECRET_BYTES).toString("hex"), { mode: 0o600, flag: "wx" });
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  }
  return (await readFile(file, "utf8")).trim();
}
