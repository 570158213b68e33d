import { readFileSync } from "node:fs";
import { messageOf } from "#kernel/errors.js";

type Env = Readonly<Record<string, string | undefined>>;

/** Settings that may also be in a file, which NAME_FILE names: an orchestrator mounts secrets as files. */
export const SECRETS = [
  "METRLY_INTERNAL_SECRET",
  "METRLY_DATABASE_PASSWORD",
  "METRLY_REDIS_PASSWORD",
  "METRLY_KAFKA_PASSWORD",
] as const;

/** How clients authenticate to Kafka; `none`: they do not. */
export const KAFKA_SASL = ["none", "plain", "scram-sha-256", "scram-sha-512"] as const;

export interface KafkaAccess {
  /** Whether connections use TLS, with the authorities that Node trusts. */
  readonly tls: boolean;
  readonly sasl:
    | {
        readonly mechanism: Exclude<(typeof KAFKA_SASL)[number], "none">;
        readonly username: string;
        readonly password: string;
      }
    | undefined;
}

/** Reads a file; a parameter for tests. */
export type ReadFile = (path: string) => string;

export const readText: ReadFile = (path) => readFileSync(path, "utf8");

/**
 * The environment with each secret that is not set itself read from its file, without surrounding white space. Adds a problem
 * for each file that cannot be read or is empty.
 */
export function withSecretFiles(env: Env, readFile: ReadFile, problems: string[]): Env {
  const found: Record<string, string> = {};
  for (const name of SECRETS) {
    const file = env[`${name}_FILE`];
    if (env[name] || !file) continue;
    try {
      found[name] = readFile(file).trim();
      if (found[name] === "") problems.push(`${name}_FILE is empty: ${file}`);
    } catch (error) {
      problems.push(`${name}_FILE cannot be read: ${messageOf(error)}`);
    }
  }
  return { ...env, ...found };
}

/** The URL with the password, if it names a user and no password of its own. */
export function withPassword(url: string, password: string | undefined): string {
  if (password === undefined || password === "" || !URL.canParse(url)) return url;
  const parsed = new URL(url);
  if (parsed.username === "" || parsed.password !== "") return url;
  parsed.password = encodeURIComponent(password);
  return parsed.toString();
}
