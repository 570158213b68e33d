import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Clock } from "#kernel/clock.js";
import { MetrlyError } from "#kernel/errors.js";
import { authenticateApiKey, bearerToken, requireScope } from "#platform/api-keys.js";
import { problemOf } from "#platform/http.js";
import type { TenancyCopy } from "#platform/tenancy-copy.js";
import type { ApiKeyState } from "#schema/events/tenancy-changed.v1.js";
import type { Gate } from "./gate.js";
import { decisionBody, decisionHeaders } from "./http-answer.js";
import { MAX_BATCH, type Operation, type ParsedRequest, parseRequest } from "./http-request.js";
import type { QuotaMetrics } from "./metrics.js";
import type { Decision } from "./rules/decision.js";

export interface DataPlaneOptions {
  readonly gate: Gate;
  readonly tenancy: TenancyCopy;
  readonly clock: Clock;
  readonly metrics: QuotaMetrics;
}

const DENIED = 429;

/** The data plane: `POST /v1/quota/check|consume|release|batch`. */
export function registerDataPlane(app: FastifyInstance, options: DataPlaneOptions): void {
  const { gate, tenancy, metrics } = options;
  const onRequest = async (request: FastifyRequest): Promise<void> => void keyOf(request, options);
  const parse = (value: unknown, key: ApiKeyState, operation: Operation) =>
    parseRequest(value, { key, operation, hasMeter: (meter) => tenancy.meter(meter) !== undefined });

  async function decide(request: ParsedRequest): Promise<Decision> {
    const started = performance.now();
    const decision = await (request.operation === "check" ? gate.check(request) : gate.consume(request));
    metrics.decided(request.operation, decision, performance.now() - started);
    return decision;
  }

  app.post("/v1/quota/check", { onRequest }, async (request, reply) => {
    const parsed = parse(request.body, keyOf(request, options), "check");
    const decision = await decide({ ...parsed, operation: "check" });
    return reply.headers(decisionHeaders(decision)).send(decisionBody(decision, parsed));
  });

  app.post("/v1/quota/consume", { onRequest }, async (request, reply) => {
    const denyStatus = denyStatusOf(request);
    const parsed = parse(request.body, keyOf(request, options), "consume");
    const decision = await decide({ ...parsed, operation: "consume" });
    return reply
      .code(decision.allowed ? 200 : denyStatus)
      .headers(decisionHeaders(decision))
      .send(decisionBody(decision, parsed));
  });

  app.post("/v1/quota/release", { onRequest }, async (request, reply) => {
    const parsed = parse(request.body, keyOf(request, options), "release");
    return reply.send({ released: await gate.release(parsed.tenantId, parsed.idempotencyKey) });
  });

  app.post("/v1/quota/batch", { onRequest }, async (request, reply) => {
    const key = keyOf(request, options);
    const items: unknown = request.body;
    if (!Array.isArray(items)) throw new MetrlyError("MALFORMED", "Send a JSON array");
    if (items.length > MAX_BATCH)
      throw new MetrlyError("TOO_LARGE", `A batch has at most ${MAX_BATCH} requests, not ${items.length}`);
    return reply.send(await Promise.all(items.map((item: unknown) => answerItem(item, key))));
  });

  /** One bad item never fails its neighbours: its problem document stands in its place. */
  async function answerItem(item: unknown, key: ApiKeyState): Promise<object> {
    try {
      const parsed = parse(item, key, "consume");
      if (parsed.operation === "release") {
        return { released: await gate.release(parsed.tenantId, parsed.idempotencyKey) };
      }
      return decisionBody(await decide(parsed), parsed);
    } catch (error) {
      if (error instanceof MetrlyError) return problemOf(error);
      throw error;
    }
  }
}

function keyOf(request: FastifyRequest, { tenancy, clock }: DataPlaneOptions): ApiKeyState {
  const key = authenticateApiKey(tenancy, clock, bearerToken(request.headers.authorization));
  requireScope(key, "QUOTA");
  return key;
}

/** For proxies that know no 429. */
function denyStatusOf(request: FastifyRequest): number {
  const asked = new URL(request.url, "http://localhost").searchParams.get("denyStatus");
  if (asked === null || asked === String(DENIED)) return DENIED;
  if (asked === "403") return 403;
  throw new MetrlyError("INVALID", "denyStatus: must be 403 or 429");
}
