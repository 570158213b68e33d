import { readFileSync } from "node:fs";
import { waitFor } from "../../servers/servers.js";
import { ask } from "../../support/client.js";
import { type MetrlyProcess, startMetrly } from "../../support/metrly.js";
import { CREATE_METER, CREATE_PLAN, CREATE_TENANT, ISSUE_KEY } from "../whole-path/world.js";

/** A tenant of the server under attack. */
export interface Tenant {
  readonly id: string;
  /** With the scopes INGEST, QUOTA and READ. */
  readonly key: string;
}

export interface Server {
  readonly metrly: MetrlyProcess;
  readonly url: string;
  readonly port: number;
  readonly adminToken: string;
  /** Sends what is hostile. */
  readonly attacker: Tenant;
  /** Its requests must be answered as always. */
  readonly neighbour: Tenant;
}

const HEAP_MB = 512;

/** One embedded server with a small heap, a meter per kind and two tenants with generous limits. */
export async function startServer(env: Readonly<Record<string, string>> = {}): Promise<Server> {
  const metrly = await startMetrly("embedded", { NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}`, ...env });
  const { url } = metrly;
  const adminToken = await metrly.adminToken();
  await ask(url, adminToken, CREATE_METER, {
    input: { key: "calls", name: "Calls", eventType: "call", aggregation: "COUNT" },
  });
  await ask(url, adminToken, CREATE_METER, {
    input: {
      ...{ key: "units", name: "Units", eventType: "units", aggregation: "SUM", valueProperty: "n" },
      dimensions: ["region"],
    },
  });
  await ask(url, adminToken, CREATE_PLAN, {
    input: {
      ...{ id: "plan", name: "Plan" },
      version: {
        currency: "USD",
        prices: [{ meter: "calls", model: "PER_UNIT", unitAmount: "0.01" }],
        limits: [{ meter: "calls", window: "DAY", kind: "HARD", limit: "100000000" }],
      },
    },
  });
  const [attacker, neighbour] = [await createTenant("attacker"), await createTenant("neighbour")];

  async function createTenant(id: string): Promise<Tenant> {
    await ask(url, adminToken, CREATE_TENANT, { input: { id, name: id, planId: "plan" } });
    const { issueApiKey } = await ask(url, adminToken, ISSUE_KEY, {
      input: { tenantId: id, name: "key", scopes: ["INGEST", "QUOTA", "READ"] },
    });
    await waitFor(async () => (await decide(url, issueApiKey.secret)).status === 200, { what: `the key of ${id}` });
    return { id, key: issueApiKey.secret };
  }
  return { metrly, url, port: Number(new URL(url).port), adminToken, attacker, neighbour };
}

export function decide(url: string, key: string): Promise<Response> {
  return fetch(`${url}/v1/quota/check`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify({ meter: "calls" }),
  });
}

/** Processor time of a process so far, ms; undefined where /proc does not tell. */
export function cpuMs(pid: number): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return undefined;
  }
}

/** The largest resident memory of a process so far, MiB; undefined where /proc does not tell. */
export function peakMiB(pid: number): number | undefined {
  try {
    const found = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return found === undefined ? undefined : Number(found) / 1024;
  } catch {
    return undefined;
  }
}
