import { stat, statfs } from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { MINUTE_MS } from "#kernel/duration.js";
import { messageOf } from "#kernel/errors.js";
import { PROFILES } from "#platform/database/profiles.js";
import { createSession } from "#platform/database/session.js";
import { nowMs, timeoutSignal } from "#platform/lifecycle/time.js";
import { type Config, type Env, parseConfig } from "#platform/process/config.js";
import { ConfigError } from "#platform/process/config-error.js";
import { unknownSettings } from "#platform/process/settings.js";
import { refuseEviction } from "#platform/redis/eviction.js";
import { startAsTyped } from "../as-typed.js";
import { askGraph, type ConnectionOptions, findConnection, findUrl } from "../connection/connection.js";
import { NoResponse, UserError } from "../connection/failure.js";
import { graphql } from "../graphql/index.js";
import type { Finding } from "./finding.js";
import { unbilledUsage } from "./unbilled.js";

const VIEWER = graphql(`query WhoAsks { viewer { id roles } }`);

const OLDEST_NODE = [20, 19] as const;
const TIMEOUT_MS = 5_000;
const LEAST_FREE_BYTES = 1 << 30;
const MOST_SKEW_MS = MINUTE_MS;

/**
 * `metrly doctor`: checks an installation from the machine it runs on, and suggests fixes. Throws `UserError` when a check
 * failed.
 */
export async function examine(options: ConnectionOptions & { readonly json?: boolean }, env: Env): Promise<void> {
  const findings = await findingsOf(options, env);
  const ill = findings.filter(({ ok }) => ok === false);
  for (const finding of findings)
    process.stdout.write(`${options.json ? JSON.stringify(finding) : describe(finding)}\n`);
  if (ill.length > 0) throw new UserError(`${ill.length} of ${findings.length} checks failed.`);
}

function describe({ what, ok, said, advice }: Finding): string {
  const mark = ok === undefined ? "-" : ok ? "ok" : "NOT OK";
  return `${mark.padEnd(6)}  ${what.padEnd(15)} ${said}${advice === undefined ? "" : `\n${" ".repeat(24)}-> ${advice}`}`;
}

async function findingsOf(options: ConnectionOptions, env: Env): Promise<readonly Finding[]> {
  const node = nodeVersion();
  let config: Config;
  try {
    config = parseConfig(env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [node, { what: "configuration", ok: false, said: error.message, advice: "see .env.example" }];
  }
  const settings = settingsFinding(env);
  const parts = [dataDirectory(config), ...serversOf(config), ...(await answersOf(options, env))];
  const found = await Promise.all(parts);
  return [node, settings, ...found, ...(await unbilledUsage(() => findConnection(options, env)))];
}

/** A variable that is no setting has no effect. */
function settingsFinding(env: Env): Finding {
  const what = "configuration";
  const unknown = unknownSettings(env);
  if (unknown.length === 0) return { what, ok: true, said: "all METRLY_* variables are valid" };
  return { what, ok: undefined, said: unknown.join("; ") };
}

function nodeVersion(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const ok = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
  const advice = `install Node ${OLDEST_NODE.join(".")} or newer`;
  return { what: "Node", ok, said: process.version, ...(!ok && { advice }) };
}

async function dataDirectory({ dataDir }: Config): Promise<Finding> {
  const what = "data directory";
  const there = await stat(dataDir).catch(() => undefined);
  if (there === undefined)
    return { what, ok: undefined, said: `${dataDir} does not exist yet; the first start creates it` };
  const token = await stat(path.join(dataDir, "admin-token")).catch(() => undefined);
  if (token !== undefined && (token.mode & 0o077) !== 0)
    return {
      what,
      ok: false,
      said: "admin-token is readable by other users",
      advice: `chmod 600 ${path.join(dataDir, "admin-token")}`,
    };
  const { bavail, bsize } = await statfs(dataDir);
  const free = bavail * bsize;
  const said = `${dataDir}, ${(free / LEAST_FREE_BYTES).toFixed(1)} GiB free`;
  return free < LEAST_FREE_BYTES
    ? { what, ok: false, said, advice: "free disk space: a full disk stops recording" }
    : { what, ok: true, said };
}

/** The configured servers; none in embedded mode. */
function serversOf(config: Config): Promise<Finding>[] {
  const looked: Promise<Finding>[] = [];
  for (const broker of config.kafkaBrokers)
    looked.push(looks("Kafka", broker, "check METRLY_KAFKA_BROKERS and that the broker runs", () => connects(broker)));
  for (const url of new Set([config.redisUrl, ...config.quotaRedisUrls]))
    if (url !== undefined)
      looked.push(
        looks("Redis", new URL(url).host, 'check METRLY_REDIS_URL, and set maxmemory-policy to "noeviction"', () =>
          refuseEviction(url),
        ),
      );
  const { databaseUrl } = config;
  if (databaseUrl !== undefined)
    looked.push(
      looks("PostgreSQL", new URL(databaseUrl).host, "check METRLY_DATABASE_URL and the role's password", async () => {
        const session = createSession({ url: databaseUrl, limits: PROFILES.hot });
        await session.connect();
        await session.end();
      }),
    );
  return looked;
}

async function looks(what: string, where: string, advice: string, look: () => Promise<unknown>): Promise<Finding> {
  try {
    await look();
    return { what, ok: true, said: where };
  } catch (error) {
    return { what, ok: false, said: `${where}: ${messageOf(error)}`, advice };
  }
}

function connects(address: string): Promise<void> {
  const [host = "", port = ""] = address.split(/:(?=\d+$)/);
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port: Number(port), timeout: TIMEOUT_MS });
    socket.once("connect", () => {
      socket.destroy();
      resolve();
    });
    socket.once("timeout", () => socket.destroy(new Error("no answer")));
    socket.once("error", reject);
  });
}

