import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { MetrlyError } from "#kernel/errors.js";
import { authenticateApiKey, bearerToken } from "#platform/auth/api-keys.js";
import type { ApiKeyState } from "#schema/events/tenancy-changed.v1.js";
import type { EventLookup } from "../store/event-lookup.js";
import { describeEvent } from "./describe-event.js";
import { type AnswerForm, createEventsReceiver, type ReceiverOptions } from "./receive-events.js";

export interface EdgeOptions extends Omit<ReceiverOptions, "logger"> {
  readonly events: Pick<EventLookup, "find" | "recordedThrough">;
}

/** The data plane: `POST /v1/events`, its alias for the OpenMeter SDK, and `GET /v1/events`. */
export function registerEdge(app: FastifyInstance, options: EdgeOptions): void {
  const receiver = createEventsReceiver({ ...options, logger: app.log });
  const routes: readonly [string, AnswerForm][] = [
    ["/v1/events", "results"],
    ["/api/v1/events", "nothing"],
  ];
  for (const [url, form] of routes) {
    app.directly("POST", url, receiver.handler(form));
    app.whileArriving(url, receiver.checkKey);
  }
  app.get("/v1/events", (request, reply) => answerLookup(request, reply, options));
}

function keyOf(request: FastifyRequest, { tenancy, clock }: EdgeOptions): ApiKeyState {
  return authenticateApiKey(tenancy, clock, bearerToken(request.headers.authorization));
}

/** `GET /v1/events`: the outcome of an event. */
async function answerLookup(request: FastifyRequest, reply: FastifyReply, options: EdgeOptions): Promise<FastifyReply> {
  const key = keyOf(request, options);
  if (!key.scopes.some((scope) => scope === "INGEST" || scope === "READ" || scope === "ADMIN"))
    throw new MetrlyError("FORBIDDEN", "This API key lacks the scope INGEST or READ");
  if (!key.scopes.includes("INGEST") && options.tenancy.isStale())
    throw new MetrlyError("UNAVAILABLE", "The copy of tenancy is stale: a revoked key could not be detected");
  const { searchParams } = new URL(request.url, "http://localhost");
  const tenantId = key.tenantId ?? searchParams.get("tenantId");
  if (tenantId === null)
    throw new MetrlyError("SUBJECT_REQUIRED", "tenantId: a platform key must name the tenant here");
  if (key.tenantId !== null && (searchParams.get("tenantId") ?? tenantId) !== tenantId)
    throw new MetrlyError("NOT_FOUND", "The event does not exist");
  const source = required(searchParams, "source");
  const id = required(searchParams, "id");
  const found = await options.events.find(tenantId, source, id);
  if (found !== undefined) return reply.send(describeEvent(found));
  const recordedThrough = await options.events.recordedThrough(tenantId);
  throw new MetrlyError("NOT_FOUND", "The event does not exist or is not recorded yet", {
    recordedThrough: recordedThrough === undefined ? null : new Date(recordedThrough).toISOString(),
  });
}

function required(params: URLSearchParams, name: string): string {
  const value = params.get(name) ?? "";
  if (value === "") throw new MetrlyError("INVALID", `${name}: is required`);
  return value;
}
