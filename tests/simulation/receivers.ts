import type { SendOptions } from "../../workers/notification/delivery/send.js";
import type { AttemptResult } from "../../workers/notification/rules/retry.js";
import type { Instance } from "./engine/instance.js";
import type { Scheduler } from "./engine/scheduler.js";
import type { Server } from "./server.js";
import { ENDPOINTS, type Received, SECRET_BYTES } from "./terms/webhooks.js";

const ENDPOINT_ROWS = `WITH made AS (
  INSERT INTO webhook_endpoint (tenant_id, id, url, event_types, created_at)
  SELECT t, i, u, string_to_array(e, ','), to_timestamp(0) FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS r (t, i, u, e)
  RETURNING tenant_id, id)
  INSERT INTO webhook_secret (tenant_id, endpoint_id, id, secret, created_at)
  SELECT tenant_id, id, 'whk_1', $5, to_timestamp(0) FROM made`;
const SECRET = `whsec_${SECRET_BYTES.toString("base64")}`;

/** Creates all endpoints before a run, as `createWebhookEndpoint` would. */
export async function createEndpoints({ ask }: Pick<Server, "ask">): Promise<void> {
  await ask(ENDPOINT_ROWS, [
    ENDPOINTS.map(({ tenantId }) => tenantId),
    ENDPOINTS.map(({ id }) => id),
    ENDPOINTS.map(({ url }) => url),
    ENDPOINTS.map(({ eventTypes }) => eventTypes.join(",")),
    SECRET,
  ]);
}

/** How often a receiver fails: never, now and then, mostly, always. Each has its own in a run. */
const FAILURES = [0, 0.1, 0.6, 1];
/** How often one that fails is gone for good. */
const GONE = 0.05;
const LONGEST_RETRY_AFTER_MS = 120_000;

export type SimulatedReceivers = ReturnType<typeof createSimulatedReceivers>;

/** The receivers of webhooks, as processes reach them over a network that loses requests and answers. */
export function createSimulatedReceivers(scheduler: Scheduler) {
  const received: Received[] = [];
  const gone = new Set<string>();
  const randoms = new Map(ENDPOINTS.map(({ url }) => [url, scheduler.randomFor(`receiver ${url}`)]));
  const rates = new Map([...randoms].map(([url, random]) => [url, FAILURES[Math.floor(random() * FAILURES.length)]]));

  function statusOf(url: string): number {
    const random = randoms.get(url);
    if (random === undefined || gone.has(url)) return 410;
    if (random() >= (rates.get(url) ?? 0)) return 200;
    if (random() < GONE) gone.add(url);
    return gone.has(url) ? 410 : 503;
  }

  /** What arrives at a receiver, with its answer. */
  function receive({ url, headers, body }: SendOptions, startedAt: number): Received {
    const status = statusOf(url);
    const random = randoms.get(url);
    const asks = status === 503 && random !== undefined && random() < 0.3;
    const one: Received = {
      ...{ url, body, status, startedAt, answeredAt: undefined },
      ...{ id: headers["webhook-id"] ?? "", timestamp: headers["webhook-timestamp"] ?? "" },
      signature: headers["webhook-signature"] ?? "",
      retryAfterMs: asks ? Math.floor(random() * LONGEST_RETRY_AFTER_MS) : undefined,
    };
    received.push(one);
    return one;
  }

  return {
    received: (): readonly Received[] => received,
    /** A POST of this instance. */
    of:
      (instance: Instance) =>
      async (options: SendOptions): Promise<AttemptResult> => {
        const startedAt = scheduler.nowMs();
        const common = { startedAt, durationMs: 0, responseBody: undefined, isPermanent: false };
        let arrived: Received | undefined;
        const perform = async (): Promise<Pick<AttemptResult, "responseStatus" | "retryAfterMs">> => {
          arrived = receive(options, startedAt);
          return { responseStatus: arrived.status, retryAfterMs: arrived.retryAfterMs };
        };
        try {
          const answer = await instance.call(`post ${options.url}`, perform, {
            lost: () => new Error("timeout"),
            sent: options.body,
          });
          if (arrived !== undefined) arrived.answeredAt = scheduler.nowMs();
          const { responseStatus: status = 0 } = answer;
          return { ...common, ...answer, error: status === 200 ? undefined : `the receiver answered ${status}` };
        } catch (error) {
          return { ...common, responseStatus: undefined, retryAfterMs: undefined, error: String(error) };
        }
      },
  };
}
