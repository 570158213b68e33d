import type { FastifyInstance, FastifyRequest } from "fastify";
import { MetrlyError } from "#kernel/errors.js";
import { authenticateApiKey, bearerToken } from "#platform/auth/api-keys.js";
import { disconnectedSignal } from "#platform/http/disconnected.js";
import { createFairTurns, inTurn, type TurnLimits } from "#platform/lifecycle/fair-turns.js";
import { onceCaughtUp } from "#platform/tenancy-client/caught-up.js";
import type { ApiKeyState } from "#schema/events/tenancy-changed.v1.js";
import type { EventLookup } from "../store/event-lookup.js";
import { describeEvent } from "./describe-event.js";
import { type AnswerForm, createEventsReceiver, type ReceiverOptions } from "./receive-events.js";

export interface EdgeOptions extends Omit<ReceiverOptions, "logger"> {
  readonly events: Pick<EventLookup, "find" | "conflicts" | "recordedThrough">;
}

/** Together fewer than the connections for requests, so that operations of the graph find some. */
const LOOKUPS: TurnLimits = { atOnce: 4, perCaller: 2, waitingPerCaller: 200, waiting: 1_000 };

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
  const turns = createFairTurns(LOOKUPS);
  app.get("/v1/events", async (request, reply) => {
    const asked = await lookupOf(request, options);
    const busy = "Too many events are being looked up; try again later";
    const signal = disconnectedSignal(request.raw, reply.raw);
    return reply.send(await inTurn(turns, asked.caller, busy, () => lookUp(asked, options), { signal }));
  });
}

function keyOf(request: FastifyRequest, { tenancy, clock }: EdgeOptions): ApiKeyState {
  return authenticateApiKey(tenancy, clock, bearerToken(request.headers.authorization));
}

interface Lookup {
  readonly tenantId: string;
  readonly source: string;
  readonly id: string;
  /** Who takes turns: a tenant, or a platform key. */
  readonly caller: string;
}

async function lookupOf(request: FastifyRequest, options: EdgeOptions): Promise<Lookup> {
  const key = await onceCaughtUp(options.tenancy, () => keyOf(request, options));
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
  return { tenantId, source, id, caller: key.tenantId ?? key.id };
}

/** The outcome of an event. */
async function lookUp({ tenantId, source, id }: Lookup, options: EdgeOptions): Promise<object> {
  // Before the event: one that is recorded in between must not be denied with its own moment.
  const recordedThrough = await options.events.recordedThrough(tenantId);
  const found = await options.events.find(tenantId, source, id);
  if (found !== undefined) return describeEvent(found, (await options.events.conflicts([found]))[0]);
  throw new MetrlyError("NOT_FOUND", "The event does not exist or is not recorded yet", {
    recordedThrough: recordedThrough === undefined ? null : new Date(recordedThrough).toISOString(),
  });
}

function required(params: URLSearchParams, name: string): string {
  const value = params.get(name) ?? "";
  if (value === "") throw new MetrlyError("INVALID", `${name}: is required`);
  return value;
}
