import type { IncomingMessage } from "node:http";
import type { FastifyInstance } from "fastify";
import type { Clock } from "#kernel/clock.js";
import { MetrlyError } from "#kernel/errors.js";
import { createKeyAuthenticator, requireScope } from "#platform/auth/api-keys.js";
import { answerDirectly, answerProblem, readBody } from "#platform/http/raw-routes.js";
import { type DirectHandler, problemOf } from "#platform/http/server.js";
import { monotonicMs } from "#platform/lifecycle/time.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { ApiKeyState } from "#schema/events/tenancy-changed.v1.js";
import type { DenialLog } from "../gate/denial-log.js";
import type { Gate } from "../gate/gate.js";
import type { QuotaMetrics } from "../metrics.js";
import type { Decision } from "../rules/decision.js";
import { decisionBody, decisionHeaders, denialBody } from "./answer.js";
import { jsonOf, MAX_BATCH, type ParsedRequest, parseRequest, type QuotaOperation, tenantOf } from "./request.js";

export interface DataPlaneOptions {
  readonly gate: Gate;
  readonly denials: DenialLog;
  readonly tenancy: TenancyCopy;
  readonly clock: Clock;
  readonly metrics: QuotaMetrics;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const MAX_BODY_BYTES = 1_048_576;
const DENIED = 429;

/** The data plane: `POST /v1/quota/check|consume|release|batch`, and `GET /v1/quota/denial`. */
export function registerDataPlane(app: FastifyInstance, options: DataPlaneOptions): void {
  const { gate, denials, tenancy, metrics } = options;
  const authenticate = createKeyAuthenticator(tenancy, options.clock);
  const parse = (value: unknown, key: ApiKeyState, operation: QuotaOperation) =>
    parseRequest(value, { key, operation, hasMeter: (meter) => tenancy.meter(meter) !== undefined });

  function keyOf(authorization: string | undefined): ApiKeyState {
    const key = authenticate(authorization);
    requireScope(key, "QUOTA");
    return key;
  }

  /** Authenticates before reading the body, and always answers. */
  function route(
    answer: (body: unknown, key: ApiKeyState, request: IncomingMessage) => Promise<Answer>,
  ): DirectHandler {
    return (request, response) => {
      const failed = (error: unknown) => answerProblem(response, error, app.log);
      let key: ApiKeyState;
      try {
        key = keyOf(request.headers.authorization);
      } catch (error) {
        failed(error);
        return;
      }
      readBody(request, MAX_BODY_BYTES, failed, (bytes) => {
        const answered = async () => answer(jsonOf(request.headers["content-type"], bytes), key, request);
        answered().then(({ status, body, headers }) => answerDirectly(response, status, body, headers), failed);
      });
    };
  }

  async function decide(request: ParsedRequest): Promise<Decision> {
    const started = monotonicMs();
    const decision = await (request.operation === "check" ? gate.check(request) : gate.consume(request));
    metrics.decided(request.operation, decision, monotonicMs() - started);
    if (!decision.allowed && request.operation === "consume") denials.remember(request, decision);
    return decision;
  }

  const check = route(async (body, key) => {
    const parsed = parse(body, key, "check");
    const decision = await decide({ ...parsed, operation: "check" });
    return { status: 200, body: decisionBody(decision, parsed), headers: decisionHeaders(decision) };
  });

  const consume = route(async (body, key, request) => {
    const denyStatus = denyStatusOf(request);
    const parsed = parse(body, key, "consume");
    const decision = await decide({ ...parsed, operation: "consume" });
    const status = decision.allowed ? 200 : denyStatus;
    return { status, body: decisionBody(decision, parsed), headers: decisionHeaders(decision) };
  });

  const release = route(async (body, key) => {
    const { tenantId, idempotencyKey } = parse(body, key, "release");
    return { status: 200, body: { released: await gate.release(tenantId, idempotencyKey) } };
  });

  const batch = route(async (items, key) => {
    if (!Array.isArray(items)) throw new MetrlyError("MALFORMED", "Send a JSON array");
    if (items.length > MAX_BATCH)
      throw new MetrlyError("TOO_LARGE", `A batch has at most ${MAX_BATCH} requests, not ${items.length}`);
    return { status: 200, body: await Promise.all(items.map((item: unknown) => answerItem(item, key))) };
  });

  /** One invalid item never fails the others: its problem document takes its place. */
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

  app.directly("POST", "/v1/quota/check", check);
  app.directly("POST", "/v1/quota/consume", consume);
  app.directly("POST", "/v1/quota/release", release);
  app.directly("POST", "/v1/quota/batch", batch);

  /** Why a `consume` was denied within the last hour. */
  app.get("/v1/quota/denial", async (request, reply) => {
    const key = keyOf(request.headers.authorization);
    const { searchParams } = new URL(request.url, "http://localhost");
    const idempotencyKey = searchParams.get("idempotencyKey") ?? "";
    if (idempotencyKey === "") throw new MetrlyError("INVALID", "idempotencyKey: is required");
    const denial = await denials.find(tenantOf(searchParams.get("tenantId"), key), idempotencyKey);
    if (denial === undefined) throw new MetrlyError("NOT_FOUND", "No denial under this key in the last hour");
    return reply.send(denialBody(denial));
  });
}

/** For proxies that do not understand 429. */
function denyStatusOf({ url = "" }: IncomingMessage): number {
  if (!url.includes("?")) return DENIED;
  const asked = new URL(url, "http://localhost").searchParams.get("denyStatus");
  if (asked === null || asked === String(DENIED)) return DENIED;
  if (asked === "403") return 403;
  throw new MetrlyError("INVALID", "denyStatus: must be 403 or 429");
}
