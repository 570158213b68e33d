import { setTimeout as wait } from "node:timers/promises";
import { type Operation, postJson } from "../../support/client.js";
import { countRequests, type Requests } from "../../support/requests.js";
import type { Target } from "../whole-path/proof.js";

/** Clients that send one request after another until stopped. */
export interface Hammer {
  readonly requests: Requests;
  /** Answers how many requests were answered with 200. */
  stop(): Promise<number>;
  /** Requests that were answered with 200 until now. */
  admitted(): number;
  /** Requests that were answered with 429. */
  denied(): number;
}

function hammer(clients: number, ask: (asked: number) => Promise<Response>): Hammer {
  const requests = countRequests();
  const stopping = new AbortController();
  let [asked, good, denied] = [0, 0, 0];
  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      asked += 1;
      const response = await requests.track(ask(asked));
      if (response?.status === 200) good += 1;
      if (response?.status === 429) denied += 1;
      await response?.body?.cancel();
      await wait(PAUSE_MS);
    }
  }
  const running = Promise.all(Array.from({ length: clients }, run));
  return {
    requests,
    admitted: () => good,
    denied: () => denied,
    async stop() {
      stopping.abort();
      await running;
      return good;
    },
  };
}

const PAUSE_MS = 100;

/**
 * Consumes quota with a new key each time: a response of 200 admits one request, a missing response none. A denial because of
 * lost counters counts as a broken request.
 */
export function hammerQuota(target: Target, key: string, tenantId: string, clients = 4): Hammer {
  return hammer(clients, (asked) => consume(target, key, tenantId, `hammer-${asked}`));
}

/** Consumes quota once; 503 while counters are rebuilt. */
export async function consume(
  { url }: Target,
  key: string,
  tenantId: string,
  idempotencyKey: string,
): Promise<Response> {
  const body = { tenantId, idempotencyKey, ttlSeconds: 600 };
  return failedIf("COUNTER_REBUILDING", await postJson(url, key, "/v1/quota/consume", body));
}

/** Queries the graph. A subgraph that does not answer is an error in a response with 200: it counts as a broken request. */
export function hammerGraph({ url, admin }: Target, query: Operation<unknown, never>): Hammer {
  return hammer(2, async () => failedIf('"errors"', await postJson(url, admin, "/graphql", { query: String(query) })));
}

async function failedIf(mark: string, response: Response): Promise<Response> {
  const text = await response.text();
  return new Response(text, { status: text.includes(mark) ? 503 : response.status });
}
