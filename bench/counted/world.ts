import { waitFor } from "../../tests/servers/servers.js";
import { ask } from "../../tests/support/client.js";
import * as world from "../../tests/systems/whole-path/world.js";
import type { Listening } from "../support/processes.js";

export const TENANT = "acme";
export const METER = "requests";

/** What the counting of a started Metrly needs: one meter with a dimension, and a tenant's key that works. */
export async function createBenchWorld(url: string, admin: string): Promise<Listening> {
  const meter = { ...{ key: METER, name: METER, eventType: "api.request" }, aggregation: "COUNT" } as const;
  await ask(url, admin, world.CREATE_METER, { input: { ...meter, dimensions: ["region"] } });
  await ask(url, admin, world.CREATE_TENANT, { input: { id: TENANT, name: TENANT } });
  const { issueApiKey } = await ask(url, admin, world.ISSUE_KEY, {
    input: { tenantId: TENANT, name: "bench", scopes: ["INGEST"] },
  });
  const key = issueApiKey.secret;
  // The edge learns about a key from the log.
  const knows = async () => (await sendProbe(url, key)) === 202;
  await waitFor(knows, { what: "the edge to know the key", deadlineMs: 60_000 });
  return { port: Number(new URL(url).port), key };
}

async function sendProbe(url: string, key: string): Promise<number> {
  const event = { specversion: "1.0", id: `probe-${performance.now()}`, source: "bench", type: "api.request" };
  const response = await fetch(`${url}/v1/events`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/cloudevents+json" },
    body: JSON.stringify(event),
  });
  return response.status;
}
