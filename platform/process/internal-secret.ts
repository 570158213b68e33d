import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { hasCode } from "#kernel/errors.js";
import { randomSecret } from "#platform/lifecycle/secret.js";
import { type Config, ConfigError } from "./config.js";

const SECRET_BYTES = 32;
const MIN_LENGTH = 32;

/** The configured secret, the one in the configured file, or one generated once in the data directory. */
export async function findInternalSecret(config: Config): Promise<string> {
  if (config.internalSecret !== undefined) return config.internalSecret;
  return config.internalSecretFile === undefined ? localSecret(config.dataDir) : secretIn(config.internalSecretFile);
}

async function secretIn(file: string): Promise<string> {
  const secret = await readFile(file, "utf8").then(
    (text) => text.trim(),
    (error: Error) => {
      throw new ConfigError(`METRLY_INTERNAL_SECRET_FILE cannot be read: ${error.message}`);
    },
  );
  if (secret.length < MIN_LENGTH)
    throw new ConfigError(`METRLY_INTERNAL_SECRET_FILE must hold at least ${MIN_LENGTH} characters`);
  return secret;
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
