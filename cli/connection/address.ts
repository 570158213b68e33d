import { readFile } from "node:fs/promises";
import path from "node:path";
import { timeoutSignal } from "#platform/lifecycle/time.js";
import type { Config, Env } from "#platform/process/config.js";
import { asTyped } from "../as-typed.js";
import { UserError } from "./failure.js";

/** Where a running Metrly writes its address. */
export const addressFile = (dataDir: string): string => path.join(dataDir, "address");

/** Where it writes the address of its metrics. */
export const metricsAddressFile = (dataDir: string): string => path.join(dataDir, "metrics-address");

/** Where it writes who it is: a name of its own for each run. */
export const instanceFile = (dataDir: string): string => path.join(dataDir, "instance");

/** The header of `/healthz` in which a Metrly says who it is. */
export const INSTANCE_HEADER = "metrly-instance";

const ANSWER_MS = 5_000;

/**
 * Where the Metrly of this data directory listens: METRLY_PORT, or its own word, or the default. Throws `UserError` if it was killed and
 * another program has its port now, which must not get its token.
 */
export async function localUrl({ dataDir, port }: Pick<Config, "dataDir" | "port">, env: Env): Promise<string> {
  const local = env.METRLY_PORT ? undefined : await readAddress(dataDir);
  if (local === undefined) return `http://127.0.0.1:${port}`;
  if ((await isInstance(dataDir, local)) !== false) return local;
  throw new UserError(
    `Metrly does not run here: another program answers at ${local}, where it listened last. Start it with ${asTyped("serve")}, or pass --url.`,
  );
}

/** Whether it is the Metrly of this data directory that answers at its last address; undefined: nobody answers. */
export async function isInstance(dataDir: string, url: string): Promise<boolean | undefined> {
  const instance = (await readFile(instanceFile(dataDir), "utf8").catch(() => "")).trim();
  const answer = await fetch(`${url}/healthz`, { signal: timeoutSignal(ANSWER_MS) }).catch(() => undefined);
  if (answer === undefined) return undefined;
  await answer.body?.cancel();
  return answer.headers.get(INSTANCE_HEADER) === instance;
}

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
