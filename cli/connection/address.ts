import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { hasCode } from "#kernel/errors.js";
import { newUuid } from "#platform/lifecycle/random.js";
import { timeoutSignal } from "#platform/lifecycle/time.js";
import type { Config, Env } from "#platform/process/config.js";
import { startAsTyped } from "../as-typed.js";
import { NoResponse, UserError } from "./failure.js";
import { CHALLENGE_HEADER, PROOF_HEADER, proofOf } from "./proof.js";

/** Throws `UserError`. */
export function assertHttpUrl(url: string): void {
  if (/^https?:\/\//i.test(url) && URL.canParse(url)) return;
  throw new UserError(
    `"${url}" is not a complete URL: start it with http:// or https://, as in http://127.0.0.1:4000.`,
  );
}

/** Where a running Metrly writes its address. */
export const addressFile = (dataDir: string): string => path.join(dataDir, "address");

/** Where it writes the address of its metrics. */
export const metricsAddressFile = (dataDir: string): string => path.join(dataDir, "metrics-address");

/** The admin token, which a Metrly with a gateway writes. */
export const adminTokenFile = (dataDir: string): string => path.join(dataDir, "admin-token");

const ANSWER_MS = 5_000;

/**
 * Where the Metrly of this data directory listens: METRLY_PORT, or its own word, or the default. Throws `UserError` if a program answers
 * there that does not know the directory's admin token, and so must not get it, and `NoResponse` if it does not answer in time.
 * A caller with a token of their own may mean another Metrly at METRLY_PORT or the default, such as one in containers.
 */
export async function localUrl(
  { dataDir, port }: Pick<Config, "dataDir" | "port">,
  env: Env,
  hasOwnToken: boolean,
): Promise<string> {
  const address = env.METRLY_PORT ? undefined : await readAddress(dataDir);
  const url = address ?? `http://127.0.0.1:${port}`;
  if (address === undefined && hasOwnToken) return url;
  if ((await isMetrlyOf(dataDir, url)) !== false) return url;
  const was = address === undefined ? "" : ", where it listened last";
  throw new UserError(
    `Metrly does not run here: another program answers at ${url}${was}, or a Metrly of another version or data directory. Start it with ${startAsTyped()}, or pass --url.`,
  );
}

/**
 * Whether it is the Metrly of this data directory that answers here: it proves that it knows the admin token, which itself is not sent.
 * Undefined: nobody listens, or the directory has no token to protect. Throws `NoResponse`.
 */
export async function isMetrlyOf(dataDir: string, url: string): Promise<boolean | undefined> {
  const token = await readAdminToken(dataDir);
  if (token === undefined) return undefined;
  const challenge = newUuid();
  try {
    const headers = { [CHALLENGE_HEADER]: challenge };
    const answer = await fetch(`${url}/healthz`, { headers, redirect: "error", signal: timeoutSignal(ANSWER_MS) });
    await answer.body?.cancel();
    return answer.headers.get(PROOF_HEADER) === proofOf(token, challenge, portOfUrl(url));
  } catch (error) {
    if (error instanceof Error && error.name === "TimeoutError")
      throw new NoResponse(`No response from ${url} within ${ANSWER_MS / 1000} s.`);
    return isNobody(error) ? undefined : false;
  }
}

const NOBODY = ["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL"] as const;

const isNobody = (error: unknown): boolean => error instanceof Error && hasCode(error.cause, ...NOBODY);

/** Of an `http:` URL. */
export const portOfUrl = (url: string): number => Number(new URL(url).port || 80);

/** The data directory of this name with a readable token in the nearest folder above this one's, in whose tree a command may be typed. */
export async function dataDirAbove(dataDir: string): Promise<string | undefined> {
  const folder = path.dirname(dataDir);
  const above = path.dirname(folder);
  if (above === folder) return undefined;
  const found = path.join(above, path.basename(dataDir));
  return (await readAdminToken(found)) === undefined ? dataDirAbove(found) : found;
}

/** Undefined: there is none that this user may read. */
export async function readAdminToken(dataDir: string): Promise<string | undefined> {
  const token = (await readFile(adminTokenFile(dataDir), "utf8").catch(() => "")).trim();
  return token === "" ? undefined : token;
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

/** For commands that use what only a start may create. Throws `UserError`. */
export function assertDataDir(dataDir: string): void {
  if (existsSync(dataDir)) return;
  throw new UserError(
    `There is no ${dataDir}. Start Metrly here first (${startAsTyped()}), or set METRLY_DATA_DIR to its data directory.`,
  );
}