/** Checks of the running Metrly: readiness, clock and token; or why none is asked. */
async function answersOf(options: ConnectionOptions, env: Env): Promise<Promise<Finding>[]> {
  try {
    const url = await findUrl(options, env);
    return [readiness(url), clock(url), whoAsks(options, env)];
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return [Promise.resolve({ what: "address", ok: false, said: error.message })];
  }
}

async function readiness(url: string): Promise<Finding> {
  const what = "readiness";
  try {
    const response = await fetch(`${url}/readyz`, { signal: timeoutSignal(TIMEOUT_MS) });
    if (response.ok) return { what, ok: true, said: `${url} is ready` };
    return { what, ok: false, said: await response.text(), advice: "see the log of the named service" };
  } catch {
    return { what, ok: false, said: `no response from ${url}`, advice: `${startAsTyped()}, or pass --url` };
  }
}

async function clock(url: string): Promise<Finding> {
  const what = "clock";
  const date = await fetch(`${url}/healthz`, { signal: timeoutSignal(TIMEOUT_MS) }).then(
    (response) => Date.parse(response.headers.get("date") ?? ""),
    () => Number.NaN,
  );
  if (Number.isNaN(date)) return { what, ok: undefined, said: "no response to compare with" };
  const skew = Math.abs(nowMs() - date);
  if (skew <= MOST_SKEW_MS) return { what, ok: true, said: "in sync" };
  return {
    what,
    ok: false,
    said: `${Math.round(skew / 1000)} s apart`,
    advice: "run NTP on both machines: ticks are refused otherwise",
  };
}

async function whoAsks(options: ConnectionOptions, env: Env): Promise<Finding> {
  const what = "token";
  try {
    const connection = await findConnection(options, env);
    const { viewer } = await askGraph(connection, VIEWER);
    return { what, ok: true, said: `${viewer.id} (${viewer.roles.join(", ")})` };
  } catch (error) {
    if (error instanceof NoResponse) return { what, ok: undefined, said: "no response to check it with" };
    if (!(error instanceof UserError)) throw error;
    return { what, ok: false, said: error.message, advice: "pass --token, or set METRLY_TOKEN" };
  }
}
