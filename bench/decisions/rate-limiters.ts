import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { serverDir } from "../../tests/servers/run-dir.js";
import { type ServerProcess, startServerProcess } from "../../tests/servers/server-process.js";
import { freePort, waitFor } from "../../tests/servers/servers.js";
import { envoyRatelimit, throttlecrab } from "../peers/install.js";

/** A rate limiter with an HTTP interface of its own. */
export interface RateLimiter {
  readonly port: number;
  readonly request: { readonly path: string; readonly body: string };
  stop(): Promise<void>;
}

/** Admits `limit` a minute; its counters are in its own memory, and gone when it ends. */
export async function startThrottlecrab(limit: number): Promise<RateLimiter> {
  const command = await throttlecrab();
  const port = await freePort();
  const server = await startServerProcess({
    ...{ name: "throttlecrab-server", command, dir: await serverDir("throttlecrab"), readyLine: /[\s\S]/ },
    args: ["--http", "--http-host", "127.0.0.1", "--http-port", String(port), "--log-level", "info"],
  });
  const body = JSON.stringify({ key: "acme", max_burst: limit, count_per_period: limit, period: 60 });
  return asked(server, { port, request: { path: "/throttle", body } });
}

/** Admits `limit` a minute; its counters are in Redis, in windows. Its settings are its defaults, without statistics. */
export async function startEnvoyRatelimit(limit: number, redisUrl: string): Promise<RateLimiter> {
  const command = await envoyRatelimit();
  const [dir, port] = [await serverDir("envoy-ratelimit"), await freePort()];
  await mkdir(path.join(dir, "limits/config"), { recursive: true });
  const rate = `rate_limit: { unit: minute, requests_per_unit: ${limit} }`;
  await writeFile(
    path.join(dir, "limits/config/bench.yaml"),
    `domain: bench\ndescriptors: [{ key: tenant, ${rate} }]\n`,
  );
  const server = await startServerProcess({
    ...{ name: "envoyproxy/ratelimit", command, args: [], dir, readyLine: /Listening for HTTP/ },
    env: {
      ...{ HOST: "127.0.0.1", PORT: String(port), GRPC_HOST: "127.0.0.1", GRPC_PORT: String(await freePort()) },
      ...{ DEBUG_HOST: "127.0.0.1", DEBUG_PORT: String(await freePort()), USE_STATSD: "false", DISABLE_STATS: "true" },
      ...{ RUNTIME_ROOT: dir, RUNTIME_SUBDIRECTORY: "limits", RUNTIME_WATCH_ROOT: "false" },
      ...{ REDIS_SOCKET_TYPE: "tcp", REDIS_URL: new URL(redisUrl).host },
    },
  });
  const body = JSON.stringify({ domain: "bench", descriptors: [{ entries: [{ key: "tenant", value: "acme" }] }] });
  return asked(server, { port, request: { path: "/json", body } });
}

/** Waits for its first decision. */
async function asked(server: ServerProcess, limiter: Omit<RateLimiter, "stop">): Promise<RateLimiter> {
  const { port, request } = limiter;
  const admits = async () => {
    const response = await fetch(`http://127.0.0.1:${port}${request.path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: request.body,
    });
    return response.status === 200;
  };
  await waitFor(admits, { what: "the first decision", deadlineMs: 60_000 });
  return { ...limiter, stop: () => server.stop() };
}
