import { readFile, writeFile } from "node:fs/promises";
import http, { type Server } from "node:http";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import { findNginx } from "../../servers/nginx.js";
import { serverDir } from "../../servers/run-dir.js";
import { type ServerProcess, startServerProcess } from "../../servers/server-process.js";
import { freePort, hasNginx, waitFor } from "../../servers/servers.js";
import { ask } from "../../support/client.js";
import { type MetrlyProcess, startMetrly } from "../../support/metrly.js";
import { CREATE_METER, CREATE_PLAN, CREATE_TENANT, ISSUE_KEY } from "../whole-path/world.js";

describe.skipIf(!hasNginx)("nginx with a quota in front of a service (deploy/examples/nginx-quota.conf)", () => {
  let metrly: MetrlyProcess;
  let app: Server;
  let nginx: ServerProcess;
  let url: string;
  const passed: string[] = [];

  beforeAll(async () => {
    metrly = await startMetrly("embedded");
    const admin = await metrly.adminToken();
    const calls = { key: "calls", name: "Calls", eventType: "api.call", aggregation: "COUNT" };
    await ask(metrly.url, admin, CREATE_METER, { input: calls });
    const limits = [{ meter: "calls", window: "BILLING_PERIOD", kind: "HARD", limit: "2" }];
    const version = { currency: "EUR", prices: [], limits };
    await ask(metrly.url, admin, CREATE_PLAN, { input: { id: "two", name: "Two", version } });
    for (const id of ["acme", "globex"])
      await ask(metrly.url, admin, CREATE_TENANT, { input: { id, name: id, planId: "two" } });
    const { issueApiKey } = await ask(metrly.url, admin, ISSUE_KEY, {
      input: { platform: true, name: "nginx", scopes: ["QUOTA"] },
    });
    app = http.createServer((request, response) => {
      passed.push(String(request.headers["x-request-id"]));
      response.end("the service");
    });
    await new Promise<void>((resolve) => app.listen(0, "127.0.0.1", resolve));
    const address = app.address();
    const appPort = typeof address === "object" && address !== null ? address.port : 0;
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    nginx = await startNginx({
      "127.0.0.1:4000": new URL(metrly.url).host,
      "127.0.0.1:8080": `127.0.0.1:${appPort}`,
      "127.0.0.1:8000": `127.0.0.1:${port}`,
      METRLY_API_KEY: issueApiKey.secret,
      // A request that Metrly admits after nginx has given up would use up the limit.
      "proxy_connect_timeout 500ms": "proxy_connect_timeout 60s",
      "proxy_read_timeout 1s": "proxy_read_timeout 60s",
    });
    await waitFor(() => fetch(url), { what: "nginx to answer" });
  });

  afterAll(async () => {
    await nginx?.stop();
    app?.close();
    await metrly?.dispose();
  });

  const get = (tenant: string) => fetch(`${url}/hello`, { headers: { "x-tenant": tenant } });

  test("lets a tenant through until its limit, then answers 429 with limit and retry headers", async () => {
    const first = await waitFor(
      async () => {
        const answer = await get("acme");
        return answer.status === 200 ? answer : undefined;
      },
      { what: "the tenant to be known" },
    );
    expect(await first.text()).toBe("the service");
    expect(first.headers.get("ratelimit")).toMatch(/^"calls:BILLING_PERIOD";r=1;t=\d+$/);
    expect((await get("acme")).status).toBe(200);
    const denied = await get("acme");
    expect(denied.status).toBe(429);
    expect(await denied.json()).toMatchObject({ code: "QUOTA_EXCEEDED" });
    expect(denied.headers.get("ratelimit-policy")).toMatch(/^"calls:BILLING_PERIOD";q=2;w=\d+$/);
    expect(Number(denied.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await get("globex")).status).toBe(200);
    expect(passed).toHaveLength(3);
    expect(new Set(passed).size).toBe(3);
  });

  test("unknown tenants are refused, and all tenants while Metrly is down", async () => {
    const before = passed.length;
    for (const tenant of ["", "nobody", 'x","tenantId":"globex']) expect((await get(tenant)).status).not.toBe(200);
    await metrly.terminate();
    const down = await get("globex");
    expect([down.status, down.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(passed).toHaveLength(before);
  });
});

/** With the example's own text; only addresses, the key and the time-outs are replaced. */
async function startNginx(replaced: Readonly<Record<string, string>>): Promise<ServerProcess> {
  const program = await findNginx();
  const dir = await serverDir("nginx");
  let example = await readFile(path.join(packageRoot(), "deploy/examples/nginx-quota.conf"), "utf8");
  for (const [from, to] of Object.entries(replaced)) {
    if (!example.includes(from)) throw new Error(`the example does not name ${from}`);
    example = example.replace(from, to);
  }
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${dir}/${name};`,
  );
  const configuration = `daemon off; pid ${dir}/pid; error_log stderr; worker_processes 1;
events { worker_connections 256; }
http { access_log off; ${temporary.join(" ")}
${example}
}`;
  await writeFile(path.join(dir, "nginx.conf"), configuration);
  return startServerProcess({
    name: "nginx",
    command: program.command,
    args: ["-p", dir, "-c", path.join(dir, "nginx.conf"), ...(process.getuid?.() === 0 ? ["-g", "user root;"] : [])],
    env: program.env,
    dir,
    // nginx logs nothing without problems.
    readyLine: /^/,
  });
}
