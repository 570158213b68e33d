import { setTimeout as wait } from "node:timers/promises";
import { expect } from "vitest";
import { waitFor } from "../servers/servers.js";
import { postEvents } from "../support/client.js";
import { type FaultWorld, residentMiB } from "./world.js";

const MEMORY_MIB = 150;
/** How long a mutation waits for the log. */
const MUTATION_WAITS_MS = 2_000;
/** One that does not wait is seen among so many, on a busy machine as well. */
const MUTATIONS = 10;

/**
 * Sends events to the edge during an outage of its log until `ms` have passed: every request is refused as a whole with
 * `Retry-After`, and memory does not grow. Returns the number of requests.
 */
export async function expectRefusals({ target, key, metrly }: FaultWorld, tenantId: string, ms: number): Promise<void> {
  const before = await residentMiB(metrly.pid());
  const end = Date.now() + ms;
  let refused = 0;
  async function ask(client: number): Promise<void> {
    for (let n = 0; n === 0 || Date.now() < end; n += 1) {
      const event = { specversion: "1.0", source: "outage", type: "api.call", subject: tenantId, data: {} };
      const response = await postEvents(target.url, key, [
        { ...event, id: `${client}-${n}-a` },
        { ...event, id: `${client}-${n}-b` },
      ]);
      const answer: { code?: string; results?: unknown } = JSON.parse(await response.text());
      expect({ status: response.status, code: answer.code, results: answer.results }).toEqual({
        status: 503,
        code: expect.stringMatching(/^(LOG_UNAVAILABLE|BUSY)$/),
        results: undefined,
      });
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
      refused += 1;
      await wait(50);
    }
  }
  await Promise.all(Array.from({ length: 8 }, (_, client) => ask(client)));
  expect(refused).toBeGreaterThan(0);
  const after = await residentMiB(metrly.pid());
  if (before !== undefined && after !== undefined) expect(after - before, "MiB more").toBeLessThan(MEMORY_MIB);
}

/** While the log is away, mutations are committed, say so, and do not wait for it: but for the first, which may find out. */
export async function expectUnpublished({ target }: FaultWorld, tenantId: string): Promise<void> {
  let fastestMs = Number.POSITIVE_INFINITY;
  for (let n = 0; n < 3 || (n < MUTATIONS && fastestMs >= MUTATION_WAITS_MS); n += 1) {
    const startedAt = performance.now();
    const { data, extensions } = await rename(target, tenantId, `name ${n}`);
    if (n > 0) fastestMs = Math.min(fastestMs, performance.now() - startedAt);
    expect(data).toEqual({ updateTenant: { name: `name ${n}` } });
    expect(extensions?.propagation).toMatchObject({ complete: false, reason: "LOG_UNAVAILABLE" });
  }
  expect(fastestMs).toBeLessThan(MUTATION_WAITS_MS);
}

/** The log is back: mutations reach every process again. */
export async function expectPublished({ target }: Pick<FaultWorld, "target">, tenantId: string): Promise<void> {
  let last: Renamed | undefined;
  const isComplete = async () => {
    last = await rename(target, tenantId, "back");
    return last.extensions?.propagation.complete;
  };
  await waitFor(isComplete, { what: "mutations to reach every process", deadlineMs: 120_000 }).catch((error: Error) => {
    throw new Error(`${error.message}; the last was answered ${JSON.stringify(last)}`, { cause: error });
  });
}

interface Renamed {
  readonly data: unknown;
  readonly extensions?: { readonly propagation: { readonly complete: boolean } };
}

async function rename({ url, admin }: FaultWorld["target"], tenantId: string, name: string): Promise<Renamed> {
  const query = `mutation { updateTenant(id: "${tenantId}", input: { name: "${name}" }) { name } }`;
  const headers = { "content-type": "application/json", authorization: `Bearer ${admin}` };
  const response = await fetch(`${url}/graphql`, { method: "POST", headers, body: JSON.stringify({ query }) });
  return (await response.json()) as Renamed;
}
